"""Training: killed runs, diverging runs, chunks, full disks."""

import random
import resource
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from cairnhub.core.errors import CairnError
from cairnhub.training.loop import Training, fingerprint, train
from cairnhub.training.models import ModelDescription, save_model
from tests.project import ROOT
from tests.training.tiny import N_EPOCHS, TinyImages, optimizer, recipe

STEPS_PER_EPOCH = 4  # of the tiny run: 6 classes, 4 a batch, twice


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


def weights(trained):
    return trained.model.state_dict()


def assert_same(first, second):
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_training_learns_and_does_not_depend_on_workers():
    first = train(recipe(n_epochs=8), TinyImages(), 0, 0)
    assert first.curve["loss"].iloc[-1] < 0.7 * first.curve["loss"].iloc[0]
    again = train(recipe(n_epochs=8), TinyImages(), 0, 2)
    assert_same(weights(first), weights(again))
    assert first.curve.equals(again.curve)


class ToCentres(nn.Module):
    """Somebody's own loss: squared distances to learned centres of the coarse classes."""

    def __init__(self) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(3, 8))

    def forward(self, embeddings, labels):
        assert labels.shape == (len(embeddings), 2)
        return (embeddings - self.centres[labels[:, 1]]).square().sum(1).mean()


def test_any_module_may_be_the_loss():
    loss = ToCentres()
    first = train(recipe(), TinyImages(), 0, 0, loss=loss)
    assert first.curve["loss"].iloc[-1] < 0.7 * first.curve["loss"].iloc[0]
    assert loss.centres.abs().min() > 0
    assert fingerprint(recipe(), TinyImages(), 0, loss=loss) != fingerprint(recipe(), TinyImages(), 0)
    training = Training(recipe(batch={"size": 8, "images_per_class": 2}), TinyImages(), 0, 0, loss)
    assert training.loss is loss


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": optimizer(0.05, 0.1, "sgd", head={"learning_rate": 0.1})},
        {"loss": "SupAP"},
    ],
    ids=["adam", "sgd", "no proxies"],
)
@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_an_interrupted_run_goes_on_bit_by_bit(tmp_path, changes, n_steps):
    whole = train(recipe(**changes), TinyImages(), 0, 0)
    fails_at = n_steps * 8 + 3
    with pytest.raises(InterruptedError):
        train(recipe(**changes), TinyImages(fails_at), 0, 0, tmp_path, save_every_s=0)
    images = TinyImages()
    resumed = train(recipe(**changes), images, 0, 0, tmp_path, save_every_s=0)
    assert images.n_read == (4 * STEPS_PER_EPOCH - n_steps) * 8
    assert_same(weights(whole), weights(resumed))
    assert whole.curve.equals(resumed.curve)


OPTIONS = {
    "average": {"optimizer": recipe().optimizer.model_dump() | {"average_decay": 0.9}},
    "memory": {"batch": {"size": 8, "images_per_class": 2, "memory": 20}},
    "accumulated": {"batch": {"size": 8, "images_per_class": 2, "n_accumulated": 3}},
    "validation": {
        "validation": {"share": 0.3, "patience": 2},
        "batch": {"size": 8, "images_per_class": 2},
        "n_epochs": 6,
    },
    "float16": {"precision": "float16"},
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("n_images", [44, 91])
def test_an_interrupted_run_goes_on_with_every_option(tmp_path, option, n_images):
    changed = recipe(**OPTIONS[option])
    whole = train(changed, TinyImages(), 0, 0)
    assert not torch.equal(
        weights(whole)["head.1.weight"], weights(train(recipe(), TinyImages(), 0, 0))["head.1.weight"]
    )
    with pytest.raises(InterruptedError):
        train(changed, TinyImages(n_images), 0, 0, tmp_path, save_every_s=0)
    images = TinyImages()
    resumed = train(changed, images, 0, 0, tmp_path, save_every_s=0)
    assert_same(weights(whole), weights(resumed))
    assert whole.curve.equals(resumed.curve)


def gradients_of_steps(n_accumulated: int) -> list[torch.Tensor]:
    """What the steps of an epoch would use, were they made."""
    batch = {"size": 8, "images_per_class": 2, "n_accumulated": n_accumulated}
    network = recipe().network.model_dump() | {"frozen_batch_norm": True}
    training = Training(recipe(n_epochs=1, network=network, batch=batch), TinyImages(), 0, 0)
    kept = []

    def step():
        kept.append(training.model.head[1].weight.grad.clone())
        training.model.zero_grad(set_to_none=True)

    training.optimisation.step = step
    training.run(None, 60)
    return kept


def test_accumulated_batches_make_one_step_of_their_mean_gradient():
    alone, accumulated = torch.stack(gradients_of_steps(1)), gradients_of_steps(3)
    assert len(accumulated) == 2  # of three batches, and of the one that is left
    torch.testing.assert_close(accumulated[0], alone[:3].mean(0))
    torch.testing.assert_close(accumulated[1], alone[3])


def test_the_average_follows_the_weights():
    decay, kept = 0.5, []

    changed = {"optimizer": recipe().optimizer.model_dump() | {"average_decay": decay}, "n_epochs": 1}
    training = Training(recipe(**changed), TinyImages(), 0, 0)
    step = training.optimisation.step

    def watched_step():
        step()
        kept.append(training.model.head[1].weight.detach().clone())

    training.optimisation.step = watched_step
    training.run(None, 60)
    expected = kept[0]
    for weight in kept[1:]:
        expected = decay * expected + (1 - decay) * weight
    torch.testing.assert_close(training.optimisation.final_model.head[1].weight, expected)


@pytest.mark.long
def test_a_run_killed_at_random_moments_ends_with_the_same_weights(tmp_path):
    command = [sys.executable, "-m", "tests.training.tiny", str(tmp_path / "steps"), str(tmp_path / "end")]
    chance, n_kills = random.Random(0), 0
    while n_kills < 2:
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        aim = newest_step(tmp_path / "steps") + chance.randint(1, 12)
        while process.poll() is None and newest_step(tmp_path / "steps") < aim:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)  # between two checkpoints, or while one is written
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        n_kills += 1
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    whole = train(recipe(n_epochs=N_EPOCHS), TinyImages(), 0, 0)
    assert_same(weights(whole), load_file(tmp_path / "end"))
    with safe_open(tmp_path / "end", "pt") as file:
        assert file.metadata()["curve"] == whole.curve.to_csv(index=False)


