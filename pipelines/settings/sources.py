"""`sources`: what each dataset is, and which part of it is built."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from cairnhub.core.safe_names import stays_below
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
    return names


FileName = Annotated[str, AfterValidator(_file_name)]
Levels = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_levels)]


class Subset(Strict):
    """Which part of a source is built: all of it by default. What is excluded is counted by reason."""

    splits: tuple[str, ...] = ()
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


class GLDv2Source(Strict):
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
    subset: GLDv2Subsets = GLDv2Subsets()


class INat2018Source(Strict):
    """iNaturalist-2018 with the seven ranks of its taxonomy; `[species, supercategory]` is iNat-base."""

    format: Literal["inat2018"]
    files: str | None = None
    """The dataset whose files these are; without one, the dataset has files of its own."""
    levels: Levels = ("species", "genus", "family", "order", "class", "phylum", "kingdom")
    subset: Subsets = Subsets()


class DyMLSource(Strict):
    """One of the three DyML datasets: animal, vehicle, product."""

    format: Literal["dyml"]
    subset: Subsets = Subsets()


class SOPSource(Strict):
    """Stanford Online Products: one zip, products of twelve categories."""

    format: Literal["sop"]
    subset: Subsets = Subsets()


class CUBSource(Strict):
    """CUB-200-2011: one tgz, birds of 200 species."""

    format: Literal["cub"]
    subset: Subsets = Subsets()


class VehicleIDSource(Strict):
    """PKU VehicleID: one zip, pictures of vehicles by identity."""

    format: Literal["vehicleid"]
    subset: Subsets = Subsets()


class TableSource(Strict):
    """Anybody's own images, described by a CSV with one column per level."""

    format: Literal["table"]
    labels: FileName
    """The CSV's name inside the mirror; cells are separated by commas, by tabs where it ends in `.tsv`."""
    images: tuple[FileName, ...] = Field(min_length=1)
    """Folders, or `.tar`, `.tar.gz`, `.tgz` or `.zip` files, inside the mirror that hold the images."""
    path: str = "path"
    """The CSV column with an image's path: seen from the mirror, or the member's name inside a tar."""
    multiline: bool = False
    """Whether cells of the CSV may have line breaks."""
    levels: Levels
    """The CSV columns of the levels, fine -> coarse."""
    split: str | None = None
    """The CSV column of the split; without one, a fifth of every finest class becomes `test`."""
    hashes: dict[str, Sha256] = {}
    """Expected hash of each file that has one."""
    title: str = ""
    homepage: str = ""
    licence: str = "unknown"
    citation: str = ""
    redistributable: bool = False
    subset: Subsets = Subsets()


Source = Annotated[
    GLDv2Source | INat2018Source | DyMLSource | SOPSource | CUBSource | VehicleIDSource | TableSource,
    Field(discriminator="format"),
]
