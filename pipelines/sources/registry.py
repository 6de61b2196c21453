"""Registries: TSV files that say which files a dataset consists of, where they lie and what they hash to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cairnhub.core.errors import BadInput, CairnError, NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import read_text
from cairnhub.core.safe_names import stays_below
from cairnhub.core.text import on_any_disk, quoted

REGISTRIES = Path(__file__).parent / "registries"
"""Of the datasets known here: `<dataset>.tsv` lists files, `<edition>.counts.yaml` says how much they hold."""
COLUMNS = ("name", "url", "bytes", "hash")
MANUAL = "manual:"
"""Begins the `url` of a file that no program may download."""
HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}


@dataclass(frozen=True)
class RegistryRow:
    """One file of a dataset.

    Attributes:
        name: relative posix path of the file, in the store and in every mirror.
        url: an address (http, https, file, s3), a path relative to the dataset's base, or `manual:` and, in
            words, what to get and from where.
        size_bytes: its size, None where unknown.
        hash: `<algorithm>:<hex digits>`, None where unknown.
    """

    name: str
    url: str
    size_bytes: int | None
    hash: str | None

    def __post_init__(self) -> None:
        if not stays_below(self.name) or PurePosixPath(self.name).as_posix() != self.name:
            raise BadInput(f"name {self.name[:200]!r} must be a plain relative path with forward slashes")


def read_registry(path: Path) -> list[RegistryRow]:
    """Read a registry: tab-separated, columns `name`, `url`, `bytes`, `hash`; the last two may be empty.

    Args:
        path: the TSV. Lines that start with `#` are comments; further columns are left to who knows them.

    Raises:
        CairnError: missing file or column, unsafe or repeated name, bad size or hash; with file and line.
    """
    try:
        lines = read_text(path).split("\n")
    except FileNotFoundError as error:
        raise NotFound(
            f"{path}: there is no such registry; write one, or correct the dataset's name"
        ) from error
    stripped = [(number, line.removesuffix("\r")) for number, line in enumerate(lines, 1)]
    numbered = [(number, line) for number, line in stripped if line and not line.startswith("#")]
    if not numbered:
        raise BadInput(f"{path}: empty; its first line must name the columns {', '.join(COLUMNS)}")
    header = numbered[0][1].split("\t")
    missing = [column for column in COLUMNS if header.count(column) != 1]
    if missing:
        raise BadInput(
            f"{path}:{numbered[0][0]}: no column {missing[0]!r}, or two; columns are {quoted(header, 9)}"
        )
    rows: dict[str, RegistryRow] = {}
    for number, line in numbered[1:]:
        where, cells = f"{path}:{number}", line.split("\t")
        if len(cells) != len(header):
            raise BadInput(
                f"{where}: {len(cells)} cells where the header has {len(header)}; add or remove tabs"
            )
        row = _row(dict(zip(header, cells, strict=True)), where)
        if (twin := rows.setdefault(on_any_disk(row.name), row)) is not row:
            raise BadInput(
                f"{where}: {row.name!r} is listed twice, or a disk that ignores case takes it for {twin.name!r}; "
                "keep one"
            )
    names = {row.name for row in rows.values()}
    if blocked := sorted(name for name in names if names & set(map(str, PurePosixPath(name).parents))):
        raise BadInput(
            f"{path}: {blocked[0]!r} lies in a folder that is listed as a file; rename one of them"
        )
    return list(rows.values())


def write_registry(path: Path, rows: Sequence[RegistryRow]) -> None:
    """Write a registry that `read_registry` reads; the comments at the head of the present file stay."""
    head = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    comments = [line for line in head if line.startswith("#")]
    cells = (
        (row.name, row.url, "" if row.size_bytes is None else str(row.size_bytes), row.hash or "")
        for row in rows
    )
    lines = [*comments, "\t".join(COLUMNS), *("\t".join(row) for row in cells)]
    write_text_atomic(path, "\n".join(lines) + "\n")


def split_hash(text: str) -> tuple[str, str]:
    """Split `<algorithm>:<hex digits>` into its parts, the digits in lower case.

    Raises:
        CairnError: unknown algorithm or wrong number of digits.
    """
    algorithm, _, digits = text.partition(":")
    digits = digits.lower()
    if len(digits) != HEX_DIGITS.get(algorithm) or not re.fullmatch("[0-9a-f]+", digits):
        known = ", ".join(f"{name}:<{count} hex digits>" for name, count in HEX_DIGITS.items())
        raise BadInput(f"{text[:200]!r} is not a hash; write {known}")
    return algorithm, digits


def _row(cells: dict[str, str], where: str) -> RegistryRow:
    name, url, size, digest = (cells[column] for column in COLUMNS)
    if not url:
        raise BadInput(f"{where}: {name!r} has no url; write one, or manual:<what to get and from where>")
    if size and not re.fullmatch(r"[0-9]{1,18}", size):
        raise BadInput(f"{where}: bytes {size[:40]!r} is not a number of bytes; write digits, or nothing")
    try:
        if digest:
            split_hash(digest)
        return RegistryRow(name, url, int(size) if size else None, digest or None)
    except CairnError as error:
        raise error.within(where) from error
