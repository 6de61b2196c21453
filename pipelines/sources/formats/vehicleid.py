"""PKU VehicleID (Liu et al., CVPR 2016): one zip, surveillance pictures of vehicles by identity."""

from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import Subset, VehicleIDSource
from cairnhub.pipelines.sources.listing import Listing
from cairnhub.pipelines.sources.packed_lists import list_packed, read_records
from cairnhub.pipelines.sources.packs import Pack, Packed
from cairnhub.pipelines.sources.source_reader import SourceReader

SPLIT_FILES = {"train": "train_test_split/train_list.txt", "test": "train_test_split/test_list_2400.txt"}
PACK = Pack(
    name="VehicleID_V1.0.zip",
    root="VehicleID_V1.0/",
    mark=r"train_test_split/train_list\.txt",
    holds=r"train_test_split/(?:train_list|test_list_2400)\.txt|image/[^/]+\.jpg",
    lists=tuple(SPLIT_FILES.values()),
)
LEVELS = ("vehicle",)


class VehicleID(SourceReader):
    """Reads `train_test_split/{train_list,test_list_2400}.txt` (`<image> <vehicle>`) and `image/` in the zip.

    The test split is the largest of the three published lists; models and colours are known for a part of the
    vehicles only, so that there is one level.
    """

    levels = LEVELS
    edition = "vehicleid"
    packs = (PACK,)

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        packed = self.packed(store, PACK)
        images = pd.concat([_read_split(packed, split) for split in SPLIT_FILES], ignore_index=True)
        return list_packed(packed, images, LEVELS)

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


def _read_split(packed: Packed, split: str) -> pd.DataFrame:
    """One list of images: columns `image_id`, `vehicle`, `split`, `member`."""
    pairs, where = read_records(packed, SPLIT_FILES[split])
    malformed = next((pair for pair in pairs if len(pair) != 2), None)
    if malformed:
        raise BrokenData(f"{where}: {' '.join(malformed)[:80]!r} is not an image and a vehicle")
    frame = pd.DataFrame(pairs, columns=["image_id", "vehicle"], dtype=str)
    return frame.assign(split=split, member="image/" + frame["image_id"] + ".jpg")
