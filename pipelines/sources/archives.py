"""Archive members read in place: a tar is scanned once for offsets and then read by seek."""

import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from zipfile import ZipFile

import pandas as pd

from hierarchies import CairnError
from pipelines.sources.zips import open_zip, read_zip_member


def safe_name(name: str) -> bool:
    """Whether a member's name stays inside its archive."""
    parts = PurePosixPath(name)
    return not parts.is_absolute() and ".." not in parts.parts and "\\" not in name


def scan_tar(path: Path) -> pd.DataFrame:
    """List the regular members of an uncompressed tar.

    Returns:
        Columns `archive`, `member`, `offset` (bytes from the start of the tar), `size_bytes`, in the tar's
        order. Links, devices and names that leave the archive are left out: nothing is ever written by name.

    Raises:
        CairnError: missing, damaged or truncated tar.
    """
    rows: list[tuple[str, str, int, int]] = []
    try:
        with tarfile.open(path, "r:") as tar:
            rows.extend(
                (path.name, info.name, info.offset_data, info.size)
                for info in tar
                if info.isreg() and safe_name(info.name)
            )
    except FileNotFoundError as error:
        raise CairnError(f"{path} is missing: run the fetch stage again") from error
    except (tarfile.TarError, EOFError) as error:
        raise CairnError(f"{path}: damaged tar ({error}): delete it and run the fetch stage again") from error
    return pd.DataFrame(rows, columns=["archive", "member", "offset", "size_bytes"])


def stream_tar_gz(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the regular members of a `.tar.gz`, reading it once from end to end.

    Raises:
        CairnError: missing, damaged or truncated archive.
    """
    try:
        with tarfile.open(path, "r|gz") as tar:
            for info in tar:
                member = tar.extractfile(info) if info.isreg() and safe_name(info.name) else None
                if member is not None:
                    yield info.name, member.read()
    except FileNotFoundError as error:
        raise CairnError(f"{path} is missing: run the fetch stage again") from error
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CairnError(
            f"{path}: damaged archive ({error}): delete it and run the fetch stage again"
        ) from error


def read_members(store: Path, images: pd.DataFrame) -> Iterator[bytes]:
    """Yield the bytes of each row of an index, in its order.

    Args:
        store: folder of the fetched files.
        images: columns `archive`, `member`, `offset`, `size_bytes`. Rows of a `.tar.gz` must follow the
            archive's own order, since such an archive cannot be entered half-way.

    Raises:
        CairnError: a member ends early or is not where the index says.
    """
    with ExitStack() as stack:
        handles: dict[str, BinaryIO] = {}
        streams: dict[str, Iterator[tuple[str, bytes]]] = {}
        zips: dict[str, ZipFile] = {}
        for row in images[["archive", "member", "offset", "size_bytes"]].itertuples(index=False):
            archive, member, offset, size_bytes = row
            if archive == "":
                yield (store / member).read_bytes()
            elif archive.endswith(".zip"):
                if archive not in zips:
                    zips[archive] = stack.enter_context(open_zip(store / archive))
                yield read_zip_member(zips[archive], member)
            elif archive.endswith((".gz", ".tgz")):
                stream = streams.setdefault(archive, stream_tar_gz(store / archive))
                yield _advance(stream, archive, member)
            else:
                if archive not in handles:
                    handles[archive] = stack.enter_context((store / archive).open("rb"))
                handles[archive].seek(offset)
                data = handles[archive].read(size_bytes)
                if len(data) != size_bytes:
                    raise CairnError(f"{store / archive}: {member} ends early: run fetch and index again")
                yield data


def _advance(stream: Iterator[tuple[str, bytes]], archive: str, member: str) -> bytes:
    """The next occurrence of `member` in a stream."""
    for name, data in stream:
        if name == member:
            return data
    raise CairnError(
        f"{archive}: {member} does not come in the order of the index: run the index stage again"
    )
