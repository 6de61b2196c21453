"""Examples in docstrings run, and what people import from `training` says all that they need."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

from tests.project import ROOT

ROOMS = ("core", "hierarchies", "datasets_hub", "training", "pipelines")


def modules_with_examples() -> list[str]:
    """Every module with an example in a docstring."""
    paths = [path for room in ROOMS for path in (ROOT / "cairnhub" / room).rglob("*.py")]
    return sorted(module_name(path) for path in paths if ">>> " in path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples_run(module: str) -> None:
    if "metric_learning" in module:
        pytest.importorskip("pytorch_metric_learning")
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert not result.failed


@pytest.mark.parametrize("package", ["cairnhub.training.losses", "cairnhub.training.metrics"])
def test_public_losses_and_metrics_have_an_example_and_their_paper(package: str) -> None:
    module = importlib.import_module(package)
    # a base class, a result, an adapter, and what spreads `retrieval_metrics` over processes
    helpers = {
        "RankLoss",
        "RetrievalMetrics",
        "for_metric_learning",
        "gallery_rows",
        "sharded_retrieval_metrics",
    }
    for name in sorted(set(module.__all__) - helpers):
        text = inspect.cleandoc(getattr(module, name).__doc__ or "")
        assert ">>> " in text, f"{name} has no example"
        if name not in {"combine", "Combined"}:
            assert re.search(r"20\d\d", text), f"{name} names no paper"
        if name not in {"combine", "Combined", "LeakyStep"}:
            assert ".. math::" in text, f"{name} has no equation"
