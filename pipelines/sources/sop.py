"""Stanford Online Products (Oh Song et al., CVPR 2016): one zip, products of twelve categories."""

from pathlib import Path

import pandas as pd

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.sources.listing import LOCATION, Listing, SourceReader, require_columns
from cairnhub.pipelines.sources.match_members import locate
from cairnhub.pipelines.sources.zips import open_zip, read_zip_member, scan_zip

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
        path = store / ARCHIVE
        images = pd.concat([_read_split(path, split) for split in SPLIT_FILES], ignore_index=True)
        located = locate(images, scan_zip(path), ["member"], f"not in {ARCHIVE}")
        images = located.images.sort_values(["split", "offset"], ignore_index=True)
        return Listing(images[[*LOCATION, *LEVELS]], located.quarantine, refused=located.refused)

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


def _read_split(path: Path, split: str) -> pd.DataFrame:
    """One list of images: columns `image_id`, `split`, `member` and the two levels."""
    name = f"{FOLDER}/{SPLIT_FILES[split]}"
    with open_zip(path) as archive:
        lines = read_zip_member(archive, name).decode("utf-8", errors="replace").splitlines()
    where = path / name
    header, *records = [line.split() for line in lines if line.strip()] or [[]]
    malformed = next((record for record in records if len(record) != len(header)), None)
    if not records:
        raise CairnError(f"{where}: lists no image; fetch it again")
    if malformed:
        raise CairnError(
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
