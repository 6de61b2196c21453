"""CUB-200-2011 (Wah et al., 2011): birds of 200 species in one `.tgz`; retrieval splits them by species."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.sources.csv_tables import read_csv
from cairnhub.pipelines.sources.label_names import tell_apart
from cairnhub.pipelines.sources.listing import Listing, quarantine
from cairnhub.pipelines.sources.packed_lists import list_packed
from cairnhub.pipelines.sources.packs import Pack, Packed
from cairnhub.pipelines.sources.source_reader import SourceReader

TABLES = {"images.txt": "path", "image_class_labels.txt": "class_id", "classes.txt": "class_name"}
PACK = Pack(
    name="CUB_200_2011.tgz",
    root="CUB_200_2011/",
    mark=r"image_class_labels\.txt",
    holds=r"(?:images|image_class_labels|classes)\.txt|images/[^/]+/[^/]+\.jpg",
    lists=tuple(TABLES),
)
LAST_TRAIN_CLASS = 100
FAMILIES = Path(__file__).parent / "families.tsv"
"""Family and order of each class, as hierarchical retrieval (Ramzi et al., TPAMI 2025) groups them."""


class CUB(SourceReader):
    """Reads `images.txt`, `image_class_labels.txt`, `classes.txt`: classes 1 to 100 train, the others test.

    The archive is read as far as the last of these; what images it holds is seen when it is streamed into shards.

    The archive gives one level: species, named as in `classes.txt` without number and underscores. Family and order
    are facts that stand beside this module.
    """

    packs = (PACK,)

    def __init__(self, levels: tuple[str, ...] = ("species",)) -> None:
        self.levels = levels
        self.edition = "cub" if len(self.levels) == 1 else "cub_hierarchy"

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        packed = self.packed(store, PACK)
        texts = packed.read_files(tuple(TABLES))
        tables = {name: _numbered(texts[name], name, packed) for name in TABLES}
        images = tables["images.txt"].join(tables["image_class_labels.txt"])
        images = images.join(tables["classes.txt"], on="class_id")
        path = images["path"]
        images["image_id"] = path.str.rpartition(".")[0]
        images["member"] = listed = "images/" + path
        images["species"] = (
            images["class_name"].str.replace(r"^[^.]*\.", "", regex=True).str.replace("_", " ")
        )
        number = pd.to_numeric(images["class_id"], errors="coerce")
        images["split"] = (number <= LAST_TRAIN_CLASS).map({True: "train", False: "test"})
        images, unnamed = quarantine(images, images["species"].isna(), "its class is not in classes.txt")
        folder = images["member"].str.split("/").str[1]
        contradiction = "its class contradicts its folder; " + images["class_name"] + " in " + folder
        images, misplaced = quarantine(images, folder != images["class_name"], contradiction)
        faulty = pd.concat([unnamed, misplaced], ignore_index=True)
        if len(self.levels) == 1:
            return list_packed(packed, images, self.levels, faulty, listed)
        images = images.join(
            read_csv(FAMILIES, ["class_id", "family", "order"]).set_index("class_id"), on="class_id"
        )
        images, ungrouped = quarantine(
            images, images["family"].isna(), "its class has no family in families.tsv"
        )
        images, qualified = tell_apart(images, self.levels, "parent", FAMILIES)
        faulty = pd.concat([faulty, ungrouped], ignore_index=True)
        return replace(list_packed(packed, images, self.levels, faulty, listed), qualified=qualified)

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name=self.edition,
            title="Caltech-UCSD Birds-200-2011"
            + (" with families and orders" if len(self.levels) > 1 else ""),
            description=(
                "Photographs of 200 bird species; species 1 to 100 train, 101 to 200 test, as in retrieval papers. "
                "For non-commercial research and education; the photographs belong to their authors."
            ),
            homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
            licence="CUB-200-2011-non-commercial-research",
            redistributable=False,
            citation=(
                "C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie. The Caltech-UCSD Birds-200-2011 Dataset. "
                "Technical Report CNS-TR-2011-001, California Institute of Technology, 2011."
            ),
            levels=self.levels,
            annotation_origin="given",
            protocols=(
                EvaluationProtocol(name="retrieval", query="test", gallery="test", ks=(1, 2, 4, 8, 10, 100)),
            ),
        )


def _numbered(text: bytes, name: str, packed: Packed) -> pd.DataFrame:
    """A table of `<number> <value>` lines, indexed by number."""
    path = packed.where(name)
    pairs = [
        line.split(maxsplit=1) for line in text.decode("utf-8", errors="replace").splitlines() if line.strip()
    ]
    if not pairs:
        raise BrokenData(f"{path}: empty; fetch it again")
    malformed = next((pair for pair in pairs if len(pair) != 2), None)
    if malformed:
        raise BrokenData(f"{path}: {malformed[0]!r} is not a number and a value")
    frame = pd.DataFrame(pairs, columns=["number", TABLES[name]], dtype=str).set_index("number")
    if frame.index.has_duplicates:
        repeated = frame.index[frame.index.duplicated()][0]
        raise BrokenData(f"{path}: number {repeated} occurs twice")
    return frame
