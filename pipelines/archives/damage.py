"""What is said of an archive that cannot be read: what its bytes are, where that is known, and what to do next."""

from pathlib import Path

from cairnhub.core.errors import BrokenData

_HEADS = {
    b"\x1f\x8b": ("a gzipped file", ".tar.gz"),
    b"PK\x03\x04": ("a zip", ".zip"),
    b"PK\x05\x06": ("an empty zip", ".zip"),
    b"BZh": ("a file packed by bzip2", ""),
    b"\xfd7zXZ\x00": ("a file packed by xz", ""),
    b"\x28\xb5\x2f\xfd": ("a file packed by zstandard", ""),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", ""),
    b"Rar!": ("a RAR archive", ""),
    b"\xff\xd8\xff": ("a JPEG", ""),
    b"<": ("a web page, or other markup", ""),
}
"""The first bytes of a file -> what it is, and what its name must end in to be read; empty where it is not read."""
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257


def damaged(path: Path, kind: str, reason: str) -> BrokenData:
    """The error for an archive of which some bytes do not fit its kind.

    Args:
        path: the archive.
        kind: what its name says it is, such as `tar`.
        reason: what does not fit.
    """
    return misnamed(path, kind) or BrokenData(
        f"{path}: damaged {kind} ({reason}), as it was fetched: put a whole copy where it came from, and run the fetch "
        "stage again"
    )


def misnamed(path: Path, kind: str) -> BrokenData | None:
    """The error for a file whose first bytes are of another kind than its name says; None where they are not."""
    found, ending = _content(path)
    endings = (".tar.gz", ".tgz") if ending == ".tar.gz" else (ending,)
    if not found or (ending and path.name.lower().endswith(endings)):
        return None
    cure = (
        f"let its name end in {ending}, there and in params.yaml"
        if ending
        else "put a .tar, .tar.gz or .zip there"
    )
    return BrokenData(
        f"{path}: is {found}, not a {kind}: where it comes from, {cure}; then run the fetch stage again"
    )


def _content(path: Path) -> tuple[str, str]:
    """What a file's first bytes say that it is, and the ending of such files; empty where they say nothing."""
    with path.open("rb") as file:
        head = file.read(_TAR_MARK_AT + len(_TAR_MARK))
    if head[_TAR_MARK_AT:] == _TAR_MARK:
        return "a tar", ".tar"
    return next((kind for begins, kind in _HEADS.items() if head.startswith(begins)), ("", ""))
