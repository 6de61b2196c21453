"""PKU VehicleID (Liu et al., CVPR 2016): one zip, surveillance pictures of vehicles by identity."""

from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import Subset, VehicleIDSource
from cairnhub.pipelines.sources.listing import Listing
from cairnhub.pipelines.sources.source_reader import SourceReader
from cairnhub.pipelines.sources.zipped_lists import list_zip, read_records

ARCHIVE = "VehicleID_V1.0.zip"
FOLDER = "VehicleID_V1.0"
SPLIT_FILES = {"train": "train_list.txt", "test": "test_list_2400.txt"}
LEVELS = ("vehicle",)


class VehicleID(SourceReader):
    """Reads `train_test_split/{train_list,test_list_2400}.txt` (`<image> <vehicle>`) and `image/` in the zip.

    The test split is the largest of the three published lists; models and colours are known for a part of the
    vehicles only, so that there is one level.
    """

    levels = LEVELS
    edition = "vehicleid"

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        archive = Zip(store, ARCHIVE)
        images = pd.concat([_read_split(archive, split) for split in SPLIT_FILES], ignore_index=True)
        lists = pd.Series([f"{FOLDER}/train_test_split/{name}" for name in SPLIT_FILES.values()])
        return list_zip(archive, images, LEVELS, pd.concat([images["member"], lists]))

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="vehicleid",
            title="PKU VehicleID",
            description=(
                "Pictures of vehicles by surveillance cameras, labelled by identity; test vehicles (the large test "
                "list of 2,400) are unseen in training. Given by Peking University on request, for research only."
            ),
            homepage="https://www.pkuml.org/resources/pku-vehicleid.html",
            licence="PKU-VehicleID-research-only",
            redistributable=False,
            citation=(
                "H. Liu, Y. Tian, Y. Wang, L. Pang, T. Huang. Deep Relative Distance Learning: Tell the Difference "
                "Between Similar Vehicles. CVPR 2016."
            ),
            levels=LEVELS,
            annotation_origin="given",
            protocols=(EvaluationProtocol(name="retrieval", query="test", gallery="test"),),
        )


def make(dataset: str, source: VehicleIDSource, subset: Subset, executor: Executor) -> VehicleID:
    """See `formats`."""
    return VehicleID()


def _read_split(archive: Zip, split: str) -> pd.DataFrame:
    """One list of images: columns `image_id`, `vehicle`, `split`, `member`."""
    pairs, where = read_records(archive, f"{FOLDER}/train_test_split/{SPLIT_FILES[split]}")
    malformed = next((pair for pair in pairs if len(pair) != 2), None)
    if malformed:
        raise BrokenData(f"{where}: {' '.join(malformed)[:80]!r} is not an image and a vehicle")
    frame = pd.DataFrame(pairs, columns=["image_id", "vehicle"], dtype=str)
    return frame.assign(split=split, member=f"{FOLDER}/image/" + frame["image_id"] + ".jpg")
