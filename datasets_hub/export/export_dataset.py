"""Write a published dataset, or a part of it, as other tools read it."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.files import replace_folder
from cairnhub.core.home import expanded
from cairnhub.core.text import did_you_mean, quoted
from cairnhub.datasets_hub.export.coco import write_coco
from cairnhub.datasets_hub.export.exported_images import Selection
from cairnhub.datasets_hub.export.fiftyone import write_fiftyone
from cairnhub.datasets_hub.export.imagefolder import write_imagefolder
from cairnhub.datasets_hub.export.label_studio import write_label_studio
from cairnhub.datasets_hub.export.tfds import write_tfds
from cairnhub.datasets_hub.export.webdataset import write_webdataset
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset

log = logging.getLogger(__name__)

FORMATS: dict[str, Callable[[Path, Selection], None]] = {
    "imagefolder": write_imagefolder,
    "webdataset": write_webdataset,
    "coco": write_coco,
    "fiftyone": write_fiftyone,
    "label-studio": write_label_studio,
    "tfds": write_tfds,
}
RECORD = "cairn_export.json"
"""What an export is of; a folder without it is somebody else's."""


@dataclass(frozen=True)
class Exported:
    """What was written: where, how many images, and in which splits."""

    folder: Path
    n_images: int
    splits: tuple[str, ...]


def export_dataset(
    name: str | Path,
    to: str,
    folder: Path,
    *,
    splits: Sequence[str] = (),
    levels: Sequence[str] = (),
    confidence: Mapping[str, float] | None = None,
    scale: str | None = None,
    hub: str | Path | None = None,
    storage_options: Mapping[str, object] | None = None,
) -> Exported:
    """Write a dataset in a format of other tools: the files of its images as they are, ids, labels, `tree.json`.

    The folder appears whole, or what was there before stays.

    Args:
        name: as for `load_dataset`, and so `scale`, `hub` and `storage_options`.
        to: one of `FORMATS`.
        folder: where to; an earlier export there is replaced.
        splits: those to write; all by default.
        levels: those to write; all by default.
        confidence: per label of the finest level, how sure a machine was of its group, 0..1, for formats that say so.
        scale: see there.
        hub: see there.
        storage_options: see there.

    Raises:
        NotFound: no such dataset, split or level.
        BadInput: no such format; the folder holds something else; or the dataset has no images.
    """
    if to not in FORMATS:
        raise BadInput(
            f"no format {to!r}{did_you_mean(to, FORMATS)}; there are {quoted(FORMATS, len(FORMATS))}"
        )
    published = describe(name, scale=scale, hub=hub, storage_options=storage_options)
    card, stats = published.card, published.stats
    if not stats.with_images:
        raise BadInput(f"{published.location.uri} has labels only: export a copy that has its images")
    selection = Selection(
        published,
        _chosen("split", splits, stats.splits),
        _chosen("level", levels, card.levels),
        confidence or {},
    )
    folder = check_place(folder, RECORD, published)
    if not (card.redistributable or card.is_own):
        log.warning(
            f"{card.name}: its card says licence {card.licence!r} and `redistributable: false`: the export is for your "
            "own use, do not pass its images on"
        )
    with replace_folder(folder) as partial:
        FORMATS[to](partial, selection)
        selection.tree.save(partial / "tree.json")
        record = {
            "format": to,
            "dataset": card.name,
            "fingerprint": stats.fingerprint,
            "tree_fingerprint": stats.tree_fingerprint,
            "splits": selection.splits,
            "levels": selection.levels,
            "licence": card.licence,
        }
        (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8", newline="\n")
    return Exported(folder, sum(map(selection.n_images, selection.splits)), selection.splits)


def check_place(folder: Path, record: str, published: PublishedDataset) -> Path:
    """The absolute path of a folder that may be written: new, empty, or an earlier export.

    Args:
        folder: where somebody wants to write.
        record: the file that an export of this kind has.
        published: what is exported, whose own folder is not touched.

    Raises:
        BadInput: it is something else.
    """
    folder = expanded(folder).absolute()
    location = published.location
    if location.is_local and folder.resolve().is_relative_to(Path(location.uri).resolve()):
        raise BadInput(f"{folder} is the folder of the dataset itself: give another with --output")
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file: give a folder with --output")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / record).is_file():
        raise BadInput(f"{folder} holds something else (no {record} in it): give a new folder with --output")
    return folder


def _chosen(what: str, wanted: Sequence[str], known: Sequence[str] | Mapping[str, object]) -> tuple[str, ...]:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise NotFound(
            f"no {what} {unknown[0]!r}{did_you_mean(unknown[0], known)}; there are {quoted(known)}"
        )
    return tuple(name for name in known if not wanted or name in wanted)
