"""Stanford Online Products (Oh Song et al., CVPR 2016): one zip, products of twelve categories."""

from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import SOPSource, Subset
from cairnhub.pipelines.sources.csv_tables import require_columns
from cairnhub.pipelines.sources.listed_rows import most_common
from cairnhub.pipelines.sources.listing import Listing, quarantine
from cairnhub.pipelines.sources.packed_lists import list_packed, read_records
from cairnhub.pipelines.sources.packs import Pack, Packed
from cairnhub.pipelines.sources.source_reader import SourceReader

SPLIT_FILES = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}
PACK = Pack(
    name="Stanford_Online_Products.zip",
    root="Stanford_Online_Products/",
    mark=r"Ebay_train\.txt",
    holds=r"Ebay_(?:train|test)\.txt|[^/]+/[^/]+\.(?i:jpe?g)",
    lists=tuple(SPLIT_FILES.values()),
)
COLUMNS = ("image_id", "class_id", "super_class_id", "path")
LEVELS = ("product", "category")


class SOP(SourceReader):
    """Reads `Ebay_train.txt` and `Ebay_test.txt` and the images inside the zip.

    The category is that of `super_class_id`. It is named by its folder (`coffee_maker_final`: `coffee maker`) where
    each id has one of its own, as upstream; else by its number (`category 7`). A product is named by its category and
    class number.
    """

    levels = LEVELS
    edition = "sop"
    packs = (PACK,)

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        packed = self.packed(store, PACK)
        listed = pd.concat([_read_split(packed, split) for split in SPLIT_FILES], ignore_index=True)
        images, faulty = _with_labels(listed)
        return list_packed(packed, images, LEVELS, faulty, listed["member"])

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="sop",
            title="Stanford Online Products",
            description=(
                "Photographs of products offered on eBay, several per product, in twelve categories. Test products "
                "are unseen in training. The authors state no licence for the sellers' photographs."
            ),
            homepage="https://cvgl.stanford.edu/projects/lifted_struct/",
            licence="unknown: ask the authors",
            redistributable=False,
            citation=(
                "H. Oh Song, Y. Xiang, S. Jegelka, S. Savarese. Deep Metric Learning via Lifted Structured Feature "
                "Embedding. CVPR 2016."
            ),
            levels=LEVELS,
            annotation_origin="given",
            protocols=(
                EvaluationProtocol(name="retrieval", query="test", gallery="test", ks=(1, 10, 100, 1000)),
            ),
        )


def make(dataset: str, source: SOPSource, subset: Subset, executor: Executor) -> SOP:
    """See `formats`."""
    return SOP()


def _read_split(packed: Packed, split: str) -> pd.DataFrame:
    """One list of images: columns `image_id`, `split`, `member`, `class_id`, `super_class_id` and `folder`."""
    (header, *records), where = read_records(packed, SPLIT_FILES[split])
    malformed = next((record for record in records if len(record) != len(header)), None)
    if not records:
        raise BrokenData(f"{where}: lists no image; fetch it again")
    if malformed:
        raise BrokenData(
            f"{where}: {' '.join(malformed)[:80]!r} has {len(malformed)} fields, not {len(header)}"
        )
    table = pd.DataFrame(records, columns=header, dtype=str)
    require_columns(table, COLUMNS, where)
    return table[["class_id", "super_class_id"]].assign(
        image_id=table["path"].str.rpartition(".")[0],
        split=split,
        member=table["path"],
        folder=table["path"].str.partition("/")[0],
    )


def _with_labels(images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The images with the two levels; and those whose ids contradict the folder or the others of their product."""
    given = images["super_class_id"]
    usual = images["class_id"].map(most_common(images, "class_id", "super_class_id"))
    reason = (
        "its ids contradict the others; super_class_id "
        + given
        + ", of class "
        + images["class_id"]
        + " "
        + usual
    )
    is_odd = given != usual
    id_of = most_common(images, "folder", "super_class_id")
    if set(id_of) == set(given) and id_of.is_unique:  # a folder for each id: the folders name them
        of_folder = images["folder"].map(id_of)
        is_misplaced = ~is_odd & (given != of_folder)
        misplaced = (
            "its id contradicts its folder; super_class_id "
            + given
            + ", in "
            + images["folder"]
            + " "
            + of_folder
        )
        is_odd, reason = is_odd | is_misplaced, reason.mask(is_misplaced, misplaced)
        names = id_of.index.str.removesuffix("_final").str.replace("_", " ")
        category = given.map(pd.Series(names, index=id_of))
    else:
        category = "category " + given
    labelled = images.assign(category=category, product=category + " " + images["class_id"])
    return quarantine(labelled, is_odd, reason[is_odd])
