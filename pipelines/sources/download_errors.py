"""What a download says when it cannot go on: what is wrong, where, what to do next."""

import errno
from pathlib import Path

from cairnhub.core.errors import BrokenData, CairnError, NoSpace, NotFound, Unreachable
from cairnhub.pipelines.sources.partial_file import Content
from cairnhub.pipelines.sources.registry import MANUAL, RegistryRow

MOST_SHOWN = 20  # failures in one message


class NoNetwork(Unreachable):
    """Nothing answers: other files will fare no better."""


def disk_error(error: OSError, path: Path) -> CairnError:
    """A file cannot be written, most often because the disk is full."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{path}: the disk is full; make room and run the command again to continue")
    return Unreachable(f"{path}: cannot be written ({error})")


def mismatch(row: RegistryRow, url: str, content: Content, damaged: Path | None) -> CairnError:
    """Other bytes came than the registry promises; `damaged` is where they were put, None where they lie still."""
    moved = f"; they were moved to {damaged}" if damaged else ""
    return BrokenData(
        f"{row.name}: {url} gives other bytes than registered: expected {_expected(row)}, found "
        f"{content.size_bytes:,} bytes, {content.digest}{moved}. Try another mirror; if the change is meant, correct "
        "the registry (of your own files: remove the manifest)"
    )


def wrong_size(row: RegistryRow, url: str, size_bytes: int) -> CairnError:
    """A file on a disk is not as large as registered: it need not be read to know that it is another."""
    return BrokenData(
        f"{row.name}: {url} has {size_bytes:,} bytes, not the {row.size_bytes:,} registered: a part of the file, or "
        "another version. Get a whole copy; if the change is meant, correct the registry (of your own files: remove "
        "the manifest)"
    )


def by_hand(row: RegistryRow, target: Path, present: Content | None) -> CairnError:
    """Say what to get, from where, how to name it and where to put it."""
    what = row.url.removeprefix(MANUAL).strip()
    wrong = f" (the file there has {present.size_bytes:,} bytes, {present.digest})" if present else ""
    is_known = row.size_bytes is not None or row.hash is not None
    expected = f"expected: {_expected(row)}" if is_known else "its structure and counts are checked then"
    kind = BrokenData if present else NotFound
    return kind(
        f"{row.name}: no program may download this file. Get it by hand: {what}. Name it {target.name} and "
        f"put it into {target.parent}{wrong}; {expected}; then run the command again"
    )


def together(failures: list[CairnError]) -> CairnError:
    """One error for files that could not be had, of their kind where they share it; of no network, that alone."""
    no_network = [error for error in failures if isinstance(error, NoNetwork)]
    if no_network or len(failures) == 1:
        return (no_network or failures)[0]
    lines = sorted(f"- {error}" for error in failures)
    shown = lines[:MOST_SHOWN] + [f"- and {len(lines) - MOST_SHOWN:,} more"] * (len(lines) > MOST_SHOWN)
    kinds = {type(error) for error in failures}
    kind = kinds.pop() if len(kinds) == 1 else CairnError
    return kind("\n".join([f"{len(lines):,} files could not be fetched:", *shown]))


def _expected(row: RegistryRow) -> str:
    size = f"{row.size_bytes:,} bytes" if row.size_bytes is not None else "any size"
    return f"{size}, {row.hash or 'any hash'}"
