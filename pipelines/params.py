"""`params.yaml`, typed: every key is known, every value is checked before a stage starts."""

from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cairnhub.core.errors import CairnError
from cairnhub.core.files import stays_below
from cairnhub.core.parse import parse_yaml, read_text
from cairnhub.core.text import did_you_mean
from cairnhub.datasets_hub.card import Slug

SCALES = ("sample", "full")
Scale = Literal["sample", "full"]
Stage = TypeVar("Stage")
Fraction = Annotated[float, Field(gt=0, lt=1)]
Workers = Annotated[int, Field(ge=0, le=1024)]
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


class Strict(BaseModel):
    """Frozen, and a key that nobody reads is an error; numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Subset(Strict):
    """Which part of a source is built: all of it by default. What is left out is counted by reason."""

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
        """Whether nothing is left out."""
        return self == type(self)()


class GLDv2Subset(Subset):
    """What else may be left out of GLDv2."""

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
    """The CSV's name inside the mirror."""
    images: tuple[FileName, ...] = Field(min_length=1)
    """Folders or `.tar` files inside the mirror that hold the images."""
    path: str = "path"
    """The CSV column with an image's path: seen from the mirror, or the member's name inside a tar."""
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


class Wikimedia(Strict):
    """Whom to ask for the types of landmarks that GLDv2 gives none, and in whose name."""

    contact: str
    """A mail address or page of whoever runs this: Wikimedia asks for it."""
    commons: str = "https://commons.wikimedia.org/w/api.php"
    wikidata: str = "https://www.wikidata.org/w/api.php"
    depth: int = Field(default=5, ge=0, le=100)
    """How many steps of `subclass of` to follow."""


class Fetch(Strict):
    """Where files come from and how patiently."""

    mirrors: dict[str, str] = {}
    """Dataset -> folder or URL that holds its files, in place of the authors' own server."""
    n_connections: int = Field(default=4, ge=1, le=64)
    timeout_s: float = Field(default=30, gt=0, le=86_400)
    n_retries: int = Field(default=5, ge=0, le=1000)
    wikimedia: Wikimedia | None = None
    """Mine types for landmarks without one; not asked for by default, since it takes hours."""


class Embed(Strict):
    """The text model; its weights are checked by hash wherever they come from."""

    model: str
    revision: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    batch_size: int = Field(default=64, ge=1, le=1_000_000)


class Executor(Strict):
    """Where per-archive work runs; what comes out does not depend on it."""

    kind: Literal["local", "ray"] = "local"
    """`local`: processes of this machine. `ray`: Ray tasks, here or on a cluster."""
    n_workers: int = Field(default=2, ge=1, le=1024)
    address: str | None = Field(default=None, pattern=r"^(auto|[^\s:/]+:\d{1,5})$")
    """Of a running Ray cluster: `host:port`, or `auto` on one of its machines; without one, Ray is started here."""
    storage: str | None = Field(default=None, pattern=r"^(/|(s3|gs)://)")
    """Folder or bucket (`s3://bucket/prefix`) by which files reach machines that do not share this one's disk."""

    @model_validator(mode="after")
    def _address_is_of_ray(self) -> "Executor":
        if self.address is not None and self.kind != "ray":
            raise ValueError("address is for kind: ray")
        if self.storage is not None and self.address is None:
            raise ValueError("storage is for a cluster: give its address")
        return self


class Publish(Strict):
    """Shape of the Parquet shards, and which images are let in."""

    shard_size_mb: int = Field(default=400, ge=1, le=1_000_000)
    rows_per_group: int = Field(default=100, ge=1, le=1_000_000)
    max_image_pixels: int = Field(default=89_478_485, ge=1, le=2**32)
    """Width times height; more is taken for a size bomb."""
    decode_images: bool = False
    """Decode every image to the last pixel; otherwise a JPEG is judged by its structure."""


class Train(Strict):
    """Which recipe trains which dataset."""

    recipes: dict[str, str]
    """Dataset -> recipe in `training/recipes/`."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    n_workers: Workers = 2


class Evaluate(Strict):
    """Evaluation beyond the metrics themselves."""

    batch_size: int = Field(default=256, ge=1, le=1_000_000)


class PerScale(Strict, Generic[Stage]):
    """One stage's parameters at each scale, so that editing `full` never makes `sample` stale."""

    sample: Stage
    full: Stage


