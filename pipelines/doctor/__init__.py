"""`cairn doctor`: the machine, and with `--deep` everything that was fetched and built on it."""

import os
from collections.abc import Iterator
from pathlib import Path

from cairnhub.pipelines.doctor.findings import Finding, Repair
from cairnhub.pipelines.doctor.machine import examine, examine_deeper
from cairnhub.pipelines.doctor.outputs import (
    examine_cache,
    examine_decisions,
    examine_hub,
    examine_leftovers,
    examine_models,
)
from cairnhub.pipelines.doctor.store import examine_store, read_manifests
from cairnhub.pipelines.executors.local import LocalExecutor
from cairnhub.pipelines.params import load_params

__all__ = ["Finding", "Repair", "examine", "examine_deep"]


def examine_deep(root: Path) -> Iterator[Finding]:
    """Read everything below a project: hashes, schemas, models, leftovers, space. Nothing is changed.

    Args:
        root: the folder of `dvc.yaml`.

    Raises:
        CairnError: `params.yaml` cannot be read.
    """
    params = load_params(root / "params.yaml")
    executor = LocalExecutor(os.cpu_count() or 1)
    fetched, broken = read_manifests(root, params)
    store = Path(os.environ.get("CAIRN_STORE", root / "data/store"))
    yield from examine_deeper(root, params)
    yield from broken
    yield from examine_store(fetched, params, executor)
    yield from examine_hub(root, executor)
    yield from examine_models(root)
    yield from examine_cache(root, executor)
    yield from examine_decisions(root)
    yield from examine_leftovers(root, store)
