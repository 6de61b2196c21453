"""Checkpoints: everything a killed run needs to go on as if nothing had happened, in one safetensors file each.

Tensors are tensors; all else is JSON in the file's header. No pickle is read or written. A file appears whole or not
at all, and the one before it is kept until the next.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hierarchies import CairnError
from hierarchies.files import atomic_write, remove_leftovers
from training.rng import rng_states, set_rng_states

N_KEPT = 2
FAILED_BATCH = "failed_batch.safetensors"


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        epoch: epochs completed.
        losses: of the steps made in the present epoch.
        curve: step, epoch, mean loss and learning rate, per completed epoch.
    """

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    curve: list[tuple[int, int, float, float]] = field(default_factory=list)


@dataclass
class RunState:
    """All that changes while a run goes on."""

    network: nn.Module
    loss: nn.Module
    optimizers: Sequence[Optimizer]
    schedules: Sequence[LRScheduler]
    generator: torch.Generator
    progress: Progress

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and the rest as JSON values."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"loss.{name}": value for name, value in self.loss.state_dict().items()}
        tensors |= {f"rng.{name}": state for name, state in rng_states().items()}
        tensors["augmentation"] = self.generator.get_state()
        groups = []
        for position, optimizer in enumerate(self.optimizers):
            packed = optimizer.state_dict()
            groups.append(packed["param_groups"])
            for index, values in packed["state"].items():
                for name, value in values.items():
                    if value is not None:
                        tensors[f"optimizer.{position}.{index}.{name}"] = value
        schedules = [schedule.state_dict() for schedule in self.schedules]
        return tensors, {"groups": groups, "schedules": schedules, "progress": asdict(self.progress)}

    def unpack(self, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
        """Take over what `pack` gave."""
        self.network.load_state_dict(_below("network.", tensors))
        self.loss.load_state_dict(_below("loss.", tensors))
        for position, (optimizer, groups) in enumerate(zip(self.optimizers, rest["groups"], strict=True)):
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in _below(f"optimizer.{position}.", tensors).items():
                index, key = name.split(".", 1)
                state.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": state, "param_groups": groups})
        for schedule, packed in zip(self.schedules, rest["schedules"], strict=True):
            schedule.load_state_dict(packed)
        progress = rest["progress"]
        curve = [tuple(row) for row in progress["curve"]]
        self.progress = Progress(progress["epoch"], progress["losses"], curve)
        self.generator.set_state(tensors["augmentation"])
        set_rng_states(_below("rng.", tensors))


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class Checkpoints:
    """A run's checkpoints.

    Attributes:
        folder: where they lie, outside what DVC deletes before a stage runs.
        run: what makes a run the same run: recipe, seed, images. Checkpoints of another run are not read.
    """

    folder: Path
    run: str

    def save(self, step: int, state: RunState) -> None:
        """Write a checkpoint and drop all but the newest `N_KEPT`.

        Raises:
            CairnError: it cannot be written; the earlier ones are still there.
        """
        tensors, rest = state.pack()
        header = {"run": self.run, "state": json.dumps(rest)}
        try:
            with atomic_write(self.folder / f"step_{step:09d}.safetensors") as temporary:
                save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, header)
        except (OSError, SafetensorError) as error:
            kept = [path.name for path in self._files()]
            raise CairnError(
                f"{self.folder}: the checkpoint of step {step} cannot be written: {error}. Free some space and run "
                f"this again: training goes on from {kept[-1] if kept else 'the start'}"
            ) from error
        for path in self._files()[:-N_KEPT]:
            path.unlink()

    def resume(self, state: RunState) -> bool:
        """Take over the newest readable checkpoint of this run, if there is one."""
        remove_leftovers(self.folder, ".*.tmp")
        for path in reversed(self._files()):
            try:
                with safe_open(path, framework="pt") as file:
                    header = file.metadata()
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            except (OSError, SafetensorError) as error:
                print(f"{path}: damaged, the one before is taken: {error}")
                continue
            if not header or header.get("run") != self.run:
                print(f"{path}: of another recipe, seed or dataset; training starts anew")
                return False
            try:
                state.unpack(tensors, json.loads(header["state"]))
            except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                raise CairnError(
                    f"{path}: not a whole checkpoint ({error}): delete {self.folder} and run this again"
                ) from error
            return True
        return False

    def save_batch(self, tensors: Mapping[str, Tensor]) -> Path:
        """Keep the batch that made a run diverge."""
        path = self.folder / FAILED_BATCH
        with atomic_write(path) as temporary:
            save_file({name: value.contiguous() for name, value in tensors.items()}, temporary)
        return path

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step_*.safetensors"))
