"""Checkpoints: everything a killed run needs to go on as if nothing had happened, in one safetensors file each.

Tensors are tensors; all else is JSON in the file's header. No pickle is read or written. A file appears whole or not
at all, and the one before it is kept until the next.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cairnhub.core.errors import BrokenData, NoSpace
from cairnhub.core.files import atomic_write, remove_leftovers
from cairnhub.training.optimisation import Optimisation, below
from cairnhub.training.rng import rng_states, set_rng_states
from cairnhub.training.tensor_files import save_tensors

log = logging.getLogger(__name__)

N_KEPT = 2
FAILED_BATCH = "failed_batch.safetensors"


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        epoch: epochs completed.
        step: steps made.
        losses: of the batches of the present epoch.
        curve: step, epoch, mean loss, learning rate and held-out H-AP, if there is one, per completed epoch.
        best_h_ap: the best held-out H-AP so far.
        best_epoch: the epoch that gave it.
    """

    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    curve: list[tuple[int, int, float, float, float | None]] = field(default_factory=list)
    best_h_ap: float = -1.0
    best_epoch: int = 0


@dataclass
class RunState:
    """All that changes while a run goes on.

    Attributes:
        optimisation: with the network and the loss that it changes.
        generator: of the random views.
        progress: how far the run has come.
        best: weights of the best epoch, where some images are held out to tell.
    """

    optimisation: Optimisation
    generator: torch.Generator
    progress: Progress = field(default_factory=Progress)
    best: dict[str, Tensor] = field(default_factory=dict)

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and the rest as JSON values."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "network": self.optimisation.model.state_dict(),
            "loss": self.optimisation.loss.state_dict(),
            "rng": rng_states(),
            "best": self.best,
        }
        tensors = {
            f"{part}.{name}": value for part, of_part in parts.items() for name, value in of_part.items()
        }
        tensors["augmentation"] = self.generator.get_state()
        more, rest = self.optimisation.pack()
        return tensors | more, {**rest, "progress": asdict(self.progress)}

    def unpack(self, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
        """Take over what `pack` gave."""
        self.optimisation.model.load_state_dict(below("network.", tensors))
        self.optimisation.loss.load_state_dict(below("loss.", tensors))
        self.optimisation.unpack(tensors, rest)
        curve = [tuple(row) for row in rest["progress"]["curve"]]
        self.progress = Progress(**{**rest["progress"], "curve": curve})
        self.best = below("best.", tensors)
        self.generator.set_state(tensors["augmentation"])
        set_rng_states(below("rng.", tensors))


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
                save_tensors(temporary, tensors, header)
        except (OSError, SafetensorError) as error:
            saved = [path.name for path in self._files()]
            raise NoSpace(
                f"{self.folder}: the checkpoint of step {step} cannot be written: {error}. Free some space and run "
                f"this again: training goes on from {saved[-1] if saved else 'the start'}"
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
                log.warning(f"{path}: damaged, the one before is taken: {error}")
                continue
            if not header or header.get("run") != self.run:
                log.warning(f"{path}: of another recipe, seed or dataset; training starts anew")
                return False
            try:
                state.unpack(tensors, json.loads(header["state"]))
            except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                raise BrokenData(
                    f"{path}: not a whole checkpoint ({error}): delete {self.folder} and run this again"
                ) from error
            return True
        return False

    def save_batch(self, tensors: Mapping[str, Tensor]) -> str:
        """Keep the batch that made a run diverge; says where it is, or why it is not."""
        path = self.folder / FAILED_BATCH
        try:
            with atomic_write(path) as temporary:
                save_tensors(temporary, tensors)
        except (OSError, SafetensorError) as error:
            return f"its batch cannot be kept: {error}"
        return f"its batch is in {path}"

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step_*.safetensors"))
