"""What turns gradients into new weights: optimisers, learning rates, loss scaling, the average of weights."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cairnhub.training.distributed import reduce_gradients
from cairnhub.training.freezing import depths_of
from cairnhub.training.models import RetrievalModel
from cairnhub.training.recipes.recipe import Recipe
from cairnhub.training.recipes.settings import Weights
from cairnhub.training.schedules import rate_factor

SHARE = "share"
"""Of a group of weights: its part of the learning rate."""


class Optimisation:
    """The steps of a run.

    Attributes:
        optimizers: of the backbone, of the head if it learns, and of the loss's proxies if it has some.
        scaler: keeps float16 gradients from vanishing; does nothing in other precisions.
        average: a moving average of the network, where the recipe asks for one.
    """

    def __init__(self, recipe: Recipe, model: RetrievalModel, loss: nn.Module, steps_per_epoch: int) -> None:
        self.model, self.loss, self.settings = model, loss, recipe.optimizer
        self.n_epochs, self.n_steps = recipe.n_epochs, recipe.n_epochs * steps_per_epoch
        self.optimizers = _optimizers(recipe, model, loss)
        self.step_number = self.epoch = 0
        self.go_to(0, 0)
        device = next(model.parameters()).device
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
        decay = recipe.optimizer.average_decay
        self.average: AveragedModel | None = None
        if decay is not None:
            average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(model, multi_avg_fn=average, use_buffers=True)

    @property
    def final_model(self) -> RetrievalModel:
        """The network to evaluate and keep."""
        return self.model if self.average is None else cast(RetrievalModel, self.average.module)

    @property
    def learning_rate(self) -> float:
        """Of the backbone, at the next step, 0 while it rests; of the head where the backbone is frozen for good."""
        rests = self.epoch < self.settings.n_frozen_epochs
        first = self.optimizers.get("backbone", self.optimizers["head"])
        return 0.0 if rests else float(first.param_groups[0]["lr"])

    def go_to(self, step: int, epoch: int) -> None:
        """Set the learning rates for the step that comes after so many, in the epoch after so many."""
        self.step_number, self.epoch = step, epoch
        for name, optimizer in self.optimizers.items():
            weights: Weights = getattr(self.settings, name)
            factor = rate_factor(self.settings, weights, step, epoch, self.n_steps, self.n_epochs)
            for group in optimizer.param_groups:
                group["lr"] = weights.learning_rate * group.get(SHARE, 1.0) * factor

    def step(self) -> None:
        """Use the gradients that every rank has added, and forget them."""
        reduce_gradients(self.model, self.loss)
        if self.settings.clip_norm is not None:
            for optimizer in self.optimizers.values():
                self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        for name, optimizer in self.optimizers.items():
            if name != "backbone" or self.epoch >= self.settings.n_frozen_epochs:
                self.scaler.step(optimizer)
        self.scaler.update()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        self.go_to(self.step_number + 1, self.epoch)
        if self.average is not None:
            self.average.update_parameters(self.model)

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and the rest as JSON values."""
        tensors: dict[str, Tensor] = {}
        groups = {}
        for weights, optimizer in self.optimizers.items():
            packed = optimizer.state_dict()
            groups[weights] = packed["param_groups"]
            for index, values in packed["state"].items():
                for name, value in values.items():
                    if value is not None:
                        tensors[f"optimizer.{weights}.{index}.{name}"] = value
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        place = {"step": self.step_number, "epoch": self.epoch}
        return tensors, {"groups": groups, "place": place, "scaler": self.scaler.state_dict()}

    def unpack(self, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
        """Take over what `pack` gave."""
        for weights, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in below(f"optimizer.{weights}.", tensors).items():
                index, key = name.split(".", 1)
                state.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": state, "param_groups": rest["groups"][weights]})
            _lay_out(optimizer)
        self.go_to(rest["place"]["step"], rest["place"]["epoch"])
        self.scaler.load_state_dict(rest["scaler"])
        if self.average is not None:
            self.average.load_state_dict(below("average.", tensors))


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Lay moments out as their weights are, whatever the file's order: kernels round by the layout."""
    for weight, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                moments[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimizers(recipe: Recipe, model: RetrievalModel, loss: nn.Module) -> dict[str, torch.optim.Optimizer]:
    """One for each of the backbone, the head and the loss's proxies that has weights to learn."""
    settings = recipe.optimizer
    learning = {
        "backbone": (settings.backbone, model.backbone.parameters()),
        "head": (settings.head, [*model.pool.parameters(), *model.head.parameters()]),
        "proxies": (settings.proxies, loss.parameters()),
    }
    free = {
        name: (weights, [parameter for parameter in parameters if parameter.requires_grad])
        for name, (weights, parameters) in learning.items()
    }
    made = {name: _optimizer(*learned) for name, learned in free.items() if learned[1]}
    if settings.layer_decay < 1 and "backbone" in made:
        groups = _by_depth(model, free["backbone"][1], settings.layer_decay)
        made["backbone"] = _optimizer(settings.backbone, groups)
    return made


def _by_depth(model: RetrievalModel, learning: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """A group for each depth, the last block's first: its learning rate is the one that is shown."""
    depths = depths_of(model.backbone)
    deepest = max(depths.values())
    return [
        {"params": parameters, SHARE: decay ** (deepest - depth)}
        for depth in range(deepest, -1, -1)
        if (parameters := [weight for weight in learning if depths[id(weight)] == depth])
    ]


def _optimizer(
    weights: Weights, parameters: list[nn.Parameter] | list[dict[str, Any]]
) -> torch.optim.Optimizer:
    rate, decay = weights.learning_rate, weights.weight_decay
    if weights.name == "sgd":
        return torch.optim.SGD(
            parameters, lr=rate, weight_decay=decay, momentum=weights.momentum, nesterov=weights.nesterov
        )
    kind = torch.optim.Adam if weights.name == "adam" else torch.optim.AdamW
    # In one kernel, whose square roots are the same on every processor, as those of a tensor are not.
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)
