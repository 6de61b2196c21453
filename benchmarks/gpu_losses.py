"""Sections of `gpu.py` about scores: kernels beside torch and the dense way, large batches, tiles, metrics."""

import functools
import importlib.util
import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from gpu_report import Plan, Report, Row
from losses import dense, limit_s, step_by_where
from torch import Tensor

from cairnhub.training.losses import (
    SmoothAP,
    SmoothHAP,
    SmoothNDCG,
    SupAP,
    SupHAP,
    SupNDCG,
    SupRecall,
    ranking,
)
from cairnhub.training.metrics import retrieval_metrics

LOSSES = {
    "SupAP": SupAP(), "SupHAP": SupHAP(), "SupNDCG": SupNDCG(), "SupRecall": SupRecall(), "SmoothAP": SmoothAP(),
    "SmoothHAP": SmoothHAP(), "SmoothNDCG": SmoothNDCG(),
}  # fmt: skip
TIMED = ("SupAP", "SupHAP", "SupNDCG", "SmoothAP")
NO_TRITON = "triton is not installed"
Loss = Callable[[Tensor, Tensor], Tensor]


def has_kernels() -> bool:
    """Whether Triton is here; interpreted on a CPU."""
    return importlib.util.find_spec("triton") is not None


@contextmanager
def kernels(plan: Plan, are_on: bool) -> Iterator[None]:
    """Ranks by the kernels, or by torch; an error where the kernels do not run."""
    before = ranking.KERNELS_ON
    ranking.KERNELS_ON = (plan.device,) if are_on else ()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="rank losses run in plain torch")
            yield
    finally:
        ranking.KERNELS_ON = before


@contextmanager
def default(device: str, dtype: torch.dtype) -> Iterator[None]:
    """For the dense way, which makes tensors of its own."""
    torch.set_default_device(device)
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_device("cpu")
        torch.set_default_dtype(torch.float32)


