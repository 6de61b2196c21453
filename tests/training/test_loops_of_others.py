"""The examples in `examples/loops` learn; losses give the same in pytorch-metric-learning's wrappers."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from cairnhub.core.errors import BadInput
from cairnhub.training.distributed import gather, process_group
from cairnhub.training.losses import HAPPIER, SupAP, SupHAP, combine, for_metric_learning
from tests.project import ROOT

LOOPS = ROOT / "examples/loops"
NEEDS = {
    "plain_torch": "torch",
    "lightning_module": "lightning",
    "transformers_trainer": "accelerate",
    "accelerate_loop": "accelerate",
    "metric_learning": "pytorch_metric_learning",
}
CLASS_LABELS = torch.tensor([[0, 0], [1, 0], [2, 1], [3, 1]])
SPECIES = torch.arange(16) % 4


def points(seed: int = 0) -> torch.Tensor:
    x = torch.randn(16, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return nn.functional.normalize(x, dim=1)


def run(command: list[str], tmp_path: Path) -> tuple[float, float]:
    """H-AP before and after, as a program prints them."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = re.findall(r"^H-AP (?:before|after): ([\d.]+)$", done.stdout, re.M)
    return float(before), float(after)


def test_every_example_is_run_and_short():
    files = sorted(path.stem for path in LOOPS.glob("*.py") if path.stem != "toy")
    assert files == sorted(NEEDS)
    for path in LOOPS.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.long
@pytest.mark.parametrize("name", NEEDS)
def test_an_example_learns(tmp_path: Path, name: str):
    if find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    before, after = run([str(LOOPS / f"{name}.py")], tmp_path)
    assert after > before + 15, (before, after)


@pytest.mark.long
@pytest.mark.slow
def test_two_processes_of_accelerate_learn_what_one_learns(tmp_path: Path):
    pytest.importorskip("accelerate")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = str(LOOPS / "accelerate_loop.py")
    alone, together = run([program], tmp_path), run([*launch, program], tmp_path)
    assert together == pytest.approx(alone, abs=1.0)  # rounding grows over 80 steps


needs_package = pytest.mark.skipif(
    find_spec("pytorch_metric_learning") is None, reason="pytorch-metric-learning is not installed"
)


@needs_package
def test_called_as_theirs_a_loss_gives_what_it_gives():
    loss = combine((0.9, SupHAP()), (0.1, SupAP()))
    theirs, x, refs = for_metric_learning(loss, CLASS_LABELS), points(), points(1)
    torch.testing.assert_close(theirs(x, SPECIES), loss(x, CLASS_LABELS[SPECIES]))
    labels = SPECIES.flip(0)
    torch.testing.assert_close(
        theirs(x, SPECIES, None, refs, labels), loss(x, CLASS_LABELS[SPECIES], refs, CLASS_LABELS[labels])
    )
    torch.testing.assert_close(for_metric_learning(SupAP())(x, SPECIES), SupAP()(x, SPECIES))
    with_proxies = for_metric_learning(HAPPIER(n_classes=4, dim=6), CLASS_LABELS)
    assert len(list(with_proxies.parameters())) == 1


@needs_package
def test_their_memory_ranks_the_batch_against_what_it_holds():
    from pytorch_metric_learning import losses

    class RankMemory(losses.CrossBatchMemory):
        @staticmethod
        def supported_losses() -> list[str]:
            return ["HierarchicalLoss"]

    memory = RankMemory(for_metric_learning(SupHAP(), CLASS_LABELS), embedding_size=6, memory_size=32)
    memory(points(), SPECIES)
    held = torch.cat([points(), points(1)]), CLASS_LABELS[SPECIES.repeat(2)]
    expected = SupHAP()(points(1), CLASS_LABELS[SPECIES], *held)
    torch.testing.assert_close(memory(points(1), SPECIES), expected)


@needs_package
def test_a_miner_or_a_label_without_a_class_is_refused():
    from pytorch_metric_learning import miners

    loss, x = for_metric_learning(SupHAP(), CLASS_LABELS), points()
    for miner in (miners.BatchHardMiner(), miners.MultiSimilarityMiner()):
        with pytest.raises(BadInput, match="a miner's tuple leaves out items that a ranking counts"):
            loss(x, SPECIES, miner(x, SPECIES))
    with pytest.raises(BadInput, match=r"labels must be in 0\.\.3, the rows of class_labels; got 1\.\.4"):
        loss(x, SPECIES + 1)


def as_a_rank(rank: int, folder: str) -> None:
    from pytorch_metric_learning.utils.distributed import DistributedLossWrapper

    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE="2",
        LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(21000 + os.getppid() % 20000),
    )
    with process_group():
        rows = slice(8 * rank, 8 * rank + 8)
        loss = for_metric_learning(SupHAP(), CLASS_LABELS)
        found = {}
        for name in ("wrapper", "gather"):
            model = linear()
            wrapped = nn.parallel.DistributedDataParallel(model)
            embeddings = nn.functional.normalize(wrapped(points()[rows]), dim=1)
            if name == "wrapper":
                value = DistributedLossWrapper(loss)(embeddings, SPECIES[rows])
            else:
                value = 2 * loss(gather(embeddings), SPECIES)  # DDP takes the mean of gradients
            value.backward()
            found[name] = model.weight.grad
        said = ""
        try:
            DistributedLossWrapper(loss, efficient=True)(embeddings.detach().requires_grad_(), SPECIES[rows])
        except BadInput as error:
            said = str(error)
    torch.save(found, f"{folder}/{rank}.pt")
    Path(folder, f"{rank}.txt").write_text(said)


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(6, 5, bias=False, dtype=torch.float64)


@needs_package
@pytest.mark.long
@pytest.mark.slow
def test_on_two_ranks_their_wrapper_and_gather_give_the_gradients_of_one(tmp_path: Path):
    torch.multiprocessing.spawn(as_a_rank, args=(str(tmp_path),), nprocs=2)
    model = linear()
    SupHAP()(nn.functional.normalize(model(points()), dim=1), CLASS_LABELS[SPECIES]).backward()
    for rank in range(2):
        for gradient in torch.load(tmp_path / f"{rank}.pt", weights_only=True).values():
            torch.testing.assert_close(gradient, model.weight.grad)
        assert "efficient=False gives the loss of the whole batch" in (tmp_path / f"{rank}.txt").read_text()
