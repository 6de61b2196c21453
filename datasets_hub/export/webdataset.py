"""`webdataset`: tars in which `<key>.json` stands beside `<key>.jpg`; the same dataset gives the same bytes."""

import io
import json
import tarfile
from contextlib import ExitStack
from pathlib import Path

from cairnhub.datasets_hub.export.exported_images import ExportedImage, Selection
from cairnhub.datasets_hub.export.file_names import FileNames

TAR_BYTES = 500_000_000


def write_webdataset(folder: Path, selection: Selection) -> None:
    """Write `<split>-000000.tar` and so on, of at most `TAR_BYTES` of images each, but for a larger image."""
    for split in selection.splits:
        names, number, written = FileNames(dots=False), 0, 0
        with ExitStack() as stack:
            tar = stack.enter_context(_tar(folder, split, number))
            for image in selection.images(split):
                if written and written + len(image.content) > TAR_BYTES:
                    stack.close()
                    number, written = number + 1, 0
                    tar = stack.enter_context(_tar(folder, split, number))
                key = names.name(image.stem)
                _add(tar, f"{key}.{image.ending}", image.content)
                _add(tar, f"{key}.json", _record(image))
                written += len(image.content)


def _tar(folder: Path, split: str, number: int) -> tarfile.TarFile:
    return tarfile.open(folder / f"{split}-{number:06d}.tar", "w", format=tarfile.GNU_FORMAT)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of nobody, of no time
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _record(image: ExportedImage) -> bytes:
    record = {
        "image_id": image.image_id,
        "split": image.split,
        "labels": image.labels,
        "class_index": image.codes,
        "texts": image.texts,
    }
    return json.dumps(record, ensure_ascii=False).encode()
