"""PKU VehicleID (Liu et al., CVPR 2016): one zip, surveillance pictures of vehicles by identity."""

from dataclasses import replace
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

TRAIN_LIST = "train_test_split/train_list.txt"
TEST_LISTS = {size: f"train_test_split/test_list_{size}.txt" for size in ("2400", "1600", "800")}
PACK = Pack(
    name="VehicleID_V1.0.zip",
    root="VehicleID_V1.0/",
    mark=r"train_test_split/train_list\.txt",
    holds=r"train_test_split/(?:train_list|test_list_(?:800|1600|2400))\.txt|image/[^/]+\.jpg",
    lists=(TRAIN_LIST, *TEST_LISTS.values()),
)
LEVELS = ("vehicle",)
TEST_LIST = "test_list"
"""Column of text: the test lists that an image is in, as words such as `800 1600 2400`."""


class VehicleID(SourceReader):
    """Reads `train_test_split/{train_list,test_list_{800,1600,2400}}.txt` (`<image> <vehicle>`), `image/` in the zip.

    The test split holds the images of the three published lists, of which the largest holds the others; the column
    `test_list` says which list an image is in. Models and colours are known for a part of the vehicles only, so that
    there is one level.
    """

    levels = LEVELS
    edition = "vehicleid"
    packs = (PACK,)

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        packed = self.packed(store, PACK)
        train = _read_list(packed, TRAIN_LIST).assign(split="train", **{TEST_LIST: None})
        images = pd.concat([train, _read_test(packed)], ignore_index=True)
        images = images.assign(member="image/" + images["image_id"] + ".jpg")
        return replace(list_packed(packed, images, (*LEVELS, TEST_LIST)), kept=(TEST_LIST,))

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="vehicleid",
            title="PKU VehicleID",
            description=(
                "Pictures of vehicles by surveillance cameras, labelled by identity; test vehicles (the large test "
                "list of 2,400) are unseen in training. `test_list` names the test lists that an image is in. Given by "
                "Peking University on request, for research only."
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
            protocols=_protocols(),
        )


def make(dataset: str, source: VehicleIDSource, subset: Subset, executor: Executor) -> VehicleID:
    """See `formats`."""
    return VehicleID()


def _protocols() -> tuple[EvaluationProtocol, ...]:
    """Leave one out over the test split, then the benchmark's three lists: one random image per vehicle is searched."""
    ks = (1, 5, 10, 100)
    whole = EvaluationProtocol(name="retrieval", query="test", gallery="test", ks=ks)
    sizes = {"small": "800", "medium": "1600", "large": "2400"}
    lists = [
        EvaluationProtocol(
            name=name, query="test", gallery="test", kind="one_per_class", only={TEST_LIST: size}, ks=ks
        )
        for name, size in sizes.items()
    ]
    return (whole, *lists)


def _read_test(packed: Packed) -> pd.DataFrame:
    """The images of all test lists, with the lists that each is in; a row that one list has twice stays twice."""
    lists = {size: _read_list(packed, name) for size, name in TEST_LISTS.items()}
    parts: list[pd.DataFrame] = []
    known: set[tuple[str, str]] = set()
    for listed in lists.values():
        pairs = list(zip(listed["image_id"], listed["vehicle"], strict=True))
        parts.append(listed[[pair not in known for pair in pairs]])
        known.update(pairs)
    images = pd.concat(parts, ignore_index=True).assign(split="test", **{TEST_LIST: ""})
    for size, listed in reversed(lists.items()):
        is_in = images["image_id"].isin(listed["image_id"])
        images[TEST_LIST] = images[TEST_LIST].where(~is_in, images[TEST_LIST] + f" {size}")
    return images.assign(**{TEST_LIST: images[TEST_LIST].str.strip()})


def _read_list(packed: Packed, name: str) -> pd.DataFrame:
    """One list of images: columns `image_id`, `vehicle`."""
    pairs, where = read_records(packed, name)
    malformed = next((pair for pair in pairs if len(pair) != 2), None)
    if malformed:
        raise BrokenData(f"{where}: {' '.join(malformed)[:80]!r} is not an image and a vehicle")
    return pd.DataFrame(pairs, columns=["image_id", "vehicle"], dtype=str)
