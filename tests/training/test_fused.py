"""The kernels against torch and the dense way: compiled where there is a GPU, else in Triton's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from cairnhub.training.losses import (
    Sigmoid,
    SmoothAP,
    SmoothHAP,
    SmoothNDCG,
    SupAP,
    SupHAP,
    SupNDCG,
    SupRecall,
    SupStep,
    ranking,
)

if find_spec("triton") is None:
    reason = "no triton: after `pip install triton==3.9.0` its interpreter runs the kernels without a GPU"
    pytest.skip(reason, allow_module_level=True)

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # triton reads it when it is imported
DEVICE = "cpu" if INTERPRETED else "cuda"
needs_kernels = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(), reason="no CUDA device; interpreted below"
)
LOSSES = [
    SmoothAP(),
    SmoothAP(level=2, tau=0.05),
    SmoothHAP(alpha=2.0),
    SmoothNDCG(),
    SupAP(),
    SupAP(level=1, step=Sigmoid()),
    SupAP(level=1, step=SupStep(delta=None, offset=1.0)),
    SupAP(level=1, step=SupStep(tau=0.013, rho=70.3, delta=0.037, start=0.3, offset=1.1)),
    SupHAP(),
    SupHAP(step=SupStep(offset=None), level_weights=(0.2, 0.3, 0.5)),
    SupNDCG(),
    SupRecall(at_k=(1, 4)),
]


@pytest.fixture(autouse=True)
def kernels_on_any_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Choose the kernels, also on a CPU where they are interpreted."""
    monkeypatch.setattr(ranking, "KERNELS_ON", (DEVICE,))
    if INTERPRETED:  # many small tiles for few items: the interpreter is slow
        from cairnhub.training.losses.backends import triton as fused

        monkeypatch.setattr(fused, "TILE", 32)
        monkeypatch.setattr(fused, "PUSH_POSITIVES", 4)
        monkeypatch.setattr(fused, "COUNT_POSITIVES", 4)
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def drawn(n: int, m: int, dtype: torch.dtype, ties: bool = False) -> tuple[Tensor, Tensor]:
    """Vectors (n + m, 6) and labels (n + m, 3) of unequal classes; with `ties`, many scores are equal."""
    generator = torch.Generator().manual_seed(n + m)
    vectors = torch.randn(n + m, 6, generator=generator, dtype=torch.float64)
    vectors = (vectors * 2).round() / 64 if ties else torch.nn.functional.normalize(vectors, dim=1)
    fine = (torch.rand(n + m, generator=generator) ** 2 * (n + m)).long()  # few large, many small
    return vectors.to(DEVICE, dtype), torch.stack([fine, fine // 2, fine // 6], 1).to(DEVICE)


def both_ways(
    loss: torch.nn.Module, vectors: Tensor, labels: Tensor, n: int, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Tensor, Tensor]]:
    """Value and gradient by the kernels and by torch; items beyond the first n are references."""
    results = []
    for devices in (ranking.KERNELS_ON, ()):
        monkeypatch.setattr(ranking, "KERNELS_ON", devices)
        x = vectors.clone().requires_grad_()
        refs = (x[n:], labels[n:]) if n < len(x) else ()
        value = loss(x[:n], labels[:n], *refs)
        value.backward()
        assert x.grad is not None
        results.append((value.detach(), x.grad))
    return results


@needs_kernels
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize(
    ("n_queries", "n_refs", "ties"), [(9, 0, False), (6, 0, True), (2, 29, False), (1, 2, True)]
)
def test_kernels_equal_torch(
    loss: torch.nn.Module, n_queries: int, n_refs: int, ties: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, labels = drawn(n_queries, n_refs, torch.float64, ties)
    fused, plain = both_ways(loss, vectors, labels, n_queries, monkeypatch)
    torch.testing.assert_close(fused, plain, rtol=0, atol=1e-12)


def dense(vectors: Tensor, labels: Tensor, n: int) -> Tensor:
    """SupHAP as its equation says, every item against every other; of one level it is SupAP."""
    items = slice(n if n < len(vectors) else 0, None)
    scores = vectors[:n] @ vectors[items].T
    depth = (labels[:n, None] == labels[None, items]).sum(2)
    own = (depth[:, :, None] == torch.arange(labels.shape[1] + 1, device=DEVICE)).sum(1).gather(1, depth)
    rel = depth.to(scores.dtype) / labels.shape[1] / own
    t = scores[:, None, :] - scores[:, :, None]
    line = 100 * (t - 0.05) + 1.44
    step = torch.where(t > 0.05, line, torch.sigmoid(t / 0.01) + 0.5 * (t > 0))
    above = (t >= 0).to(t.dtype)  # the item itself, too
    rank = torch.where(depth[:, None, :] < depth[:, :, None], step, above).sum(2)
    hrank = (torch.minimum(rel[:, None, :], rel[:, :, None]) * above).sum(2)
    has_positives = (depth > 0).any(1)
    score = (hrank / rank)[has_positives].sum(1) / rel[has_positives].sum(1)
    return (1 - score).sum() / max(int(has_positives.sum()), 1)


@needs_kernels
@pytest.mark.parametrize(
    ("case", "n_queries", "n_items", "n_levels"),
    [
        ("odd sizes", 7, 37, 3),
        ("deep", 3, 45, 5),
        ("one level", 5, 33, 1),
        ("one class", 3, 19, 2),
        ("no positives", 3, 17, 2),
        ("some without", 4, 6, 3),
        ("ties", 5, 35, 3),
        ("all tie", 2, 21, 3),
        ("far apart", 3, 41, 3),
        ("itself", 9, 9, 3),
    ],
)
def test_kernels_equal_the_dense_way(case: str, n_queries: int, n_items: int, n_levels: int) -> None:
    n_refs = 0 if case == "itself" else n_items
    vectors, labels = drawn(n_queries, n_refs, torch.float64, ties=case == "ties")
    fine = labels[:, 0] if case != "one class" else torch.zeros_like(labels[:, 0])
    labels = torch.stack([fine // 2**level for level in range(n_levels)], 1)
    if case == "no positives":
        labels[:n_queries] += 1000
    if case == "all tie":
        vectors = torch.ones_like(vectors) / 8
    if case == "far apart":  # most items are out of the positives' reach
        vectors *= 3
    x = vectors.clone().requires_grad_()
    refs = (x[n_queries:], labels[n_queries:]) if n_refs else ()
    loss = SupAP() if n_levels == 1 else SupHAP()
    values = (loss(x[:n_queries], labels[:n_queries], *refs), dense(x, labels, n_queries))
    results = [(value.detach(), *torch.autograd.grad(value, x)) for value in values]
    torch.testing.assert_close(*results, rtol=1e-11, atol=1e-12)


@needs_kernels
@pytest.mark.parametrize("loss", [SmoothHAP(), SupHAP()])
def test_single_precision(loss: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = drawn(11, 0, torch.float32)
    (value, grad), (plain, plain_grad) = both_ways(loss, vectors, labels, 11, monkeypatch)
    assert value.item() == pytest.approx(plain.item(), abs=1e-5)
    assert (grad - plain_grad).norm() <= 1e-4 * plain_grad.norm()


@needs_kernels
def test_torch_takes_over_where_triton_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from cairnhub.training.losses.backends import triton as fused

    def fail(device: torch.device) -> None:
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(fused, "try_out", fail)
    monkeypatch.setattr(fused, "Tile", None)
    ranking.kernels_run_on.cache_clear()
    vectors, labels = drawn(8, 0, torch.float64)
    with pytest.warns(UserWarning, match="C compiler"):
        SupAP()(vectors, labels)
    ranking.kernels_run_on.cache_clear()


@needs_kernels
def test_same_bits_each_time() -> None:
    vectors, labels = drawn(7, 0, torch.float32)
    losses = [SupHAP(reduction="none")(vectors, labels) for _ in range(2)]
    assert torch.equal(*losses)


class Sizes(TorchDispatchMode):
    """Notes the bytes of the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = out if isinstance(out, (tuple, list)) else (out,)
        self.largest = max(self.largest, *(x.nbytes for x in made if isinstance(x, Tensor)), 0)
        return out


@needs_kernels
def test_nothing_larger_than_a_tile_is_stored() -> None:
    n_queries, n_items, number = 2, 64, 8
    vectors, _ = drawn(n_queries, n_items, torch.float64)
    labels = torch.arange(n_queries + n_items, device=DEVICE) % 2  # half of the items are positives
    with Sizes() as sizes:
        loss = SupAP()(vectors[:2].requires_grad_(), labels[:2], vectors[2:], labels[2:])
        loss.backward()
    assert 1 <= sizes.largest / (n_queries * n_items * number) <= 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available() or INTERPRETED, reason="no CUDA device")
@pytest.mark.parametrize("loss", [SmoothAP(), SmoothHAP(), SupAP(), SupHAP(), SupNDCG(), SupRecall()])
def test_large_batches_on_a_gpu(loss: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = drawn(1500, 3000, torch.float32)
    (value, grad), (plain, plain_grad) = both_ways(loss, vectors, labels, 1500, monkeypatch)
    assert value.item() == pytest.approx(plain.item(), abs=1e-5)
    assert (grad - plain_grad).norm() <= 1e-4 * plain_grad.norm()


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("scores", ["fp32", "fp64"])
def test_kernels_compile_without_a_gpu(capability: int, everywhere: bool, scores: str) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler import compile as compile_for

    from cairnhub.training.losses.backends import triton as fused

    constants = {"EVERYWHERE": everywhere, "REACH": 0.32, "POSITIVES": 2, "ITEMS": 512}
    constants |= dict(
        zip(("TAU", "RHO", "DELTA", "START", "ORIGIN"), fused.step_constants(Sigmoid()), strict=True)
    )
    types = {"depths": "*i8", "order": "*i64", "starts": "*i32"}
    types |= dict.fromkeys(("n_items", "n_slots", "n_depths", "n_halvings"), "i32")
    types |= dict.fromkeys(constants, "constexpr")
    for kernel in (fused._count, fused._push, fused._pull):
        signature = {name: types.get(name, f"*{scores}") for name in kernel.arg_names}
        known = {name: value for name, value in constants.items() if name in kernel.arg_names}
        source = ASTSource(kernel, signature, known)
        assert compile_for(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]


@pytest.mark.skipif(INTERPRETED, reason="this is that run")
def test_in_the_interpreter() -> None:
    """The tests above in a process of their own, where Triton runs the kernels with numpy."""
    env = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
