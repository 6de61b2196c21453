"""`tfds`: the folder that `tensorflow_datasets.builder_from_directory` opens, written without TensorFlow.

Features: `image` (encoded, as it was published), `image_id`, a ClassLabel per level (-1 without a label), and the
columns of text. What TensorFlow does not decode, such as WebP, is read with
`decoders={"image": tfds.decode.SkipDecoding()}`.
"""

import json
from pathlib import Path

from cairnhub.datasets_hub.export.exported_images import ExportedImage, Selection
from cairnhub.datasets_hub.export.tfrecord import example, write_record

SHARD_BYTES = 256_000_000
VERSION = "1.0.0"
_FEATURES = "tensorflow_datasets.core.features"


def write_tfds(folder: Path, selection: Selection) -> None:
    """Write TFRecords, `features.json`, `dataset_info.json` and a list of names per level."""
    splits = [_write_split(folder, selection, split) for split in selection.splits]
    for level in selection.levels:
        names = "".join(f"{name}\n" for name in selection.names(level))
        (folder / f"{level}.labels.txt").write_text(names, encoding="utf-8", newline="\n")
    _write_json(folder / "features.json", _features(selection))
    card = selection.published.card
    info = {
        "citation": card.citation or "",
        "description": card.description,
        "fileFormat": "tfrecord",
        "name": selection.name,
        "redistributionInfo": {"license": card.licence},
        "splits": splits,
        "version": VERSION,
    }
    _write_json(folder / "dataset_info.json", info)


def _write_split(folder: Path, selection: Selection, split: str) -> dict[str, object]:
    n_images = selection.n_images(split)
    n_shards = max(1, min(-(-selection.image_bytes(split) // SHARD_BYTES), n_images))
    ends = [n_images * (shard + 1) // n_shards for shard in range(n_shards)]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    images, n_bytes = selection.images(split), 0
    for shard, length in enumerate(lengths):
        path = folder / f"{selection.name}-{split}.tfrecord-{shard:05d}-of-{n_shards:05d}"
        with path.open("wb") as file:
            for _ in range(length):
                record = example(_values(next(images)))
                n_bytes += len(record)
                write_record(file, record)
    next(images, None)  # ends its progress bar
    return {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": split,
        "numBytes": str(n_bytes),
        "shardLengths": [str(length) for length in lengths],
    }


def _values(image: ExportedImage) -> dict[str, bytes | int]:
    texts = {name: (text or "").encode() for name, text in image.texts.items()}
    return {"image": image.content, "image_id": image.image_id.encode(), **image.codes, **texts}


def _features(selection: Selection) -> dict[str, object]:
    text = {"pythonClassName": f"{_FEATURES}.text_feature.Text", "text": {}}
    labels = {
        level: {
            "pythonClassName": f"{_FEATURES}.class_label_feature.ClassLabel",
            "classLabel": {"numClasses": str(len(selection.names(level)))},
        }
        for level in selection.levels
    }
    image = {
        "pythonClassName": f"{_FEATURES}.image_feature.Image",
        "image": {"shape": {"dimensions": ["-1", "-1", "3"]}, "dtype": "uint8"},
    }
    behind = dict.fromkeys(selection.published.card.texts, text)
    return {
        "pythonClassName": f"{_FEATURES}.features_dict.FeaturesDict",
        "featuresDict": {"features": {"image": image, "image_id": text, **labels, **behind}},
    }


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
