"""One batch, three ways: at once, in chunks, on two ranks. The same loss and the same gradients."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cairnhub.core.errors import CairnError
from cairnhub.training.distributed import Ranks, process_group, reduce_gradients
from cairnhub.training.grad_cache import accumulate_gradients
from cairnhub.training.loop import train
from cairnhub.training.losses import SupAP
from cairnhub.training.losses.presets import PRESETS
from cairnhub.training.losses.registry import read_loss
from tests.project import ROOT
from tests.training.tiny import FROZEN, TinyImages, recipe

LEVELS = torch.tensor([[fine, fine // 2, fine // 4] for fine in range(6)])
PACKAGE_LOSSES = {"ArcFace", "FastAP", "ProxyNCA", "Triplet"}
HAS_PACKAGE = find_spec("pytorch_metric_learning") is not None
METHODS = [name for name, preset in PRESETS.items() if HAS_PACKAGE or PACKAGE_LOSSES.isdisjoint(preset.terms)]
WITH_MEMORY = {"size": 8, "images_per_class": 2, "memory": 16}
HELD_OUT = {"validation": {"share": 0.3, "patience": 1}, "batch": {"size": 8, "images_per_class": 2}}
N_RANKS = 2


class Net(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, 12), nn.Tanh(), nn.Dropout(dropout), nn.Linear(12, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.layers(x), dim=1)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(24, 10, dtype=torch.float64), LEVELS.repeat_interleave(4, 0)


def gradients(method: str, chunk: int | None = None, rows: slice = slice(None), dropout: float = 0.0):
    """Loss and gradients by name, in float64."""
    torch.manual_seed(0)
    net, loss = Net(dropout).double(), read_loss(method).make(LEVELS, 8).double()
    images, labels = batch()
    value = accumulate_gradients(net, loss, images[rows], labels, chunk)
    reduce_gradients(net, loss)
    parameters = [*net.named_parameters(), *loss.named_parameters()]
    return {"value": value} | {name: parameter.grad for name, parameter in parameters}


one_start = pytest.mark.xdist_group("ranks")  # a start of two ranks serves all


def assert_close(first, second, tolerance: float = 1e-6):
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("chunk", [5, 12, 24])
def test_chunks_give_the_gradients_of_the_whole_batch(method, chunk):
    whole = gradients(method)
    assert whole["layers.0.weight"].abs().max() > 1e-3
    assert_close(whole, gradients(method, chunk))


def test_both_passes_of_a_chunk_draw_the_same_dropout():
    torch.manual_seed(0)
    net, loss = Net(dropout=0.5).double(), SupAP()
    images, labels = batch()
    loss(torch.cat([net(part) for part in images.split(8)]), labels).backward()
    assert_close(
        {name: parameter.grad for name, parameter in net.named_parameters()},
        {name: grad for name, grad in gradients("SupAP", 8, dropout=0.5).items() if name != "value"},
    )


def test_a_chunked_run_equals_a_plain_one():
    plain = train(recipe(**FROZEN), TinyImages(), 0, 0).model.state_dict()
    chunked = train(
        recipe(**FROZEN, batch={"size": 8, "images_per_class": 2, "chunk": 3}), TinyImages(), 0, 0
    )
    assert_close(plain, chunked.model.state_dict(), 1e-4)


def test_a_memory_is_the_same_in_chunks():
    plain = train(recipe(**FROZEN, batch=WITH_MEMORY), TinyImages(), 0, 0).model.state_dict()
    chunked = train(recipe(**FROZEN, batch=WITH_MEMORY | {"chunk": 3}), TinyImages(), 0, 0)
    assert_close(plain, chunked.model.state_dict(), 1e-4)


def test_a_batch_must_divide_by_the_ranks():
    assert [Ranks(rank, 3).rows(12) for rank in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]
    with pytest.raises(CairnError, match="no multiple of 5 ranks"):
        Ranks(0, 5).rows(12)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """What each of two gloo ranks computed."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(as_a_rank, args=(str(folder),), nprocs=N_RANKS)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(N_RANKS)]


def as_a_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE=str(N_RANKS),
        LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(20000 + os.getppid() % 20000),
    )
    with process_group() as group:
        rows = group.rows(24)
        results = {method: gradients(method, rows=rows) for method in METHODS}
        results["chunked"] = gradients("HAPPIER", 5, rows)
        results["memory"] = train(recipe(**FROZEN, batch=WITH_MEMORY), TinyImages(), 0, 0).model.state_dict()
        results["held out"] = (
            train(recipe(**FROZEN, **HELD_OUT), TinyImages(), 0, 0).curve["held_out_h_ap"].item()
        )
        results["run"] = train(recipe(**FROZEN), TinyImages(), 0, 0).model.state_dict()
    torch.save(results, f"{folder}/{rank}.pt")


@one_start
@pytest.mark.parametrize("method", METHODS)
def test_two_ranks_give_the_loss_and_gradients_of_one(two_ranks, method):
    for results in two_ranks:
        assert_close(gradients(method), results[method])


@one_start
def test_two_ranks_with_chunks_give_the_gradients_of_one(two_ranks):
    for results in two_ranks:
        assert_close(gradients("HAPPIER"), results["chunked"])


@one_start
def test_a_run_on_two_ranks_equals_a_run_on_one(two_ranks):
    alone = train(recipe(**FROZEN), TinyImages(), 0, 0).model.state_dict()
    for results in two_ranks:
        assert_close(alone, results["run"], 1e-4)


@one_start
def test_a_memory_is_the_same_on_two_ranks(two_ranks):
    alone = train(recipe(**FROZEN, batch=WITH_MEMORY), TinyImages(), 0, 0).model.state_dict()
    for results in two_ranks:
        assert_close(alone, results["memory"], 1e-4)


@one_start
def test_two_ranks_agree_on_what_is_held_out(two_ranks):
    alone = train(recipe(**FROZEN, **HELD_OUT), TinyImages(), 0, 0).curve["held_out_h_ap"].item()
    assert [results["held out"] for results in two_ranks] == pytest.approx([alone, alone], abs=1e-3)


@pytest.mark.long
@pytest.mark.parametrize(
    "launcher",
    [
        ["torch.distributed.run", "--standalone", f"--nproc-per-node={N_RANKS}"],
        [
            *("accelerate.commands.launch", "--multi_gpu", f"--num_processes={N_RANKS}"),
            *("--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"),
        ],
    ],
    ids=["torchrun", "accelerate launch"],
)
def test_launchers_start_ranks(tmp_path, launcher):
    program = ["-m", "tests.training.tiny", str(tmp_path / "steps"), str(tmp_path / "end"), "frozen"]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *program], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    alone = train(recipe(**FROZEN), TinyImages(), 0, 0).model.state_dict()
    assert_close(alone, load_file(tmp_path / "end"), 1e-4)
    assert done.stderr.count("| 0.00/32.0 [") == 1  # the first rank alone shows its progress