class Params(Strict):
    """The whole of `params.yaml`."""

    scales: tuple[Scale, ...] = Field(min_length=1)
    datasets: tuple[str, ...] = Field(min_length=1)
    tree_from_data: tuple[str, ...]
    tree_from_text: tuple[str, ...]
    train_on: tuple[str, ...]
    sources: dict[Slug, Source]
    executor: PerScale[Executor]
    fetch: PerScale[Fetch]
    embed: PerScale[Embed]
    publish: PerScale[Publish]
    train: PerScale[Train]
    evaluate: PerScale[Evaluate]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to another process as its values: classes such as `PerScale[Train]` have no name there."""
        return Params.model_validate, (self.model_dump(),)

    @model_validator(mode="after")
    def _lists_agree(self) -> "Params":
        for name in self.datasets:
            if name not in self.sources:
                raise ValueError(f"datasets: {name!r} has no entry under sources")
            n_trees = (name in self.tree_from_data) + (name in self.tree_from_text)
            if n_trees != 1:
                raise ValueError(
                    f"datasets: {name!r} must be listed once, under tree_from_data or under tree_from_text"
                )
        for name in self.tree_from_data:
            source = self.sources.get(name)
            if isinstance(source, GLDv2Source) and source.hierarchy == "proposed":
                raise ValueError(
                    f"tree_from_data: {name!r} has none; list it under tree_from_text, or take its published hierarchy"
                )
        for name, source in self.sources.items():
            owner = self.files_of(name)
            if owner not in self.sources or self.sources[owner].format != source.format:
                raise ValueError(f"sources.{name}.files: {owner!r} is no dataset of format {source.format!r}")
            if owner != name and self.files_of(owner) != owner:
                raise ValueError(f"sources.{name}.files: {owner!r} has no files of its own")
        for key in ("tree_from_data", "tree_from_text", "train_on"):
            for name in getattr(self, key):
                if name not in self.datasets:
                    raise ValueError(f"{key}: {name!r} is not listed under datasets")
        for scale in self.scales:
            for name in self.train_on:
                if name not in getattr(self.train, scale).recipes:
                    raise ValueError(f"train_on: {name!r} has no recipe under train.{scale}.recipes")
        return self

    def require_tree_from_text(self, dataset: str) -> None:
        """Refuse a dataset whose tree is not proposed from texts.

        Raises:
            CairnError: its tree comes from its labels, or it is not declared.
        """
        self.source(dataset)
        if dataset not in self.tree_from_text:
            raise CairnError(
                f"the tree of {dataset!r} comes from its labels (the stage `taxonomy`), there is nothing to propose or "
                f"to review; trees from texts have: {', '.join(self.tree_from_text)}"
            )

    def source(self, dataset: str) -> Source:
        """The declaration of `dataset`.

        Raises:
            CairnError: `params.yaml` does not declare it.
        """
        if dataset not in self.sources:
            known = ", ".join(sorted(self.sources))
            raise CairnError(
                f"params.yaml: no dataset {dataset!r} under sources{did_you_mean(dataset, self.sources)}; "
                f"declared are: {known}"
            )
        return self.sources[dataset]

    def files_of(self, dataset: str) -> str:
        """The dataset whose files `dataset` is made of: most often itself."""
        source = self.sources[dataset]
        match source:
            case GLDv2Source() | INat2018Source():
                return source.files or dataset
            case _:
                return dataset


def check_scale(scale: str) -> None:
    """Raise CairnError for a scale that there is not."""
    if scale not in SCALES:
        raise CairnError(f"no scale {scale!r}; choose one of {', '.join(SCALES)}")


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        CairnError: the file is missing, is no YAML, or has an unknown key or a wrong value; the message
            names the file and the key.
    """
    try:
        text = read_text(path)
    except FileNotFoundError as error:
        raise CairnError(f"{path} is missing: run this inside a Cairn checkout") from error
    return validate(Params, parse_yaml(text, path.name), path.name)


Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], raw: Any, where: str) -> Model:
    """Build `model` from parsed YAML; explain every fault by file and key.

    Raises:
        CairnError: one line per fault.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(fault, where, raw) for fault in error.errors()]
        raise CairnError("\n".join(dict.fromkeys(lines))) from error


def _explain(fault: Any, where: str, raw: Any) -> str:
    """One fault as `file: key: what is wrong`; unknown keys get the nearest known one."""
    location = [part for part in fault["loc"] if part != "function-after[_lists_agree()"]
    key = ".".join(str(part) for part in location) or "(top level)"
    if fault["type"] == "extra_forbidden":
        refused = str(location[-1])
        known = [name for name in _known_keys() if name != refused]  # which another part may well have
        hint = did_you_mean(refused, known) or "; remove it or see the comments in params.yaml"
        return f"{where}: {key}: unknown key{hint}"
    if fault["type"] == "union_tag_invalid":
        tag, expected = fault["ctx"]["tag"], fault["ctx"]["expected_tags"]
        return f"{where}: {key}.format: {tag!r} is none of {expected}{did_you_mean(tag, expected.split(chr(39)))}"
    if fault["type"] == "tuple_type":
        return f"{where}: {key}: must be a list, such as [{fault['input']}]"
    if fault["type"] == "missing":
        return f"{where}: {key}: missing key"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {key}: {message}" if location else f"{where}: {message}"


def _known_keys() -> list[str]:
    """Every key that some part of `params.yaml` knows."""
    models = (
        Params,
        Subset,
        GLDv2Subset,
        Subsets,
        GLDv2Source,
        INat2018Source,
        DyMLSource,
        SOPSource,
        CUBSource,
        VehicleIDSource,
        TableSource,
        Fetch,
        Wikimedia,
        Embed,
        Executor,
        Publish,
        Train,
        Evaluate,
    )
    return sorted({name for model in models for name in model.model_fields})
