"""`sources`: what each dataset is, and which part of it is built."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from cairnhub.core.safe_names import stays_below
from cairnhub.core.text import quoted
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.datasets_hub.level_names import check_level_names
from cairnhub.datasets_hub.readers import split_name_fault
from cairnhub.hierarchies.label_tree.label_rules import Twins
from cairnhub.hierarchies.proposal.usual_levels import usual_levels
from cairnhub.pipelines.settings.strict import Strict

Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


def _file_name(name: str) -> str:
    if name != "." and not stays_below(name):
        raise ValueError(
            f"{name[:200]!r} leads out of the mirror; write a path below it, with forward slashes"
        )
    return name


def _levels(names: tuple[str, ...]) -> tuple[str, ...]:
    taken = {"image_id", "split", "archive", "member", "offset", "size_bytes"}
    if len(set(names)) != len(names) or taken & set(names):
        raise ValueError(f"level names must differ, and none be one of {', '.join(sorted(taken))}")
    check_level_names(names)
    return names


def _split_name(name: str) -> str:
    if fault := split_name_fault(name):
        raise ValueError(fault)
    return name


FileName = Annotated[str, AfterValidator(_file_name)]
SplitName = Annotated[str, AfterValidator(_split_name)]
Qualify = Literal["parent", "refuse"]
"""A label that stands under two parents becomes one below each, named by its parent, or is refused."""
Pack = Literal["auto", "places", "none"]
"""What is known of words: WordNet where it is installed, and of places where most labels are such; `none`: nothing."""
Language = Literal["auto", "en", "many"]
"""Of the labels; `many`: by a text model that knows many languages."""
Levels = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_levels)]


class Subset(Strict):
    """Which part of a source is built: all of it by default. What is excluded is counted by reason."""

    splits: tuple[SplitName, ...] = ()
    """Only these; none named means all."""
    max_images_per_label: int | None = Field(default=None, ge=1)
    """At most so many images per label of the finest level and split, chosen by the hash of their ids."""
    include: dict[str, tuple[str, ...]] = {}
    """Level -> only images with one of these labels."""
    exclude: dict[str, tuple[str, ...]] = {}
    """Level -> no image with one of these labels."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is excluded."""
        return self == type(self)()


class GLDv2Subset(Subset):
    """What else may be excluded of GLDv2."""

    n_archives: dict[Literal["train", "index", "test"], Annotated[int, Field(ge=1)]] = {}
    """Folder -> only its first so many tars."""
    only_typed: bool = False
    """Only landmarks for which a type was mined."""


class Subsets(Strict):
    """One subset per scale."""

    sample: Subset = Subset()
    full: Subset = Subset()


class GLDv2Subsets(Strict):
    """One subset of GLDv2 per scale."""

    sample: GLDv2Subset = GLDv2Subset()
    full: GLDv2Subset = GLDv2Subset()


class TreeFromText(Strict):
    """A tree that is proposed from what labels say, then reviewed: of any labels, with any number of levels."""

    model_config = ConfigDict(validate_by_name=True)

    from_: Literal["text"] = Field(alias="from")
    leaf: str = ""
    """The level of the data whose labels get a tree; by default its finest."""
    texts: tuple[str, ...] = ()
    """Columns: the first is what a label is in words, by default the label; the others describe it."""
    known: tuple[str, ...] = ()
    """Columns with groups that are known, fine to coarse; an empty cell means: propose one. What is known is kept."""
    levels: tuple[str, ...] = ()
    """Names of the levels above the labels and above the known ones, fine to coarse; a known one may be among them."""
    sizes: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """How many groups each level above the labels gets, fine to coarse."""
    depth: int | None = Field(default=None, ge=1)
    """How many levels stand above the labels; by default as many as `levels` or `sizes` have, else 2."""
    names: FileName | None = None
    """A file of the project with wanted groups of the first level, one a line, examples behind a colon."""
    vectors: FileName | None = None
    """A Parquet file of the project, columns `label` and `vector`: another view of the labels, such as their photos."""
    pack: Pack = "auto"
    language: Language = "auto"

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        for key, names in (("known", self.known), ("levels", self.levels)):
            if len(set(names)) != len(names):
                raise ValueError(f"{key}: a level is named twice: {quoted(names, len(names))}")
        for key, wanted in (("sizes", len(self.sizes)), ("depth", self.depth)):
            if wanted and self.levels and wanted != len(self._above()):
                raise ValueError(
                    f"{key}: {wanted} levels, but {len(self._above())} stand above the labels: {quoted(self._above())}"
                )
        return self

    def _above(self) -> tuple[str, ...]:
        return (*(name for name in self.known if name not in self.levels), *self.levels)

    def levels_above(self) -> tuple[str, ...]:
        """Names of the levels above the labels, fine to coarse."""
        if self.levels:
            return self._above()
        depth = (self.depth or len(self.sizes) or 2 + len(self.known)) - len(self.known)
        return (*self.known, *usual_levels(depth))

    def columns(self, leaf: str) -> tuple[str, ...]:
        """Columns beside that of the labels that the tree is made from."""
        return tuple(name for name in dict.fromkeys((*self.texts, *self.known)) if name != leaf)

    def published_levels(self, data_levels: Sequence[str]) -> tuple[str, ...]:
        """Levels of the tree that is published, fine to coarse."""
        return (self.leaf or data_levels[0], *self.levels_above())