def densely(name: str, vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """SupAP or SupHAP, every item against every other; in the precision of the vectors."""
    with default(vectors.device.type, vectors.dtype):
        seen = labels[:, :1] if name == "SupAP" else labels
        return value_and_gradient(lambda x, y: dense(x, y, step_by_where), vectors, seen)


def batch(
    plan: Plan, size: int, trained: bool = False, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Unit vectors (B, d) and labels (B, 3), four images a class, 16 middle and 5 coarse labels.

    With `trained` vectors of a class, and of what is above it, lie together, as those of a trained network do.
    """
    generator = torch.Generator().manual_seed(size)
    fine = torch.arange(size) // 4
    n_middle = min(16, max(size // 8, 2))
    n_coarse = min(5, max(n_middle // 2, 2))
    middle = fine * n_middle // max(size // 4, 1)
    labels = torch.stack([fine, middle, middle * n_coarse // n_middle], 1)
    vectors = torch.randn(size, plan.dim, generator=generator)
    if trained:
        for level in range(3):
            centres = torch.randn(max(size, 16), plan.dim, generator=generator)
            vectors += (2.0, 1.0, 0.6)[level] * centres[labels[:, level]]
    return F.normalize(vectors, dim=1).to(plan.device, dtype), labels.to(plan.device)


def value_and_gradient(loss: Loss, vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of one step."""
    x = vectors.detach().clone().requires_grad_()
    value = loss(x, labels)
    value.backward()
    assert x.grad is not None
    return value.detach(), x.grad


def wait(plan: Plan) -> None:
    """For the device."""
    if plan.device == "cuda":
        torch.cuda.synchronize()


def timed(plan: Plan, run: Callable[[], object], is_warm: bool = False, at_least: int = 1) -> Row:
    """Seconds of the fastest run and of the median, and GiB of the device's memory on top of what it held."""
    if plan.repeats_s and not is_warm:
        run()
    wait(plan)
    held = 0
    if plan.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    seconds: list[float] = []
    while len(seconds) < at_least or (sum(seconds) < plan.repeats_s and len(seconds) < 50):
        start = time.perf_counter()
        run()
        wait(plan)
        seconds.append(time.perf_counter() - start)
    row: Row = {
        "fastest_s": min(seconds),
        "median_s": sorted(seconds)[len(seconds) // 2],
        "repeats": len(seconds),
    }
    if plan.device == "cuda":
        row["extra_gib"] = (torch.cuda.max_memory_allocated() - held) / 2**30
    return row


def correct(plan: Plan, report: Report) -> None:
    """Values and gradients by kernels, torch and the dense way; half precision; other arithmetic."""
    for name, loss in LOSSES.items():
        report.measure(f"{name}, float64", functools.partial(_differences, plan, name, loss, torch.float64))
        report.measure(f"{name}, float32", functools.partial(_differences, plan, name, loss, torch.float32))
    for dtype in (torch.bfloat16, torch.float16):
        report.measure(f"SupHAP, {dtype}".replace("torch.", ""), functools.partial(_half, plan, dtype))
    report.measure("SupHAP, TF32 scores", functools.partial(_tf32, plan))
    report.measure("SupHAP, twice the same bits", functools.partial(_same_bits, plan))


def _differences(plan: Plan, name: str, loss: Loss, dtype: torch.dtype) -> Row:
    vectors, labels = batch(plan, plan.checked, dtype=dtype)
    row: Row = {"B": plan.checked}
    with kernels(plan, False):
        by_torch = value_and_gradient(loss, vectors, labels)
    row["loss"] = by_torch[0].item()
    if name in ("SupAP", "SupHAP"):
        row |= _apart("torch_and_dense", by_torch, densely(name, vectors.double(), labels))
    if not has_kernels():
        return row | {"kernels": NO_TRITON}
    with kernels(plan, True):
        by_kernels = value_and_gradient(loss, vectors, labels)
    row |= _apart("kernels_and_torch", by_kernels, by_torch)
    tolerance = 1e-9 if dtype is torch.float64 else 1e-3
    row["agree"] = row["kernels_and_torch_gradient"] < tolerance
    return row


def _apart(name: str, one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Row:
    """How far two values, and relatively two gradients, are apart."""
    gradient = (one[1].double() - other[1].double()).norm() / other[1].double().norm().clamp(min=1e-300)
    return {f"{name}_value": abs(one[0].item() - other[0].item()), f"{name}_gradient": gradient.item()}


def _half(plan: Plan, dtype: torch.dtype) -> Row:
    """A linear network under autocast: the loss must be that of its embeddings in float32."""
    vectors, labels = batch(plan, plan.checked)
    weight = torch.eye(plan.dim, device=plan.device).requires_grad_()
    with torch.autocast(plan.device, dtype):
        embeddings = vectors @ weight
        value = SupHAP()(embeddings, labels)
    value.backward()
    assert weight.grad is not None
    exact = SupHAP()(embeddings.detach().float(), labels)
    is_finite = bool(weight.grad.isfinite().all())
    return {
        "loss": value.item(),
        "off": abs(value.item() - exact.item()),
        "agree": is_finite and value.item() == exact.item(),
    }


def _tf32(plan: Plan) -> Row:
    """What ten bits of scores do to the loss; the docs warn of it."""
    vectors, labels = batch(plan, plan.checked)
    exact = value_and_gradient(SupHAP(), vectors, labels)
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        return {"loss": exact[0].item()} | _apart(
            "tf32_and_float32", value_and_gradient(SupHAP(), vectors, labels), exact
        )
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def _same_bits(plan: Plan) -> Row:
    vectors, labels = batch(plan, plan.checked)
    runs = [value_and_gradient(SupHAP(), vectors, labels) for _ in range(2)]
    return {"agree": all(torch.equal(*pair) for pair in zip(*runs, strict=True))}


def losses(plan: Plan, report: Report) -> None:
    """Forward plus backward at every size: kernels, torch, dense; random vectors, and such as training makes."""
    if not has_kernels():
        report.add(name="kernels", skipped=NO_TRITON)
    for size, name in itertools.product(plan.batches, TIMED):
        ways: list[tuple[str, bool]] = [("kernels", False), ("kernels", True)] * has_kernels()
        ways += [("torch", False)] * (size <= plan.torch_up_to)
        ways += [("dense", False)] * (size <= plan.dense_up_to and name in ("SupAP", "SupHAP"))
        for way, trained in ways:
            report.measure(f"{name}, {way}", functools.partial(_loss_row, plan, name, way, size, trained))


def _loss_row(plan: Plan, name: str, way: str, size: int, trained: bool) -> Row:
    vectors, labels = batch(plan, size, trained)
    loss: Any = LOSSES[name]
    row: Row = {"B": size, "vectors": "trained" if trained else "random"}
    if way == "dense":
        return row | timed(plan, lambda: densely(name, vectors, labels))
    with kernels(plan, way == "kernels"):
        row |= timed(plan, lambda: value_and_gradient(loss, vectors, labels), is_warm=size >= 8192)
    if plan.device == "cuda":
        row["share_of_limit"] = limit_s(name, labels) / row["fastest_s"]
    return row


def huge_batch(plan: Plan, report: Report) -> None:
    """A batch whose whole matrix of scores would fill 16 GiB; first a quarter of it, to foresee the time."""
    if not has_kernels():
        report.add(name="all", skipped=NO_TRITON)
        return
    for name in ("SupAP", "SupHAP"):
        for trained in (True, False):
            quarter = report.measure(
                f"{name}, quarter", functools.partial(_huge_row, plan, name, plan.huge // 4, trained)
            )
            foreseen = quarter.get("fastest_s", 0.0) * (64 if name == "SupHAP" else 16)
            if foreseen > plan.huge_at_most_s:
                report.add(
                    name=name,
                    skipped=f"foreseen: {foreseen:.0f} s",
                    vectors="trained" if trained else "random",
                )
                continue
            report.measure(name, functools.partial(_huge_row, plan, name, plan.huge, trained))


def _huge_row(plan: Plan, name: str, size: int, trained: bool) -> Row:
    _loss_row(plan, name, "kernels", min(1024, size), trained)  # kernels are built
    row = _loss_row(plan, name, "kernels", size, trained)
    return row | ({"fits_20_gib": row["extra_gib"] < 20} if "extra_gib" in row else {})


def tiles(plan: Plan, report: Report) -> None:
    """Shapes of the kernels' tiles: the fastest of them should be the module's constants."""
    if not has_kernels():
        report.add(name="all", skipped=NO_TRITON)
        return
    from cairnhub.training.losses.backends import triton as fused

    names = ("TILE", "PUSH_POSITIVES", "PULL_POSITIVES", "N_WARPS")
    before = {name: getattr(fused, name) for name in names}
    vectors, labels = batch(plan, plan.tiled)
    found: list[tuple[float, str]] = []
    try:
        for tile, positives, n_warps in itertools.product(plan.tiles, plan.tile_positives, plan.warps):
            shape = dict(zip(names, (tile, *positives, n_warps), strict=True))
            for name, value in shape.items():
                setattr(fused, name, value)
            row = report.measure(f"SupHAP {shape}", functools.partial(_tile_row, plan, vectors, labels))
            if "fastest_s" in row:
                found.append((row["fastest_s"], str(shape)))
    finally:
        for name, value in before.items():
            setattr(fused, name, value)
    report.add(name="fastest", shape=min(found)[1] if found else "none ran", module=str(before))


def _tile_row(plan: Plan, vectors: Tensor, labels: Tensor) -> Row:
    with kernels(plan, True):
        return {"B": plan.tiled} | timed(plan, lambda: value_and_gradient(SupHAP(), vectors, labels))


def metrics(plan: Plan, report: Report) -> None:
    """Exact metrics of three levels."""
    for n_queries, n_items in plan.retrievals:
        report.measure(
            f"{n_queries:,} x {n_items:,}", functools.partial(_metrics_row, plan, n_queries, n_items)
        )


def _metrics_row(plan: Plan, n_queries: int, n_items: int) -> Row:
    generator = torch.Generator(plan.device).manual_seed(0)
    items = F.normalize(torch.randn(n_items, plan.dim, generator=generator, device=plan.device), dim=1)
    fine = torch.arange(n_items, device=plan.device) // 5
    middle = fine * 60 // (n_items // 5)
    labels = torch.stack([fine, middle, middle * 12 // 60], 1)
    labels = labels[torch.randperm(n_items, generator=generator, device=plan.device)]
    found: list[float] = []

    def run() -> None:
        scored = retrieval_metrics(
            items[:n_queries], labels[:n_queries], items, labels, exclude_self=True, ks=(1, 10, 100)
        )
        found.append(scored.values["h_ap"])

    return timed(plan, run, is_warm=True) | {"h_ap": found[-1]}
