"""A dataset of Hugging Face `datasets` in a folder: as `save_to_disk` leaves it, or Parquet files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from cairnhub.core.errors import BadInput, BrokenData, CairnError
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.parquet_files import require_bounded
from cairnhub.pipelines.own_images.arrow_streams import require_sound
from cairnhub.pipelines.own_images.label_rows import LabelRows, text_rows

_ENDINGS = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


def is_hugging_face(path: Path) -> bool:
    """Whether there is a saved dataset, or a Parquet file or a folder of such."""
    if path.is_file():
        return path.suffix == ".parquet"
    return any((path / name).is_file() for name in ("dataset_dict.json", "state.json")) or bool(_tables(path))


def read_hugging_face(path: Path) -> LabelRows:
    """Read the image column, and the columns of class labels or, where there are none, those of text.

    Raises:
        CairnError: it cannot be read, or has no image or no label.
    """
    splits = _open(path)
    features = next(iter(splits.values())).features
    image = _image_column(features)
    if not image:
        raise BadInput(f"{path}: no column of images among {quoted(features, 20)}")
    levels = [name for name, kind in features.items() if type(kind).__name__ == "ClassLabel"]
    levels = levels or [name for name, kind in features.items() if getattr(kind, "dtype", "") == "string"]
    levels = [name for name in levels if name not in (image, "split", "path", "image_id", "file_name")]
    if not levels:
        raise BadInput(f"{path}: no column of labels among {quoted(features, 20)}: class labels or text")
    rows = []
    for split, dataset in splits.items():
        columns = [_names(features[name], dataset[name]) for name in levels]
        for place, labels in enumerate(zip(*columns, strict=True)):
            rows.append((f"{split}/{place:08d}{_ending(dataset, place, image)}", *labels, split))
    frame = text_rows(pd.DataFrame(rows, columns=["path", *levels, "split"]), path)
    frame = frame if len(splits) > 1 else frame.drop(columns="split")

    def write(folder: Path) -> None:
        for (name, *_), content in zip(rows, _contents(splits, image, path), strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    return LabelRows(frame, levels, None, write)


def _tables(path: Path) -> list[Path]:
    return sorted([*path.glob("*.parquet"), *path.glob("data/*.parquet")])


def _open(path: Path) -> dict[str, Any]:
    """The splits of a dataset, images not decoded."""
    import datasets

    try:
        if path.is_dir() and not _tables(path):
            for stream in sorted(path.glob("**/*.arrow")):
                require_sound(stream)
            loaded = datasets.load_from_disk(str(path))
            splits = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
        else:
            files: dict[str, list[str]] = {}
            for file in [path] if path.is_file() else _tables(path):
                files.setdefault(re.split(r"[-.]", file.name)[0], []).append(str(file))
            for those in files.values():
                require_bounded(those)
            splits = {name: datasets.Dataset.from_parquet(those) for name, those in files.items()}
    except CairnError:
        raise
    except Exception as error:  # of many kinds, from several packages
        raise BrokenData(
            f"{path}: not a dataset that `datasets` reads: {str(error).splitlines()[0]}"
        ) from error
    image = _image_column(next(iter(splits.values())).features)
    undecoded = datasets.Image(decode=False)
    return {name: each.cast_column(image, undecoded) if image else each for name, each in splits.items()}


def _image_column(features: Any) -> str:
    """The first column of images, or of what images are stored as; empty where there is none."""
    kinds = {name: type(kind).__name__ for name, kind in features.items()}
    typed = [name for name, kind in kinds.items() if kind == "Image"]
    stored = [
        name for name, kind in features.items() if isinstance(kind, dict) and {*kind} == {"bytes", "path"}
    ]
    return next(iter([*typed, *stored]), "")


def _names(kind: Any, values: Any) -> list[str]:
    """Labels as words; a class label that says nothing is empty."""
    if type(kind).__name__ != "ClassLabel":
        return ["" if value is None else str(value) for value in values]
    return ["" if value is None or value < 0 else kind.int2str(value) for value in values]


def _contents(splits: dict[str, Any], image: str, path: Path) -> Iterator[bytes]:
    for dataset in splits.values():
        for row in dataset:
            stored = row[image] or {}
            content, name = stored.get("bytes"), stored.get("path") or ""
            if content is None and not Path(name).is_file():
                raise BadInput(f"{path}: an image is neither in the dataset nor at its path {name!r}")
            yield content or Path(name).read_bytes()


def _ending(dataset: Any, place: int, image: str) -> str:
    """The ending of an image's file, by its first bytes, else by its name."""
    stored = dataset[place][image] or {}
    content, name = stored.get("bytes") or b"", stored.get("path") or ""
    found = (ending for start, ending in _ENDINGS.items() if content.startswith(start))
    return next(found, Path(name).suffix.lower() or ".jpg")
