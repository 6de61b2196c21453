"""Errors of other people's storage, in words that say what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cairnhub.core.errors import BadInput, NoSpace, NotFound, Unreachable, how_to_install

_EXTRA_PACKAGE = {"s3": "s3fs", "gs": "gcsfs", "dvc": "dvc"}
_HINT = {
    "s3": "check credentials and endpoint",
    "gs": "check credentials",
    "hf": "check the network, and log in with `hf auth login`",
    "dvc": "check repository and revision, and that the dataset was pushed there (`dvc push`)",
}
# Their errors are of no common class, and not every package is installed everywhere.
_STORAGE_PACKAGES = {"aiohttp", "botocore", "dvc", "dvc_data", "dvc_objects", "gcsfs", "google", "httpx", "httpx2",
                     "requests", "scmrepo"}  # fmt: skip
_KNOWN_SCHEMES = ("s3", "gs", "hf", "dvc", "file", "memory", "https", "http")


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn what storage raises (no rights, credentials, space, network, package) into a `CairnError` of its kind.

    `FileNotFoundError` passes: only the caller knows what its absence means.
    """
    scheme = uri.split("://")[0] if "://" in uri else "file"
    if scheme not in _KNOWN_SCHEMES:
        raise BadInput(f"{uri}: {scheme}:// is not known; use a path, s3://, gs://, hf:// or dvc://")
    try:
        yield
    except PermissionError as error:
        raise Unreachable(f"{uri}: no permission ({error}); {_cure(error)}") from None
    except ImportError:
        package = _EXTRA_PACKAGE.get(scheme, scheme)
        raise NotFound(f"{uri}: {scheme}:// needs a package: {how_to_install(package)}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(f"{uri}: the disk is full; free some space and run again") from None
        if _status(error) in (401, 403):
            raise Unreachable(f"{uri}: no permission ({error}); log in with `hf auth login`") from None
        if isinstance(error, FileNotFoundError):
            raise
        raise _other(uri, scheme, error) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in _STORAGE_PACKAGES:
            raise _other(uri, scheme, error) from None
        raise


def overtaken(uri: str) -> Unreachable:
    """What the second of two pushes to one place is told."""
    return Unreachable(
        f"{uri}: another push is under way, or was made meanwhile: nothing that readers see was changed by this one; "
        "wait for it and push again"
    )


def _other(uri: str, scheme: str, error: Exception) -> Unreachable:
    said = " ".join(str(error).split()) or type(error).__name__
    return Unreachable(f"{uri}: {said}; {_HINT.get(scheme, 'check the address')}")


def _cure(error: PermissionError) -> str:
    """S3 refuses whoever lives in another quarter of an hour."""
    answer = getattr(error.__cause__, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    if code == "RequestTimeTooSkewed":
        return f"{code}: set this machine's clock right"
    return "check your credentials and rights"


def _status(error: OSError) -> int | None:
    status: int | None = getattr(getattr(error, "response", None), "status_code", None)
    return status
