"""A project around a little table of drawn images, built by its stages as a person's would be."""

import io
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from PIL import Image

from cairnhub.core.portable import environment
from cairnhub.core.workers import end_with_parent
from cairnhub.pipelines.run_stage import run_stage
from tests.project import ROOT

Row = tuple[str, ...]
HEADER = "path,fine,coarse,split"
PORTABLE = ("embed", "cluster", "train", "evaluate")
"""Stages that compute in a portable process."""


def drawn(seed: int) -> bytes:
    """A JPEG that looks like no other."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((64, 48), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def grid(n_fine: int = 4, n_each: int = 4, splits: Sequence[str] = ("train", "test")) -> list[Row]:
    """Rows of `n_fine` classes, two of a coarse label; the splits in turn."""
    return [
        (f"photos/f{fine}_{i}.jpg", f"fine{fine}", f"coarse{fine // 2}", splits[i % len(splits)])
        for fine in range(n_fine)
        for i in range(n_each)
    ]


class TableProject:
    """A folder with `params.yaml` for a table called `mine`, and its mirror."""

    def __init__(self, root: Path, rows: Sequence[Row], header: str = HEADER, **source: Any) -> None:
        self.root = root / "project"
        self.mirror = root / "mirror"
        self.write(rows, header)
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        declared = {
            "format": "table",
            "labels": "labels.csv",
            "images": ["photos"],
            "levels": ["fine", "coarse"],
        }
        if "split" in header.split(","):
            declared["split"] = "split"
        params |= {
            "scales": ["sample"],
            "datasets": ["mine"],
            "tree_from_data": ["mine"],
            "tree_from_text": [],
        }
        params |= {"train_on": ["mine"], "sources": {"mine": declared | source}}
        params["fetch"]["sample"]["mirrors"] = {"mine": str(self.mirror)}
        params["executor"]["sample"] = {"kind": "local", "n_workers": 1}
        params["train"]["sample"] |= {"recipes": {"mine": "small"}, "n_workers": 0}
        self.root.mkdir(parents=True)
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
        (self.root / "dvc.yaml").write_text("stages: {}\n")

    def write(self, rows: Sequence[Row], header: str = HEADER) -> None:
        """The CSV, and an image for each path that has none."""
        (self.mirror / "photos").mkdir(parents=True, exist_ok=True)
        lines = [header, *(",".join(row) for row in rows)]
        (self.mirror / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for seed, (path, *_) in enumerate(rows):
            if path and not (self.mirror / path).exists():
                (self.mirror / path).write_bytes(drawn(seed))

    def stage(self, *names: str) -> None:
        """Run stages of the table."""
        with inside(self.root):
            for name in names:
                if name in PORTABLE:
                    with patch(f"cairnhub.pipelines.stages.{name}.run_portable", _in_worker):
                        run_stage(name, "mine", "sample")
                else:
                    run_stage(name, "mine", "sample")

    def at(self, kind: str) -> Path:
        """Where a stage leaves its output."""
        return self.root / kind / "sample/mine"


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """The current folder is `folder`, and no store is set."""
    before, store = Path.cwd(), os.environ.pop("CAIRN_STORE", None)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        if store is not None:
            os.environ["CAIRN_STORE"] = store


@cache
def _worker() -> ProcessPoolExecutor:
    """One portable process for all tests: to load the text model's library costs seconds."""
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=end_with_parent)
    with patch.dict(os.environ, environment()):
        pool.submit(os.getpid).result()
    return pool


def _in_worker(function: Callable[[Any], Any], argument: Any) -> Any:
    """As `run_portable`, in a process that stays."""
    return _worker().submit(_there, function, argument, Path.cwd(), dict(os.environ)).result()


def _there(function: Callable[[Any], Any], argument: Any, folder: Path, variables: Mapping[str, str]) -> Any:
    os.chdir(folder)
    with patch.dict(os.environ, {**variables, **environment()}, clear=True):
        return function(argument)
