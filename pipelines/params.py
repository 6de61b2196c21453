"""`params.yaml`, typed: every key is known, every value is checked before a stage starts."""

from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.parse import parse_yaml, read_text
from cairnhub.core.text import did_you_mean
from cairnhub.datasets_hub.card import Slug
from cairnhub.pipelines.settings.embed import Embed
from cairnhub.pipelines.settings.evaluate import Evaluate, Transfer
from cairnhub.pipelines.settings.executor import Executor
from cairnhub.pipelines.settings.fetch import Fetch
from cairnhub.pipelines.settings.publish import Publish
from cairnhub.pipelines.settings.sources import (
    Cars196Source,
    CUBSource,
    GLDv2Source,
    INat2018Source,
    Source,
    TableSource,
)
from cairnhub.pipelines.settings.strict import Strict
from cairnhub.pipelines.settings.train import Train

SCALES = ("sample", "full")
Scale = Literal["sample", "full"]
Stage = TypeVar("Stage")


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
        for name in self.tree_from_text:
            if name in self.sources and not self.proposes(name):
                raise ValueError(
                    f"tree_from_text: {name!r} does not say from which texts: give it `tree: {{from: text}}` under "
                    "sources, or list it under tree_from_data"
                )
        for name in self.tree_from_data:
            source = self.sources.get(name)
            if source is not None and source.tree:
                raise ValueError(
                    f"tree_from_data: {name!r} has `tree: {{from: text}}`; list it under tree_from_text"
                )
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
        for name in self.train_on:
            if not any(self.trains(name, scale) for scale in self.scales):
                places = " or ".join(f"train.{scale}.recipes" for scale in self.scales)
                raise ValueError(f"train_on: {name!r} has no recipe under {places}")
        self._check_transfer()
        return self

    def _check_transfer(self) -> None:
        for scale in SCALES:
            evaluate: Evaluate = getattr(self.evaluate, scale)
            for name, transfer in evaluate.transfer.items():
                key = f"evaluate.{scale}.transfer"
                if name not in self.datasets:
                    raise ValueError(f"{key}: {name!r} is not listed under datasets")
                if name in self.train_on and self.trains(name, scale):
                    raise ValueError(f"{key}: {name!r} has a model of its own (train_on)")
                if transfer.model not in self.train_on or not self.trains(transfer.model, scale):
                    raise ValueError(
                        f"{key}.{name}.model: {transfer.model!r} has no model at this scale; list it under train_on, "
                        f"with a recipe under train.{scale}.recipes"
                    )

    def trains(self, dataset: str, scale: str) -> bool:
        """Whether a recipe trains `dataset` at this scale."""
        return dataset in getattr(self.train, scale).recipes

    def transfer(self, dataset: str, scale: str) -> Transfer | None:
        """Whose model searches `dataset` at this scale, where it has none of its own."""
        evaluate: Evaluate = getattr(self.evaluate, scale)
        return evaluate.transfer.get(dataset)

    def model_of(self, dataset: str, scale: str) -> str:
        """The dataset whose model searches `dataset`: most often itself."""
        transfer = self.transfer(dataset, scale)
        return transfer.model if transfer else dataset

    def is_evaluated(self, dataset: str) -> bool:
        """Whether models of `dataset` are measured: not where `protocols: []` is declared."""
        source = self.sources[dataset]
        return not isinstance(source, TableSource) or source.protocols != ()

    @property
    def evaluate_on(self) -> tuple[str, ...]:
        """The datasets that are evaluated, with a model of their own or of another at some scale."""
        searched = (self.evaluate.sample.transfer | self.evaluate.full.transfer).keys()
        candidates = dict.fromkeys((*self.train_on, *sorted(searched)))
        return tuple(name for name in candidates if self.is_evaluated(name))

    def proposes(self, dataset: str) -> bool:
        """Whether the tree of a declared dataset is proposed from texts."""
        source = self.sources[dataset]
        return source.tree is not None or (isinstance(source, GLDv2Source) and source.hierarchy == "proposed")

    def require_tree_from_text(self, dataset: str) -> None:
        """Refuse a dataset whose tree is not proposed from texts.

        Raises:
            CairnError: its tree comes from its labels, or it is not declared.
        """
        self.source(dataset)
        if dataset not in self.tree_from_text:
            raise BadInput(
                f"the tree of {dataset!r} comes from its labels (the stage `taxonomy`), there is nothing to propose or "
                f"to review; trees from texts have: {', '.join(self.tree_from_text)}; `tree: {{from: text}}` under its "
                "source proposes one"
            )

    def source(self, dataset: str) -> Source:
        """The declaration of `dataset`.

        Raises:
            CairnError: `params.yaml` does not declare it.
        """
        if dataset not in self.sources:
            known = ", ".join(sorted(self.sources))
            raise NotFound(
                f"params.yaml: no dataset {dataset!r} under sources{did_you_mean(dataset, self.sources)}; "
                f"declared are: {known}"
            )
        return self.sources[dataset]

    def files_of(self, dataset: str) -> str:
        """The dataset whose files `dataset` is made of: most often itself."""
        source = self.sources[dataset]
        match source:
            case GLDv2Source() | INat2018Source() | CUBSource() | Cars196Source():
                return source.files or dataset
            case _:
                return dataset


def check_scale(scale: str) -> None:
    """Raise CairnError for a scale that there is not."""
    if scale not in SCALES:
        raise BadInput(f"no scale {scale!r}; choose one of {', '.join(SCALES)}")


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        CairnError: the file is missing, is no YAML, or has an unknown key or a wrong value; the message
            names the file and the key.
    """
    try:
        text = read_text(path)
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: run this inside a project; `cairn init` makes one") from error
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
        lines = [_explain(fault, where) for fault in error.errors()]
        raise BadInput("\n".join(dict.fromkeys(lines))) from error


def _explain(fault: Any, where: str) -> str:
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


def _known_keys(model: type[Strict] = Strict) -> list[str]:
    """Every key that some part of `params.yaml` knows."""
    below = [key for part in model.__subclasses__() for key in _known_keys(part)]
    return sorted({*model.model_fields, *below})
