"""Steps and epochs sent to TensorBoard, Weights & Biases, MLflow or DVCLive; each is an extra of its own.

A logger opens its run at the first step, so that only the rank that is told of steps opens one.
"""

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from cairnhub.core.errors import BadInput, packages_explained
from cairnhub.core.text import did_you_mean
from cairnhub.training.callbacks import Callback, EpochReport, StepReport

LOGGERS_VARIABLE = "CAIRN_LOGGERS"
"""Environment variable: names of loggers for the train stage, with commas; whoever watches changes no result."""


class _Logger(Callback):
    """Sends `train/loss` and `train/learning_rate` every few steps, `epoch/loss` and `epoch/held_out_h_ap` per epoch.

    Args:
        module: what is imported.
        every: steps from one report to the next.

    Raises:
        NotFound: the package is not installed; the message names the extra.
    """

    def __init__(self, module: str, every: int) -> None:
        if every < 1:
            raise BadInput(f"every must be 1 step or more, got {every}")
        with packages_explained():
            self.module = import_module(module)
        self.every, self.is_open = every, False

    @cached_property
    def run(self) -> Any:
        """What is logged to."""
        self.is_open = True
        return self._open()

    def on_step(self, step: StepReport) -> bool:
        """See `Callback`."""
        if step.step % self.every == 0:
            self._log({"train/loss": step.loss, "train/learning_rate": step.learning_rate}, step.step)
        return False

    def on_epoch(self, epoch: EpochReport) -> bool:
        """See `Callback`."""
        h_ap = math.nan if epoch.held_out_h_ap is None else epoch.held_out_h_ap
        values = {"epoch/loss": epoch.loss, "epoch/held_out_h_ap": h_ap}
        self._log({name: value for name, value in values.items() if not math.isnan(value)}, epoch.step)
        return False

    def on_end(self) -> None:
        """See `Callback`."""
        if self.is_open:
            self._close()

    def _open(self) -> Any:
        raise NotImplementedError

    def _log(self, values: Mapping[str, float], step: int) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


class TensorBoard(_Logger):
    """Event files in a folder (extra `tensorboard`)."""

    def __init__(self, folder: str | Path, every: int = 10) -> None:
        super().__init__("torch.utils.tensorboard", every)
        self.folder = folder

    def _open(self) -> Any:
        return self.module.SummaryWriter(str(self.folder))

    def _log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.run.add_scalar(name, value, step)

    def _close(self) -> None:
        self.run.close()


class WeightsAndBiases(_Logger):
    """A run of Weights & Biases (extra `wandb`); `settings` go to `wandb.init`."""

    def __init__(self, every: int = 10, **settings: Any) -> None:
        super().__init__("wandb", every)
        self.settings = settings

    def _open(self) -> Any:
        return self.module.init(**self.settings)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    def _close(self) -> None:
        self.run.finish()


class MLflow(_Logger):
    """A run of MLflow where its own settings say (extra `mlflow`); `settings` go to `mlflow.start_run`."""

    def __init__(self, every: int = 10, **settings: Any) -> None:
        super().__init__("mlflow", every)
        self.settings = settings

    def _open(self) -> Any:
        return self.module.start_run(**self.settings)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        self.module.log_metrics(dict(values), step=step, run_id=self.run.info.run_id)

    def _close(self) -> None:
        self.module.end_run()


class DVCLive(_Logger):
    """Metrics and plots of DVCLive in a folder (extra `dvclive`); no `dvc.yaml`, report or experiment is made."""

    def __init__(self, folder: str | Path, every: int = 10) -> None:
        super().__init__("dvclive", every)
        self.folder = folder

    def _open(self) -> Any:
        return self.module.Live(str(self.folder), dvcyaml=None, report=None, save_dvc_exp=False)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        self.run.step = step
        for name, value in values.items():
            self.run.log_metric(name, value)
        self.run.make_summary()

    def _close(self) -> None:
        self.run.end()


def _wandb(folder: Path) -> Callback:
    folder.mkdir(parents=True, exist_ok=True)
    return WeightsAndBiases(dir=str(folder))


LOGGERS: dict[str, Callable[[Path], Callback]] = {
    "tensorboard": lambda folder: TensorBoard(folder / "tensorboard"),
    "wandb": _wandb,
    "mlflow": lambda folder: MLflow(),
    "dvclive": lambda folder: DVCLive(folder / "dvclive"),
}


def make_loggers(names: str, folder: Path) -> list[Callback]:
    """Loggers by their names.

    Args:
        names: some of `LOGGERS`, with commas; empty for none.
        folder: where those that write files write them.

    Raises:
        BadInput: no such logger.
        NotFound: its package is not installed.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in LOGGERS:
            raise BadInput(
                f"{LOGGERS_VARIABLE}: no logger {name!r}{did_you_mean(name, LOGGERS)}; there are {', '.join(LOGGERS)}"
            )
    return [LOGGERS[name](folder) for name in wanted]
