"""Who watches a run: told of each step and epoch, and may end it; what is trained does not depend on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cairnhub.core.files import write_text_atomic
from cairnhub.training.distributed import from_first_rank, ranks

CurveRow = tuple[int, int, float, float, float | None]
_CURVE = ["step", "epoch", "loss", "learning_rate", "held_out_h_ap"]


def curve_table(rows: Sequence[CurveRow]) -> pd.DataFrame:
    """The loss curve, one row per epoch; `held_out_h_ap` is a column where images are held out."""
    return pd.DataFrame(rows, columns=_CURVE).dropna(axis="columns", how="all")


@dataclass(frozen=True)
class StepReport:
    """One step.

    Attributes:
        step: steps made, from 1.
        epoch: epochs completed.
        loss: mean over the step's batches.
        learning_rate: of the next step.
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class EpochReport:
    """One epoch.

    Attributes:
        step: steps made.
        epoch: epochs completed, from 1.
        loss: mean over the epoch's batches.
        learning_rate: of the next step.
        held_out_h_ap: H-AP of what is held out, 0..1; None where nothing is.
        curve: of all epochs so far, as `TrainingResult.curve`.
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float
    held_out_h_ap: float | None
    curve: pd.DataFrame

    def shown(self) -> dict[str, object]:
        """What a progress bar shows of it."""
        values: dict[str, object] = {"epoch": self.epoch, "loss": f"{self.loss:.3f}"}
        if self.held_out_h_ap is not None:
            values["held_out_h_ap"] = f"{self.held_out_h_ap:.3f}"
        return values


class Callback:
    """Base of what `train(..., callbacks=[...])` takes: override what you need.

    With several ranks each is called on the first one only; all ranks must be given as many. A run that goes on from a
    checkpoint tells of the steps that it still makes. Draw no random numbers of torch's global generator here: networks
    with dropout draw theirs from it.

    Example:
        >>> from cairnhub.training.callbacks import Callback
        >>> class UntilGood(Callback):
        ...     def on_epoch(self, epoch):
        ...         return epoch.held_out_h_ap is not None and epoch.held_out_h_ap > 0.9
    """

    def on_step(self, step: StepReport) -> bool:
        """Called after each step; True ends training. An epoch that is not complete gets no row in the curve."""
        return False

    def on_epoch(self, epoch: EpochReport) -> bool:
        """Called after each epoch; True ends training."""
        return False

    def on_end(self) -> None:
        """Called once at the end, also where training fails."""


class CurveFile(Callback):
    """Writes the curve as CSV after each epoch, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_epoch(self, epoch: EpochReport) -> bool:
        """See `Callback`."""
        write_text_atomic(self.path, epoch.curve.to_csv(index=False))
        return False


class Watchers:
    """The callbacks of a run as one; their wish to stop counts on all ranks."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks, self.is_first = tuple(callbacks), ranks().rank == 0

    def on_step(self, step: StepReport) -> bool:
        """Whether some callback ends training; all are told."""
        return self._shared([each.on_step(step) for each in self.callbacks if self.is_first])

    def on_epoch(self, epoch: EpochReport) -> bool:
        """Likewise."""
        return self._shared([each.on_epoch(epoch) for each in self.callbacks if self.is_first])

    def on_end(self) -> None:
        """Tell all that it is over."""
        for each in self.callbacks if self.is_first else ():
            each.on_end()

    def _shared(self, wishes: Sequence[bool | None]) -> bool:
        return bool(self.callbacks) and bool(from_first_rank(float(any(wishes))))
