"""`cairn doctor`: the machine, and with `--deep` everything that was fetched and built on it."""

import os
from collections.abc import Iterator
from pathlib import Path

from cairnhub.pipelines.doctor.diagnosis import Diagnosis, Repair
from cairnhub.pipelines.doctor.machine import examine

__all__ = ["Diagnosis", "Repair", "examine", "examine_deep"]


def examine_deep(root: Path) -> Iterator[Diagnosis]:
    """Read everything below a project: hashes, schemas, models, leftovers, space. Nothing is changed.

    Args:
        root: the folder of `dvc.yaml`.

    Raises:
        CairnError: `params.yaml` cannot be read.
    """
    # The bare install, which has a doctor too, has not all that these use.
    from cairnhub.pipelines.doctor import outputs
    from cairnhub.pipelines.doctor.mirrors import examine_mirrors
    from cairnhub.pipelines.doctor.requirements import examine_project
    from cairnhub.pipelines.doctor.store import examine_store, read_manifests
    from cairnhub.pipelines.executors.local import LocalExecutor
    from cairnhub.pipelines.params import load_params

    params = load_params(root / "params.yaml")
    executor = LocalExecutor(os.cpu_count() or 1)
    manifests, broken = read_manifests(root, params)
    store = Path(os.environ.get("CAIRN_STORE", root / "data/store"))
    yield from examine_project(root, params)
    yield from examine_mirrors(root, params)
    yield from broken
    yield from examine_store(manifests, params, executor)
    yield from outputs.examine_hub(root, executor)
    yield from outputs.examine_models(root)
    yield from outputs.examine_cache(root, executor)
    yield from outputs.examine_decisions(root)
    yield from outputs.examine_leftovers(root, store)
