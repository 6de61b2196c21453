"""CUB-200-2011 (Wah et al., 2011): birds of 200 species in one `.tgz`; retrieval splits them by species."""

from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import CUBSource, Subset
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
LEVELS = ("species",)


class CUB(SourceReader):
    """Reads `images.txt`, `image_class_labels.txt`, `classes.txt`: classes 1 to 100 train, the others test.

    The archive is read as far as the last of these; what images it holds is seen when it is streamed into shards.

    The archive gives one level: species, named as in `classes.txt` without number and underscores.
    """

    levels = LEVELS
    edition = "cub"
    packs = (PACK,)

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
        return list_packed(packed, images, LEVELS, faulty, listed)

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="cub",
            title="Caltech-UCSD Birds-200-2011",
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
            levels=LEVELS,
            annotation_origin="given",
            protocols=(
                EvaluationProtocol(name="retrieval", query="test", gallery="test", ks=(1, 2, 4, 8, 10, 100)),
            ),
        )


def make(dataset: str, source: CUBSource, subset: Subset, executor: Executor) -> CUB:
    """See `formats`."""
    return CUB()


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
