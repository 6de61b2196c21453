"""VGGFace2 (Cao et al., FG 2018): faces of 9,131 people; those of the test list are unseen in training."""

from pathlib import Path

from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import Subset, VGGFace2Source
from cairnhub.pipelines.sources.line_tables import parse_lines, read_list
from cairnhub.pipelines.sources.listing import Listing, joined
from cairnhub.pipelines.sources.packed_lists import list_packed
from cairnhub.pipelines.sources.packs import Pack
from cairnhub.pipelines.sources.source_reader import SourceReader

LEVELS = ("identity",)
RECORD = r"(?P<member>(?P<identity>n[0-9]{6})/[0-9]+_[0-9]+\.jpg)"


def _pack(split: str, first: str) -> Pack:
    """The archive of one split; a copy of it is known by the first person of its list."""
    return Pack(
        name=f"vggface2_{split}.tar.gz",
        root=f"{split}/",
        mark=rf"{first}/0001_01\.jpg",
        holds=r"n[0-9]{6}/[0-9]+_[0-9]+\.jpg",
        has_original=False,
    )


PACKS = {"train": _pack("train", "n000002"), "test": _pack("test", "n000001")}


class VGGFace2(SourceReader):
    """Reads `train_list.txt` and `test_list.txt` (`n000002/0001_01.jpg` a line) and an archive of each split."""

    levels = LEVELS
    edition = "vggface2"
    packs = tuple(PACKS.values())

    def list_images(self, store: Path) -> Listing:
        """List the images of both splits."""
        return joined([self._split(store, split) for split in PACKS])

    def _split(self, store: Path, split: str) -> Listing:
        path = store / f"{split}_list.txt"
        images = parse_lines(read_list(path), RECORD, path, "n<6 digits>/<photo>_<face>.jpg")
        images = images.assign(image_id=images["member"].str.removesuffix(".jpg"), split=split)
        return list_packed(self.packed(store, PACKS[split]), images, LEVELS)

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="vggface2",
            title="VGGFace2",
            description=(
                "Faces of 9,131 people across pose and age, labelled by identity; the 500 people of the test list are "
                "unseen in training. For research only; its authors no longer give it, and it shows people: mind the "
                "law where you are."
            ),
            homepage="https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/",
            licence="VGGFace2-research-only",
            redistributable=False,
            citation=(
                "Q. Cao, L. Shen, W. Xie, O. M. Parkhi, A. Zisserman. VGGFace2: A Dataset for Recognising Faces across "
                "Pose and Age. IEEE FG 2018."
            ),
            levels=LEVELS,
            annotation_origin="given",
            protocols=(EvaluationProtocol(name="retrieval", query="test", gallery="test"),),
        )


def make(dataset: str, source: VGGFace2Source, subset: Subset, executor: Executor) -> VGGFace2:
    """See `formats`."""
    return VGGFace2()
