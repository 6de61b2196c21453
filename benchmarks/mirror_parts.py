"""What all mirrors are made with: files that are whole or not there, long tails, names, pictures by number."""

import csv
import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from tiny_pictures import TinyPictures

SAMPLE = Path(__file__).parents[1] / "pipelines/samples"
ONE_IN = 1000
"""One image in so many is a copy of the one before, another one the one before saved again."""
TAIL = 0.9
"""Exponent of the long tails: the label of rank r has images in proportion to r ** -TAIL."""
_FIRST = ("ar", "bel", "cor", "dra", "esk", "fal", "gri", "hal", "ivr", "jon", "kol", "lun", "mor", "nor", "ost", "pel",
          "quil", "ros", "sten", "tor", "ulv", "var", "wes", "zel")  # fmt: skip
_MIDDLE = ("a", "e", "i", "o", "u", "é", "ö", "ü", "å", "ñe", "ri", "la", "ma", "ne", "sa", "vi")
_LAST = ("berg", "ville", "stad", "mere", "ford", "grad", "ów", "hausen", "mont", "dal", "nik", "zaki", "pur", "tala",
         "chester", "ona")  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What a mirror is.

    Attributes:
        folder: where it is written.
        fraction: of the images, labels and tars.
        seed: of everything drawn.
        reference: folder with the published types and species; None: the excerpts of the embedded sample.
        n_workers: processes.
    """

    folder: Path
    fraction: float = 1.0
    seed: int = 0
    reference: Path | None = None
    n_workers: int = 2

    def part(self, count: int, at_least: int = 1) -> int:
        """A published count at this size."""
        return max(at_least, round(count * self.fraction))


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to that becomes `path` at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_ = path.with_name(f".{path.name}.part")
    yield partial_
    partial_.replace(path)


def table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    """A CSV as upstream writes it, unless it is there."""
    if path.exists():
        return
    with whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def tar_into(file: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    """A tar as the standard library writes it, ten times as fast."""
    info = tarfile.TarInfo("")
    info.mode = 0o644
    blank = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    blank[124:135], blank[148:156] = b"0" * 11, b" " * 8
    fixed = sum(blank) - sum(blank[124:135])
    n_bytes = 0
    for name, content in members:
        encoded, size = name.encode(), b"%011o" % len(content)
        header = blank.copy()
        header[: len(encoded)] = encoded
        header[124:135] = size
        header[148:156] = b"%06o\0 " % (fixed + sum(encoded) + sum(size))
        n_bytes += file.write(b"".join((header, content, bytes(-len(content) % 512))))
    file.write(bytes(1024 + -(n_bytes + 1024) % tarfile.RECORDSIZE))


# ---- numbers and names ---------------------------------------------------------------------------------------


def long_tail(n_labels: int, n_images: int) -> npt.NDArray[np.int64]:
    """Images of each label, the most first, one at least; their sum is `n_images`."""
    if n_images < n_labels:
        raise ValueError(f"{n_images} images for {n_labels} labels")
    weights = (np.arange(n_labels) + 20.0) ** -TAIL
    return spread(np.full(n_labels, n_images), n_images, weights)


def spread(
    capacity: npt.NDArray[np.int64], total: int, weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """One for each, and the rest of `total` in proportion to `weights`, within the capacities."""
    counts = np.ones(len(capacity), np.int64)
    while left := total - int(counts.sum()):
        room = capacity - counts
        open_ = np.where(room > 0, weights, 0.0)
        more = np.minimum(room, np.floor(open_ / open_.sum() * left).astype(np.int64))
        if not more.any():
            more[np.flatnonzero(room > 0)[:left]] = 1
        counts += more
    return counts


def scattered(n: int) -> Callable[[int], int]:
    """A permutation of 0 .. n - 1: neighbours end far apart."""
    step = next(step for step in range(int(0.618 * n) | 1, 2 * n + 3) if gcd(step, n) == 1)
    return lambda i: i * step % n


def image_name(seed: int, split: str, number: int, length: int = 16) -> str:
    """Hex digits that name an image upstream."""
    return hashlib.blake2b(f"{seed}/{split}/{number}".encode(), digest_size=length // 2).hexdigest()


def picture_of(pictures: TinyPictures, split: str, number: int) -> bytes:
    """The picture of an image: its own, or that of the image before, as it is or saved again."""
    of_a_group = number % ONE_IN
    if of_a_group in (ONE_IN // 3, 2 * ONE_IN // 3):
        return pictures.draw(f"{split}/{number - 1}", is_saved_again=of_a_group != ONE_IN // 3)
    return pictures.draw(f"{split}/{number}")


@lru_cache(1 << 16)
def place(number: int) -> str:
    """A name of a place; the first 6,144 numbers give different ones."""
    n, last = divmod(number, len(_LAST))
    n, middle = divmod(n, len(_MIDDLE))
    n, first = divmod(n, len(_FIRST))
    return (_FIRST[first] + _MIDDLE[middle] + _LAST[last]).title() + (f" {place(n)}" if n else "")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
