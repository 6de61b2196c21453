"""Bytes to begin with: files of the samples, archives, pictures, and which of several the first byte chooses."""

import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from cairnhub.pipelines.samples.generate import generate

N_LINES = 12
"""Of each annotation file of the sample: a seed is short, so that an execution is quick."""
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Target:
    """A parser.

    Attributes:
        parse: takes hostile bytes and an empty folder to lay them in.
        seeds: inputs that are parsed without an error.
    """

    parse: Callable[[bytes, Path], object]
    seeds: Callable[[], Iterable[bytes]]


@cache
def sample(dataset: str) -> Path:
    """The files of an embedded sample, drawn once."""
    folder = Path(tempfile.mkdtemp(prefix=f"cairn-fuzz-{dataset}-"))
    generate(dataset, folder)
    return folder


def write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def head(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:N_LINES])


def tar_of(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_of(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "JPEG")
    return out.getvalue()


def choose(content: bytes, names: list[str]) -> tuple[str, bytes]:
    """The first byte says which file the others are."""
    return names[(content[0] if content else 0) % len(names)], content[1:]


def chosen(files: Files) -> list[bytes]:
    return [bytes([place]) + content for place, content in enumerate(files.values())]
