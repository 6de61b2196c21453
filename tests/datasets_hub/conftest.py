"""Fixtures: a published toy dataset, and processes to be killed."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from hub_toy import write_toy


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub with `sample/toy`; tests must not change it."""
    folder = tmp_path_factory.mktemp("hub")
    write_toy(folder / "sample" / "toy")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`datasets` prepares its copies in a folder of the test run."""
    import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Processes that start fast, to be killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cairnhub.datasets_hub.writer", "cairnhub.datasets_hub.push", "hub_toy"])
    return context


@pytest.fixture
def run_killed(processes: ForkServerContext) -> Callable[..., bool]:
    """Run a function in a process of its own; True if it was killed before its end."""

    def run(function: Callable[..., None], *arguments: object) -> bool:
        process = processes.Process(target=function, args=arguments)
        process.start()
        process.join(60)
        assert process.exitcode in (0, -9), f"exit code {process.exitcode}"
        return process.exitcode == -9

    return run
