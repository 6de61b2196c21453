"""PKU VehicleID (Liu et al., CVPR 2016): one zip, surveillance pictures of vehicles by identity."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import Subset, VehicleIDSource
from cairnhub.pipelines.sources.listing import Listing, exclude
from cairnhub.pipelines.sources.packed_lists import list_packed, read_records
from cairnhub.pipelines.sources.packs import Pack, Packed
from cairnhub.pipelines.sources.source_reader import SourceReader

SPLIT_FILES = {"train": "train_test_split/train_list.txt", "test": "train_test_split/test_list_2400.txt"}
SMALLER = {size: f"train_test_split/test_list_{size}.txt" for size in ("800", "1600")}
LARGEST = "2400"
PACK = Pack(
    name="VehicleID_V1.0.zip",
    root="VehicleID_V1.0/",
    mark=r"train_test_split/train_list\.txt",
    holds=r"train_test_split/(?:train_list|test_list_(?:800|1600|2400))\.txt|image/[^/]+\.jpg",
    lists=(*SPLIT_FILES.values(), *SMALLER.values()),
)
LEVELS = ("vehicle",)
KEPT = ("test_lists",)


class VehicleID(SourceReader):
    """Reads the lists of `train_test_split/` (`<image> <vehicle>` a line) and `image/` in the zip.

    The test split is the largest of the three published lists; the column `test_lists` says which of them an image is
    in, such as `800 1600 2400`. Models and colours are known for a part of the vehicles only, so that there is one
    level.
    """

    levels = LEVELS
    edition = "vehicleid"
    packs = (PACK,)

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        packed = self.packed(store, PACK)
        images = pd.concat(
            [_read_list(packed, name).assign(split=split) for split, name in SPLIT_FILES.items()],
            ignore_index=True,
        )
        is_test = images["split"] == "test"
        smaller = {size: _read_list(packed, name) for size, name in SMALLER.items()}
        images["test_lists"] = is_test.map({True: LARGEST, False: ""})
        for size, rows in reversed(smaller.items()):
            is_there = is_test & images["image_id"].isin(rows["image_id"])
            images["test_lists"] = images["test_lists"].mask(is_there, f"{size} " + images["test_lists"])
        listed = pd.concat([images, *smaller.values()], ignore_index=True)
        listing = list_packed(packed, images, (*LEVELS, *KEPT), named=listed["member"])
        others = (
            pd.concat(smaller.values(), ignore_index=True).drop_duplicates("image_id").assign(split="test")
        )
        is_other = ~others["image_id"].isin(images.loc[is_test, "image_id"])
        exclude(others, is_other, "in a smaller test list only", listing.excluded)
        return replace(listing, kept=KEPT)

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


def _read_list(packed: Packed, name: str) -> pd.DataFrame:
    """One list of images: columns `image_id`, `vehicle`, `member`."""
    pairs, where = read_records(packed, name)
    malformed = next((pair for pair in pairs if len(pair) != 2), None)
    if malformed:
        raise BrokenData(f"{where}: {' '.join(malformed)[:80]!r} is not an image and a vehicle")
    frame = pd.DataFrame(pairs, columns=["image_id", "vehicle"], dtype=str)
    return frame.assign(member="image/" + frame["image_id"] + ".jpg")
