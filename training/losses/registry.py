"""Every loss by name, and the settings that a recipe may give it.

A recipe names weighted terms, `{SupHAP: {weight: 0.9, alpha: 2}, Cluster: {weight: 0.1}}`, or a preset, `HAPPIER`. A
term of one level may name several, `{Cluster: {levels: every}}`: it is the mean over them. What else a term may be
given is what its class may be given: settings are read off the constructor, so that a loss of your own is its module
and its name here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from inspect import Parameter, signature
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_type_hints

import torch
from pydantic import BeforeValidator, create_model, model_validator
from torch import Tensor, nn

from cairnhub.core.errors import NotFound
from cairnhub.core.text import did_you_mean
from cairnhub.training.losses.binned_ap import SoftBinAP
from cairnhub.training.losses.blackbox_ap import BlackBoxAP
from cairnhub.training.losses.calibration import Calibration
from cairnhub.training.losses.cluster import Cluster
from cairnhub.training.losses.combined import Combined
from cairnhub.training.losses.contrastive import Contrastive
from cairnhub.training.losses.cross_level_softmax import CrossLevelSoftmax
from cairnhub.training.losses.inputs import check_level
from cairnhub.training.losses.metric_learning import ArcFace, FastAP, ProxyNCA, Triplet
from cairnhub.training.losses.presets import PRESETS
from cairnhub.training.losses.rank_losses import (
    PAPERS_STEP,
    SmoothAP,
    SmoothHAP,
    SmoothNDCG,
    SmoothRecall,
    SupAP,
    SupHAP,
    SupNDCG,
    SupRecall,
)
from cairnhub.training.losses.surrogates import Sigmoid, Step, SupStep
from cairnhub.training.strict import Strict

T = TypeVar("T", bound=type)


def _by_name(*classes: T) -> Mapping[str, T]:
    return {made.__name__: made for made in classes}


_RANK_LOSSES = (SmoothAP, SmoothHAP, SmoothNDCG, SmoothRecall, SupAP, SupRecall, SupHAP, SupNDCG)
_OTHER_AP = (BlackBoxAP, SoftBinAP, FastAP)
_PAIRS = (Calibration, Contrastive, Triplet)
_PROXIES = (Cluster, CrossLevelSoftmax, ProxyNCA, ArcFace)
LOSSES: Mapping[str, type[nn.Module]] = _by_name(*_RANK_LOSSES, *_OTHER_AP, *_PAIRS, *_PROXIES)
STEPS: Mapping[str, type[Step]] = _by_name(SupStep, Sigmoid)
NO_SETTINGS = ("n_classes", "class_labels", "dim", "reduction")  # what the images and the loop decide


class Settings(Strict):
    """What a class is made of: the subclass that `_settings_of` makes has its constructor's arguments as fields."""

    made: ClassVar[Any]

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments."""
        accepted = signature(self.made).parameters
        return {name: getattr(self, name) for name in type(self).model_fields if name in accepted}


class Term(Settings):
    """One loss of a sum."""

    weight: float = 1.0
    levels: tuple[int, ...] | Literal["every"] | None = None
    """Columns of the labels, the mean over which is the term; by default the one that `level` names."""

    def make(self, class_labels: Tensor, dim: int, step: Step) -> nn.Module:
        """The loss; `step` is for a term that takes one and names none of its own."""
        arguments = self.arguments()
        if "step" in arguments and arguments["step"] is None:
            arguments["step"] = step
        if self.levels is None:
            return self._one(arguments, class_labels, dim)
        levels = range(class_labels.shape[1]) if self.levels == "every" else self.levels
        losses = [self._one(arguments | {"level": level}, class_labels, dim) for level in levels]
        return Combined(losses, [1 / len(losses)] * len(losses))

    def _one(self, arguments: dict[str, Any], class_labels: Tensor, dim: int) -> nn.Module:
        level = arguments.get("level", 0)
        check_level(level, class_labels.shape[1])
        of_the_images = {
            "n_classes": int(class_labels[:, level].max()) + 1,
            "class_labels": class_labels,
            "dim": dim,
        }
        accepted = signature(self.made).parameters
        given = {name: value for name, value in of_the_images.items() if name in accepted}
        loss: nn.Module = self.made(**arguments, **given)
        return loss

    @model_validator(mode="after")
    def _can_be_made(self) -> Term:
        takes_a_level = "level" in type(self).model_fields
        if self.levels is not None and not takes_a_level:
            raise ValueError(f"{self.made.__name__} is of all levels at once: leave out levels")
        if self.levels is not None and "level" in self.model_fields_set:
            raise ValueError("level and levels exclude each other: give one")
        named = (0,) if self.levels == "every" else self.levels or (getattr(self, "level", 0),)
        if self.levels == () or min(named) < 0:
            raise ValueError(f"levels must be 0 or above, and one at least, got {named}")
        classes = torch.zeros(1, max(named) + 1, dtype=torch.long)
        with (
            suppress(NotFound),
            torch.device("meta"),
        ):  # no memory, no random numbers: only the constructor's checks
            self.make(classes, 1, PAPERS_STEP)  # an optional package is asked for when training begins
        return self


class Loss(Strict):
    """A weighted sum of losses; the one subclass has a field per name in `LOSSES`.

    Terms stand in the registry's order, however a recipe orders them: the sum is the same to the last bit.
    """

    @property
    def terms(self) -> dict[str, Term]:
        """The terms by name."""
        every = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: term for name, term in every.items() if term is not None}

    @property
    def takes_references(self) -> bool:
        """Whether some term holds a batch against other items, such as those of a memory."""
        return any(getattr(term.made, "takes_references", True) for term in self.terms.values())

    def make(self, class_labels: Tensor, dim: int, step: Step = PAPERS_STEP) -> Combined:
        """The loss.

        Args:
            class_labels: labels of every finest class, (n_classes, L), numbered from 0 at every level; row c has c in
                column 0.
            dim: d of the embeddings.
            step: of every term that takes one and names none of its own.

        Returns:
            A weighted sum of losses; class proxies, where it has some, are its parameters.

        Raises:
            CairnError: a term names a level that the labels do not have, or needs a package that is not installed.
        """
        terms = self.terms.values()
        return Combined(
            [term.make(class_labels, dim, step) for term in terms], [term.weight for term in terms]
        )

    @model_validator(mode="after")
    def _has_a_term(self) -> Loss:
        if not self.terms:
            raise ValueError(f"names no term; there are: {', '.join(LOSSES)}")
        return self


def read_step(raw: object) -> object:
    """A step from its settings, of which `name` tells whose they are; `SupStep` by default.

    Raises:
        ValueError: an unknown name, key or value.
    """
    if not isinstance(raw, Mapping):
        return raw
    name = str(raw.get("name", "SupStep"))
    if name not in STEPS:
        raise ValueError(f"no step is called {name!r}{_near(name, STEPS)}")
    settings = _STEP_SETTINGS[name].model_validate({key: raw[key] for key in raw if key != "name"})
    return settings.made(**settings.arguments())


def read_loss(raw: object) -> Loss:
    """A `Loss` from a preset's name or from weighted terms.

    Raises:
        ValueError: an unknown preset, term or setting, or a value out of range.
    """
    if isinstance(raw, str):
        if raw not in PRESETS:
            raise ValueError(f"no preset is called {raw!r}{_near(raw, PRESETS)}; or name weighted terms")
        raw = PRESETS[raw].settings
    loss: Loss = raw if isinstance(raw, Loss) else _AnyLoss.model_validate(raw)
    return loss


def _near(name: str, known: Mapping[str, object]) -> str:
    return f"{did_you_mean(name, known)}; there are: {', '.join(known)}"


StepSettings = Annotated[Step, BeforeValidator(read_step)]


def _settings_of(made: Any, base: type[Settings]) -> Any:
    """The model of a class's settings."""
    hints = get_type_hints(made.__init__)
    fields: dict[str, Any] = {
        name: (hints[name], ... if argument.default is Parameter.empty else argument.default)
        for name, argument in signature(made).parameters.items()
        if name not in NO_SETTINGS
    }
    if "step" in fields:
        fields["step"] = (StepSettings | None, None)
    model: Any = create_model(f"{made.__name__}Settings", __base__=base, **fields)
    model.made = made
    return model


_STEP_SETTINGS = {name: _settings_of(step, Settings) for name, step in STEPS.items()}
_TERM_SETTINGS: Any = {name: (_settings_of(loss, Term), None) for name, loss in LOSSES.items()}
_AnyLoss = create_model("AnyLoss", __base__=Loss, **_TERM_SETTINGS)
