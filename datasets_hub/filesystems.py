"""Where a URI or a path leads."""

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from cairnhub.core.errors import BadInput
from cairnhub.core.home import expanded


def filesystem_of(uri: str, **options: object) -> tuple[AbstractFileSystem, str]:
    """The file system of a URI, and the path on it; a local path is taken as it is, whatever signs are in it.

    Args:
        uri: a path of this machine, or an address that fsspec knows.
        options: for fsspec.

    Raises:
        BadInput: the address has a `::`.
    """
    if "://" not in uri:
        return LocalFileSystem(), str(expanded(uri).absolute())
    check_uri(uri)
    filesystem, path = url_to_fs(uri, **options)
    return filesystem, path


def check_uri(uri: str) -> None:
    """Raise `BadInput` for an address that fsspec would take for two."""
    if "://" in uri and "::" in uri:
        raise BadInput(f"{uri}: `::` is a seam between two addresses: give one, or rename the folder")
