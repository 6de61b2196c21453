"""What FiftyOne exports: a FiftyOneDataset (`samples.json`) or an image classification dataset (`labels.json`)."""

from pathlib import Path
from typing import Any

import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.core.parse import read_json
from cairnhub.pipelines.own_images.label_rows import LabelRows, require_present, text_rows
from cairnhub.pipelines.split_names import VALIDATION

SAMPLES, LABELS = "samples.json", "labels.json"
_SPLITS = ("train", "test", "query", "gallery", *VALIDATION)


def is_fiftyone(folder: Path) -> bool:
    """Whether a folder is one of the two."""
    return (folder / "data").is_dir() and ((folder / SAMPLES).is_file() or (folder / LABELS).is_file())


def read_fiftyone(folder: Path) -> LabelRows:
    """Read the single classification of each sample.

    Raises:
        CairnError: the JSON is another, there is no classification in it, or none of its images is there.
    """
    is_samples = (folder / SAMPLES).is_file()
    path = folder / (SAMPLES if is_samples else LABELS)
    content = read_json(path, dict[str, Any])
    rows = _of_samples(content, path) if is_samples else _of_labels(content, folder, path)
    frame = text_rows(pd.DataFrame(rows, columns=["path", "label", "split"]), path)
    return LabelRows(frame, ["label"], folder, left_out=require_present(frame, folder, path))


def _of_samples(content: dict[str, Any], path: Path) -> list[tuple[str, str, str]]:
    samples = content.get("samples")
    if not isinstance(samples, list) or not all(isinstance(each, dict) for each in samples):
        raise BadInput(f"{path}: samples: must be a list of samples, as FiftyOneDataset has it")
    rows = []
    for sample in samples:
        labels = [
            str(value["label"])
            for value in sample.values()
            if isinstance(value, dict) and value.get("_cls") == "Classification" and value.get("label")
        ]
        splits = [str(tag) for tag in sample.get("tags") or () if str(tag).lower() in _SPLITS]
        if labels and "filepath" in sample:
            rows.append((str(sample["filepath"]), labels[0], splits[0] if len(splits) == 1 else ""))
    return rows


def _of_labels(content: dict[str, Any], folder: Path, path: Path) -> list[tuple[str, str, str]]:
    labels, classes = content.get("labels"), content.get("classes") or []
    if not isinstance(labels, dict):
        raise BadInput(
            f"{path}: labels: must be a mapping of image to label, as FiftyOne's classification export"
        )
    files = {
        file.relative_to(folder / "data").with_suffix("").as_posix(): file.relative_to(folder).as_posix()
        for file in sorted((folder / "data").rglob("*"))
        if file.is_file()
    }
    rows = []
    for name, value in labels.items():
        said = value.get("label") if isinstance(value, dict) else value
        is_place = isinstance(said, int) and 0 <= said < len(classes)
        if said is not None:
            rows.append((files.get(name, f"data/{name}"), str(classes[said] if is_place else said), ""))
    return rows
