"""What turns gradients into new weights: optimisers, schedules, loss scaling, the average of weights."""

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cairnhub.training.distributed import reduce_gradients
from cairnhub.training.models import RetrievalModel
from cairnhub.training.recipes.recipe import Recipe

MOMENTUM = 0.9


class Optimisation:
    """The steps of a run.

    Attributes:
        optimizers: of the network, and of the loss's proxies if it has some.
        schedules: of their learning rates, one each.
        scaler: keeps float16 gradients from vanishing; does nothing in other precisions.
        average: a moving average of the network, where the recipe asks for one.
    """

    def __init__(self, recipe: Recipe, model: RetrievalModel, loss: nn.Module, steps_per_epoch: int) -> None:
        self.model, self.loss = model, loss
        self.optimizers = _optimizers(recipe, model, loss)
        self.schedules = [_schedule(recipe, optimizer, steps_per_epoch) for optimizer in self.optimizers]
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
        """Of the backbone, at the next step."""
        return float(self.schedules[0].get_last_lr()[0])

    def step(self) -> None:
        """Use the gradients that every rank has added, and forget them."""
        reduce_gradients(self.model, self.loss)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.model)

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and the rest as JSON values."""
        tensors: dict[str, Tensor] = {}
        groups = []
        for position, optimizer in enumerate(self.optimizers):
            packed = optimizer.state_dict()
            groups.append(packed["param_groups"])
            for index, values in packed["state"].items():
                for name, value in values.items():
                    if value is not None:
                        tensors[f"optimizer.{position}.{index}.{name}"] = value
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        schedules = [schedule.state_dict() for schedule in self.schedules]
        return tensors, {"groups": groups, "schedules": schedules, "scaler": self.scaler.state_dict()}

    def unpack(self, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
        """Take over what `pack` gave."""
        for position, (optimizer, groups) in enumerate(zip(self.optimizers, rest["groups"], strict=True)):
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in below(f"optimizer.{position}.", tensors).items():
                index, key = name.split(".", 1)
                state.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        for schedule, packed in zip(self.schedules, rest["schedules"], strict=True):
            schedule.load_state_dict(packed)
        self.scaler.load_state_dict(rest["scaler"])
        if self.average is not None:
            self.average.load_state_dict(below("average.", tensors))


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimizers(recipe: Recipe, model: RetrievalModel, loss: nn.Module) -> list[torch.optim.Optimizer]:
    """One for the network, backbone first and head second, and one for the loss's proxies if it has some."""
    settings = recipe.optimizer
    head = [*model.pool.parameters(), *model.head.parameters()]
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in model.backbone.parameters() if weight.requires_grad]},
        {"params": head, "lr": settings.head_factor * settings.learning_rate},
    ]
    rate, decay = settings.learning_rate, settings.weight_decay
    optimizers: list[torch.optim.Optimizer] = [
        _adam(groups, rate, weight_decay=decay)
        if settings.name == "adam"
        else torch.optim.SGD(groups, lr=rate, weight_decay=decay, momentum=MOMENTUM, nesterov=True)
    ]
    proxies = list(loss.parameters())
    return optimizers + ([_adam(proxies, settings.proxy_learning_rate)] if proxies else [])


def _adam(weights: list[Any], rate: float, weight_decay: float = 0.0) -> torch.optim.Adam:
    """In one kernel, whose square roots are the same on every processor, as those of a tensor are not."""
    return torch.optim.Adam(weights, lr=rate, weight_decay=weight_decay, fused=True)


def _schedule(recipe: Recipe, optimizer: torch.optim.Optimizer, n_per_epoch: int) -> LambdaLR:
    """Linear warm-up, then a cosine; the backbone, first of two groups, may rest at first."""
    settings, n_steps = recipe.optimizer, recipe.n_epochs * n_per_epoch

    def factor(step: int) -> float:
        if step < settings.n_warmup_steps:
            return (step + 1) / settings.n_warmup_steps
        progress = (step - settings.n_warmup_steps) / max(1, n_steps - settings.n_warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def rested(step: int) -> float:
        return 0.0 if step < settings.n_frozen_epochs * n_per_epoch else factor(step)

    is_network = len(optimizer.param_groups) == 2
    return LambdaLR(optimizer, [rested, factor] if is_network else factor)
