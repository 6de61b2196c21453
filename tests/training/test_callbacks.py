"""Callbacks see every step and epoch, may stop a run, and change nothing else; loggers write what they see."""

import csv
import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.training.callbacks import Callback, CurveFile, EpochReport, StepReport
from cairnhub.training.grad_cache import NonFinite
from cairnhub.training.loggers import LOGGERS, DVCLive, MLflow, TensorBoard, WeightsAndBiases, make_loggers
from cairnhub.training.loop import train
from tests.training.tiny import TinyImages, recipe

HELD_OUT = {
    "validation": {"share": 0.4, "patience": 5},
    "batch": {"size": 6, "images_per_class": 2},
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


class Recorder(Callback):
    """Keeps what it is told; stops where it is asked to."""

    def __init__(self, stop_at_step: int = 0, stop_at_epoch: int = 0) -> None:
        self.steps: list[StepReport] = []
        self.epochs: list[EpochReport] = []
        self.n_ends, self.stop_at_step, self.stop_at_epoch = 0, stop_at_step, stop_at_epoch

    def on_step(self, step: StepReport) -> bool:
        self.steps.append(step)
        return step.step == self.stop_at_step

    def on_epoch(self, epoch: EpochReport) -> bool:
        self.epochs.append(epoch)
        return epoch.epoch == self.stop_at_epoch

    def on_end(self) -> None:
        self.n_ends += 1


def weights(trained) -> dict[str, torch.Tensor]:
    return trained.model.state_dict()


def assert_same(first, second) -> None:
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.mark.parametrize("changes", [{}, HELD_OUT], ids=["plain", "held out"])
def test_callbacks_see_all_and_change_nothing(tmp_path: Path, changes: dict):
    seen = Recorder()
    plain = train(recipe(**changes), TinyImages(), 0, 0)
    watched = train(recipe(**changes), TinyImages(), 0, 0, callbacks=[seen, CurveFile(tmp_path / "loss.csv")])
    assert_same(weights(plain), weights(watched))
    assert plain.curve.equals(watched.curve)
    assert [step.step for step in seen.steps] == list(range(1, len(seen.steps) + 1))
    assert [epoch.epoch for epoch in seen.epochs] == list(watched.curve["epoch"])
    assert [epoch.loss for epoch in seen.epochs] == list(watched.curve["loss"])
    first = [step.loss for step in seen.steps if step.epoch == 0]
    assert sum(first) / len(first) == pytest.approx(seen.epochs[0].loss, abs=1e-6)
    if changes:
        assert [epoch.held_out_h_ap for epoch in seen.epochs] == list(watched.curve["held_out_h_ap"])
    assert (tmp_path / "loss.csv").read_text() == watched.curve.to_csv(index=False)
    assert seen.n_ends == 1


def test_the_loss_of_a_step_is_the_mean_of_what_it_accumulates():
    seen = Recorder()
    batch = {"size": 8, "images_per_class": 2, "n_accumulated": 3}
    curve = train(recipe(batch=batch, n_epochs=1), TinyImages(), 0, 0, callbacks=[seen]).curve
    each = Recorder()
    train(recipe(n_epochs=1), TinyImages(), 0, 0, callbacks=[each])
    n = len(each.steps)
    assert len(seen.steps) == -(-n // 3)
    assert seen.steps[0].loss != each.steps[0].loss
    of_batches = [seen.steps[0].loss * 3, *[step.loss * min(3, n - 3) for step in seen.steps[1:]]]
    assert sum(of_batches) / n == pytest.approx(curve["loss"][0], abs=1e-6)


def test_the_curve_is_there_while_training_runs(tmp_path: Path):
    lengths = []

    class Reader(Callback):
        def on_epoch(self, epoch: EpochReport) -> bool:
            lengths.append(len(pd.read_csv(tmp_path / "loss.csv")))
            return False

    train(recipe(), TinyImages(), 0, 0, callbacks=[CurveFile(tmp_path / "loss.csv"), Reader()])
    assert lengths == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("stop", "n_steps", "n_epochs"),
    [({"stop_at_step": 6}, 6, 1), ({"stop_at_step": 8}, 8, 2), ({"stop_at_epoch": 3}, 12, 3)],
)
def test_a_callback_may_stop_and_all_are_told(stop: dict, n_steps: int, n_epochs: int):
    asks, other = Recorder(**stop), Recorder()
    trained = train(recipe(), TinyImages(), 0, 0, callbacks=[asks, other])
    assert len(asks.steps) == len(other.steps) == n_steps
    assert len(trained.curve) == n_epochs
    assert other.n_ends == 1
    assert not trained.model.training


def test_a_resumed_run_tells_of_what_is_left(tmp_path: Path):
    first, rest, whole = Recorder(), Recorder(), Recorder()
    train(recipe(), TinyImages(), 0, 0, callbacks=[whole])
    with pytest.raises(InterruptedError):
        train(recipe(), TinyImages(5 * 8 + 3), 0, 0, tmp_path, save_every_s=0, callbacks=[first])
    assert first.n_ends == 1
    train(recipe(), TinyImages(), 0, 0, tmp_path, save_every_s=0, callbacks=[rest])
    assert first.steps + rest.steps == whole.steps
    assert rest.epochs[-1].curve.equals(whole.epochs[-1].curve)


def test_the_end_is_told_where_training_fails():
    seen = Recorder()
    with pytest.raises(NonFinite):
        train(
            recipe(optimizer={"backbone": {"name": "sgd", "learning_rate": 1e30}}),
            TinyImages(),
            0,
            0,
            callbacks=[seen],
        )
    assert seen.n_ends == 1


def logged(callback: Callback) -> pd.DataFrame:
    """The curve of a run with held-out images that a logger has watched."""
    trained = train(recipe(**HELD_OUT), TinyImages(), 0, 0, callbacks=[callback])
    assert_same(weights(trained), weights(train(recipe(**HELD_OUT), TinyImages(), 0, 0)))
    return trained.curve


def test_tensorboard_holds_the_curve(tmp_path: Path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: the extra `tensorboard`")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curve = logged(TensorBoard(tmp_path, every=1))
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [event.value for event in events.Scalars("epoch/loss")] == pytest.approx(list(curve["loss"]))
    assert [event.step for event in events.Scalars("epoch/held_out_h_ap")] == list(curve["step"])
    assert len(events.Scalars("train/loss")) == curve["step"].iloc[-1]


def test_dvclive_holds_the_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("dvclive", reason="dvclive is not installed: the extra `dvclive`")
    monkeypatch.chdir(tmp_path)
    curve = logged(DVCLive(tmp_path / "live", every=1))
    with (tmp_path / "live/plots/metrics/epoch/loss.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [float(row["loss"]) for row in rows] == pytest.approx(list(curve["loss"]))
    assert [int(row["step"]) for row in rows] == list(curve["step"])
    summary = json.loads((tmp_path / "live/metrics.json").read_text())
    assert summary["epoch"]["held_out_h_ap"] == pytest.approx(curve["held_out_h_ap"].iloc[-1])
    assert not (tmp_path / "dvc.yaml").exists()


def test_mlflow_holds_the_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: the extra `mlflow`")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    curve = logged(MLflow(every=1, run_name="tiny"))
    client = mlflow.tracking.MlflowClient()
    (run,) = client.search_runs(["0"])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "epoch/loss")
    assert [(each.step, each.value) for each in history] == list(
        zip(curve["step"], curve["loss"], strict=True)
    )


def test_weights_and_biases_holds_the_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb", reason="wandb is not installed: the extra `wandb`")
    monkeypatch.setenv("WANDB_SILENT", "true")
    curve = logged(WeightsAndBiases(every=1, dir=str(tmp_path), mode="offline", project="tiny"))
    (run,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    written = run.read_bytes()  # records of names and of values as JSON
    assert written.count(b"epoch/held_out_h_ap") >= len(curve)
    for name in ("loss", "held_out_h_ap"):
        assert [value for value in curve[name] if str(value).encode() not in written] == []


def test_loggers_are_made_by_name_and_a_missing_package_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert make_loggers("", tmp_path) == []
    with pytest.raises(BadInput, match="no logger 'tensorbord'; did you mean 'tensorboard'"):
        make_loggers("tensorbord", tmp_path)
    for name, module in (("dvclive", "dvclive"), ("wandb", "wandb"), ("mlflow", "mlflow")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(NotFound, match=f"{name}.* is missing"):
            make_loggers(name, tmp_path)
    assert set(LOGGERS) == {"tensorboard", "wandb", "mlflow", "dvclive"}