def newest_step(folder) -> int:
    return max((int(path.stem.split("_")[1]) for path in folder.glob("step_*.safetensors")), default=0)


def interrupted(folder, n_steps: int = 3):
    with pytest.raises(InterruptedError):
        train(recipe(), TinyImages(n_steps * 8 + 1), 0, 0, folder, save_every_s=0)


def test_checkpoints_are_rotated_and_a_damaged_one_is_passed_over(tmp_path, caplog):
    interrupted(tmp_path)
    files = sorted(tmp_path.glob("*"))
    assert [path.name for path in files] == ["step_000000002.safetensors", "step_000000003.safetensors"]
    files[-1].write_bytes(files[-1].read_bytes()[:-100])
    (tmp_path / ".step_000000004.safetensors.1.tmp").write_bytes(b"half")
    resumed = train(recipe(), TinyImages(), 0, 0, tmp_path)
    assert "damaged, the one before is taken" in caplog.text
    assert not list(tmp_path.glob(".*"))
    assert_same(weights(resumed), weights(train(recipe(), TinyImages(), 0, 0)))


def test_another_run_does_not_take_the_checkpoints(tmp_path, caplog):
    interrupted(tmp_path)
    other = train(recipe(), TinyImages(), 1, 0, tmp_path)
    assert "of another recipe, seed or dataset" in caplog.text
    assert_same(weights(other), weights(train(recipe(), TinyImages(), 1, 0)))


def test_no_pickle_is_in_a_checkpoint(tmp_path):
    interrupted(tmp_path)
    with safe_open(next(tmp_path.glob("step_*")), "pt") as file:
        names = {name.split(".")[0] for name in file.keys()}  # noqa: SIM118
    assert names == {"network", "loss", "optimizer", "rng", "augmentation"}


def test_a_full_disk_is_named_and_the_earlier_checkpoint_stays(tmp_path):
    interrupted(tmp_path)
    before = sorted(tmp_path.glob("*"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(CairnError, match=r"step 4 cannot be written.*goes on from step_000000003"):
            train(recipe(), TinyImages(), 0, 0, tmp_path, save_every_s=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(tmp_path.glob("*")) == before


def test_a_disk_without_space_is_named_wherever_training_writes(small_disk, tmp_path):
    large = {"network": recipe().network.model_dump() | {"width": 16}}
    with pytest.raises(CairnError, match=r"step 1 cannot be written.*space.*goes on from the start"):
        train(recipe(**large), TinyImages(), 0, 0, small_disk / "steps", save_every_s=0)
    assert list((small_disk / "steps").iterdir()) == []
    trained = train(recipe(**large, n_epochs=1), TinyImages(), 0, 0)
    description = ModelDescription("r", trained.model.network, ("fine",), "f" * 64, 0)
    with pytest.raises(CairnError, match=r"the model cannot be written.*space.*last checkpoint"):
        save_model(small_disk, trained.model, description)
    wild = optimizer(1e30, 0.1)
    (small_disk / "model.safetensors").unlink(missing_ok=True)
    (small_disk / "other").write_bytes(bytes(290_000))
    with pytest.raises(CairnError, match=r"step \d+.*its batch cannot be kept.*space"):
        train(recipe(optimizer=wild), TinyImages(), 0, 0, small_disk / "steps")


def test_a_diverging_run_stops_and_keeps_its_batch(tmp_path):
    wild = optimizer(1e30, 0.1)
    with pytest.raises(CairnError, match=r"step \d+, epoch \d.*failed_batch\.safetensors.*learning rate"):
        train(recipe(optimizer=wild), TinyImages(), 0, 0, tmp_path)
    batch = load_file(tmp_path / "failed_batch.safetensors")
    assert torch.equal(batch["images"], TinyImages().images[batch["positions"]])


def test_a_resting_backbone_keeps_its_weights_while_the_head_learns():
    settings = optimizer(0.01, 0.1, n_frozen_epochs=2)
    start = weights(train(recipe(n_epochs=1, optimizer=optimizer(1e-30, 0.1)), TinyImages(), 0, 0))
    rested = weights(train(recipe(n_epochs=2, optimizer=settings), TinyImages(), 0, 0))
    learnt = weights(train(recipe(n_epochs=3, optimizer=settings), TinyImages(), 0, 0))
    kernel, head = "backbone.0.0.weight", "head.1.weight"
    assert torch.equal(start[kernel], rested[kernel])
    assert not torch.equal(start[head], rested[head])
    assert not torch.equal(start[kernel], learnt[kernel])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains(precision):
    curve = train(recipe(precision=precision, n_epochs=6), TinyImages(), 0, 0).curve
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0]
