"""Stanford Online Products (Oh Song et al., CVPR 2016): one zip, products of twelve categories."""

from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import SOPSource, Subset
from cairnhub.pipelines.sources.csv_tables import require_columns
from cairnhub.pipelines.sources.listing import PLACE, Listing
from cairnhub.pipelines.sources.match_members import list_members, match_members
from cairnhub.pipelines.sources.source_reader import SourceReader

ARCHIVE = "Stanford_Online_Products.zip"
FOLDER = "Stanford_Online_Products"
SPLIT_FILES = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}
COLUMNS = ("image_id", "class_id", "super_class_id", "path")
LEVELS = ("product", "category")


class SOP(SourceReader):
    """Reads `Ebay_train.txt` and `Ebay_test.txt` and the images inside the zip.

    A category is named by its folder (`coffee_maker_final`: `coffee maker`), a product by its category and
    class number.
    """

    levels = LEVELS
    edition = "sop"

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        archive = Zip(store, ARCHIVE)
        images = pd.concat([_read_split(archive, split) for split in SPLIT_FILES], ignore_index=True)
        matches = match_members(images, list_members([archive]), ["member"], f"not in {ARCHIVE}")
        images = matches.images.sort_values(["split", "offset"], ignore_index=True)
        return Listing(
            images[[*PLACE, *LEVELS]],
            matches.quarantine,
            refused_members=matches.refused_members,
            unnamed=matches.unnamed,
        )

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
            protocols=(EvaluationProtocol(name="retrieval", query="test", gallery="test"),),
        )


def make(dataset: str, source: SOPSource, subset: Subset, executor: Executor) -> SOP:
    """See `formats`."""
    return SOP()


def _read_split(archive: Zip, split: str) -> pd.DataFrame:
    """One list of images: columns `image_id`, `split`, `member` and the two levels."""
    name = f"{FOLDER}/{SPLIT_FILES[split]}"
    lines = archive.read_file(name).decode("utf-8", errors="replace").splitlines()
    where = archive.path_of(name) / name
    header, *records = [line.split() for line in lines if line.strip()] or [[]]
    malformed = next((record for record in records if len(record) != len(header)), None)
    if not records:
        raise BrokenData(f"{where}: lists no image; fetch it again")
    if malformed:
        raise BrokenData(
            f"{where}: {' '.join(malformed)[:80]!r} has {len(malformed)} fields, not {len(header)}"
        )
    table = pd.DataFrame(records, columns=header, dtype=str)
    require_columns(table, COLUMNS, where)
    category = table["path"].str.partition("/")[0].str.removesuffix("_final").str.replace("_", " ")
    return pd.DataFrame(
        {
            "image_id": table["path"].str.rpartition(".")[0],
            "split": split,
            "member": f"{FOLDER}/" + table["path"],
            "product": category + " " + table["class_id"],
            "category": category,
        }
    )