class AnySource(Strict):
    """What every source may say."""

    tree: TreeFromText | None = None
    """By default the labels of the data give the tree."""

    exclude_ids: FileName | None = None
    """A file of the project, a CSV with the columns `image_id` and `reason`: these images are taken out for good."""


class GLDv2Source(AnySource):
    """Google Landmarks v2: tars of JPEGs, CSV metadata, retrieval ground truth."""

    format: Literal["gldv2"]
    files: str | None = None
    """The dataset whose files these are; without one, the dataset has files of its own."""
    clean: bool = False
    """Keep only the training images of `train_clean.csv`."""
    hierarchy: Literal["proposed", "published"] = "proposed"
    """`proposed` from names and types, then reviewed; or `published`: H-GLDv2's own labels give the tree."""
    keep_unlabelled: bool = False
    """With `published`: keep landmarks without a label, under `unlabelled`; queries never show one."""
    vectors: FileName | None = None
    """With `proposed`: a Parquet file of the project, columns `label` (the landmark) and `vector`: what a network sees
    in its photos. Those that look like a landmark without a type vote on its category."""
    qualify: Qualify = "parent"
    subset: GLDv2Subsets = GLDv2Subsets()

    @model_validator(mode="after")
    def _tree_is_its_own(self) -> Self:
        if self.tree is not None:
            raise ValueError(
                "tree: GLDv2 has its own way from names and types to a tree: `hierarchy: proposed`"
            )
        return self


class INat2018Source(AnySource):
    """iNaturalist-2018 with the seven ranks of its taxonomy; `[species, supercategory]` is iNat-base."""

    format: Literal["inat2018"]
    files: str | None = None
    """The dataset whose files these are; without one, the dataset has files of its own."""
    levels: Levels = ("species", "genus", "family", "order", "class", "phylum", "kingdom")
    qualify: Qualify = "parent"
    subset: Subsets = Subsets()


class DyMLSource(AnySource):
    """One of the three DyML datasets: animal, vehicle, product."""

    format: Literal["dyml"]
    qualify: Qualify = "parent"
    subset: Subsets = Subsets()


class SOPSource(AnySource):
    """Stanford Online Products: one zip, products of twelve categories."""

    format: Literal["sop"]
    subset: Subsets = Subsets()


class CUBSource(AnySource):
    """CUB-200-2011: one tgz, birds of 200 species; with `[species, family, order]` as hierarchical retrieval has it."""

    format: Literal["cub"]
    files: str | None = None
    """The dataset whose files these are; without one, the dataset has files of its own."""
    levels: tuple[Literal["species"]] | tuple[Literal["species"], Literal["family"], Literal["order"]] = (
        "species",
    )
    subset: Subsets = Subsets()


class Cars196Source(AnySource):
    """Stanford Cars by class number, the first half train; with `[model, type]` body types stand above the models."""

    format: Literal["cars196"]
    files: str | None = None
    """The dataset whose files these are; without one, the dataset has files of its own."""
    levels: tuple[Literal["model"]] | tuple[Literal["model"], Literal["type"]] = ("model",)
    subset: Subsets = Subsets()


class InShopSource(AnySource):
    """In-Shop Clothes Retrieval of DeepFashion: a zip of images and the list of the evaluation."""

    format: Literal["inshop"]
    qualify: Qualify = "parent"
    subset: Subsets = Subsets()


class RevisitedSource(AnySource):
    """Revisited Oxford or Paris: archives of photographs, and graded answers to 70 queries."""

    format: Literal["revisited"]
    city: Literal["oxford", "paris"]
    subset: Subsets = Subsets()


class VGGFace2Source(AnySource):
    """VGGFace2: two gzipped tars of faces by identity, and two lists."""

    format: Literal["vggface2"]
    subset: Subsets = Subsets()


class IJBCSource(AnySource):
    """IARPA Janus Benchmark C: crops of faces, gathered in templates, of which probes search a gallery."""

    format: Literal["ijbc"]
    subset: Subsets = Subsets()


class VehicleIDSource(AnySource):
    """PKU VehicleID: one zip, pictures of vehicles by identity."""

    format: Literal["vehicleid"]
    subset: Subsets = Subsets()


