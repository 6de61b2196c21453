"""In-Shop Clothes Retrieval of DeepFashion (Liu et al., CVPR 2016): one zip, items by category and gender."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cairnhub.core.errors import BrokenData
from cairnhub.datasets_hub.card import Card, EvaluationProtocol
from cairnhub.pipelines.executors.local import Executor
from cairnhub.pipelines.settings.sources import InShopSource, Qualify, Subset
from cairnhub.pipelines.sources.label_names import tell_apart
from cairnhub.pipelines.sources.line_tables import parse_lines, read_list
from cairnhub.pipelines.sources.listed_rows import most_common
from cairnhub.pipelines.sources.listing import Listing, quarantine
from cairnhub.pipelines.sources.packed_lists import list_packed
from cairnhub.pipelines.sources.packs import Pack
from cairnhub.pipelines.sources.source_reader import SourceReader

LIST = "list_eval_partition.txt"
PACK = Pack(
    name="img.zip",
    root="",
    mark=r"img/(?:WO)?MEN/[^/]+/id_[0-9]+/[^/]+\.jpg",
    holds=r"img/.+\.jpg",
    has_original=False,
)
LEVELS = ("item", "category", "gender")
HEADER = ["image_name", "item_id", "evaluation_status"]
RECORD = (
    r"(?P<member>img/(?P<gender>[^/\s]+)/(?P<category>[^/\s]+)/[^\s]+\.jpg)\s+(?P<item>\S+)\s+"
    r"(?P<split>train|query|gallery)"
)


class InShop(SourceReader):
    """Reads `list_eval_partition.txt`: how many images, the header, then `<image> <item> <train | query | gallery>`.

    Gender and category are folders: `img/<gender>/<category>/<item>/<photo>.jpg`. A category of both genders is two
    labels, told apart by the gender.
    """

    levels = LEVELS
    edition = "inshop"
    packs = (PACK,)

    def __init__(self, qualify: Qualify = "parent") -> None:
        self.qualify = qualify

    def list_images(self, store: Path) -> Listing:
        """List the images of the three splits."""
        listed = _read_partition(store / LIST)
        images = listed.assign(
            image_id=listed["member"].str.removesuffix(".jpg").str.removeprefix("img/"),
            category=listed["category"].str.replace("_", " "),
        )
        images["folder"] = images["gender"] + "/" + images["category"]
        usual = images["item"].map(most_common(images, "item", "folder"))
        reason = "its folder contradicts the others of its item; " + images["folder"] + ", others " + usual
        images, misplaced = quarantine(images, images["folder"] != usual, reason)
        images, qualified = tell_apart(images, LEVELS, self.qualify, store / LIST)
        listing = list_packed(self.packed(store, PACK), images, LEVELS, misplaced, listed["member"])
        return replace(listing, qualified=qualified)

    def card(self) -> Card:
        """What the published dataset says of itself."""
        return Card(
            name="inshop",
            title="DeepFashion: In-Shop Clothes Retrieval",
            description=(
                "Photographs of clothes from a shop, several per item; queries search a gallery of other photographs "
                "of items that are unseen in training. For non-commercial research; given by the Chinese University "
                "of Hong Kong."
            ),
            homepage="https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion/InShopRetrieval.html",
            licence="DeepFashion-non-commercial-research",
            redistributable=False,
            citation=(
                "Z. Liu, P. Luo, S. Qiu, X. Wang, X. Tang. DeepFashion: Powering Robust Clothes Recognition and "
                "Retrieval with Rich Annotations. CVPR 2016."
            ),
            levels=LEVELS,
            annotation_origin="given",
            protocols=(
                EvaluationProtocol(
                    name="retrieval", query="query", gallery="gallery", ks=(1, 10, 20, 30, 40, 50)
                ),
            ),
        )


def make(dataset: str, source: InShopSource, subset: Subset, executor: Executor) -> InShop:
    """See `formats`."""
    return InShop(source.qualify)


def _read_partition(path: Path) -> pd.DataFrame:
    """The list: columns `member`, `gender`, `category`, `item`, `split`."""
    text = read_list(path)
    first, _, rest = text.partition("\n")
    header = rest.partition("\n")[0].split()
    if not first.strip().isdecimal() or header != HEADER:
        raise BrokenData(
            f"{path}: does not begin with a number of images and the line {' '.join(HEADER)!r}; fetch it again"
        )
    form = "img/<gender>/<category>/<item>/<photo>.jpg, an item and train, query or gallery"
    records = parse_lines(text, RECORD, path, form, n_head=2)
    if len(records) != int(first):
        raise BrokenData(
            f"{path}:1: says {int(first):,} images, but lists {len(records):,}; is it cut? Fetch it again"
        )
    return records.reset_index(drop=True)