class SplitByClass(Strict):
    """Class-disjoint splits: whole classes are `train` or `test`, as a model meets classes that it never saw."""

    by: Literal["class"] = "class"
    level: str = ""
    """The level whose classes are divided; the finest by default."""
    test: float = Field(default=0.5, gt=0, lt=1)
    """Share of the classes that become `test`, of each label of the next coarser level alike."""
    query_share: float = Field(default=0, ge=0, lt=1)
    """Above 0: so much of each test class is the split `query`, the rest `gallery`, in place of `test`."""
    seed: int = 0


class SplitByImage(Strict):
    """Closed-set splits: every class is in `train` and in `test`, as far as it has two images."""

    by: Literal["image"]
    test: float = Field(default=0.2, gt=0, lt=1)
    """Share of the images of each finest class that become `test`."""
    seed: int = 0


def _kind_of_split(value: Any) -> str | None:
    if isinstance(value, str):
        return "column"
    by = value.get("by") if isinstance(value, dict) else getattr(value, "by", None)
    return by if by in ("class", "image") else None


Split = Annotated[
    Annotated[str, Tag("column"), Field(min_length=1)]
    | Annotated[SplitByClass, Tag("class")]
    | Annotated[SplitByImage, Tag("image")],
    Discriminator(
        _kind_of_split,
        custom_error_type="kind_of_split",
        custom_error_message="give the name of a CSV column, {by: class, test: 0.5} or {by: image, test: 0.2}",
    ),
]


FOLDERS = "folders"


class TableSource(AnySource):
    """Anybody's own images, described by a CSV with one column per level, or by the folders they lie in."""

    format: Literal["table"]
    labels: FileName
    """The CSV's name inside the mirror; cells are separated by commas, by tabs where it ends in `.tsv`. `folders`:
    there is none; the folder of an image is its finest label, the one above that its next."""
    images: tuple[FileName, ...] = Field(min_length=1)
    """Folders, or `.tar`, `.tar.gz`, `.tgz` or `.zip` files, inside the mirror that hold the images."""
    path: str = "path"
    """The CSV column with an image's path: seen from the mirror, or the member's name inside a tar."""
    multiline: bool = False
    """Whether cells of the CSV may have line breaks."""
    levels: Levels
    """The CSV columns of the levels, fine -> coarse."""
    qualify: Qualify = "parent"
    """`refuse` also quarantines rows whose label is empty on any level; `parent` those without a finest one."""
    twins: Twins = "refuse"
    """Labels that differ only in case, spaces or Unicode form are most often one; `keep` has them apart."""
    split: Split = SplitByClass()
    """The CSV column of the split, or how images are divided; by default half of the finest classes are `test`."""
    protocols: tuple[EvaluationProtocol, ...] | None = None
    """Which split searches which; without any, those that the splits' names tell; `[]`: it is never evaluated."""
    keep: Literal["all"] | tuple[str, ...] = ()
    """Other CSV columns that are published as text, beside the labels; `all`: every one."""
    hashes: dict[str, Sha256] = {}
    """Expected hash of each file that has one."""
    title: str = ""
    homepage: str = ""
    licence: str = "unknown"
    """An SPDX id or another name; `mine`: the images are yours, and go wherever you push them."""
    citation: str = ""
    redistributable: bool = False
    subset: Subsets = Subsets()

    @model_validator(mode="after")
    def _names_are_right(self) -> Self:
        if self.labels == FOLDERS and (isinstance(self.split, str) or self.keep or self.hashes):
            raise ValueError("labels: folders have no columns for split, keep or hashes; give a CSV")
        published = self.tree.published_levels(self.levels) if self.tree else self.levels
        check_level_names(published)
        if published[0] in published[1:]:
            raise ValueError(f"tree: the level {published[0]!r} of the labels cannot stand above them too")
        if published[0] not in self.levels:
            raise ValueError(
                f"tree.leaf: no level {published[0]!r}; levels are {quoted(self.levels, len(self.levels))}"
            )
        named = [("protocols", level) for each in self.protocols or () for level in each.levels]
        if isinstance(self.split, SplitByClass) and self.split.level:
            named.append(("split", self.split.level))
        for key, level in named:
            known = published if key == "protocols" else self.levels
            if level not in known:
                raise ValueError(f"{key}: no level {level!r}; levels are {quoted(known, len(known))}")
        names = [each.name for each in self.protocols or ()]
        if len(set(names)) != len(names):
            raise ValueError(f"protocols: two have one name: {quoted(names, len(names))}")
        if self.keep != "all" and len(set(self.keep)) != len(self.keep):
            raise ValueError(f"keep: a column is named twice: {quoted(self.keep, len(self.keep))}")
        return self


Source = Annotated[
    GLDv2Source
    | INat2018Source
    | DyMLSource
    | SOPSource
    | CUBSource
    | Cars196Source
    | InShopSource
    | VehicleIDSource
    | RevisitedSource
    | VGGFace2Source
    | IJBCSource
    | TableSource,
    Field(discriminator="format"),
]
