"""Fixtures: the samples as drawn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cairnhub.pipelines.samples.generate import SAMPLES, generate
from cairnhub.pipelines.sources import download
from tests.pipelines.downloads import CONTENT
from tests.pipelines.misbehaving_server import Misbehaviour, misbehaving_server


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every embedded sample, in a folder of its name; tests must not change them."""
    folder = tmp_path_factory.mktemp("drawn")
    for dataset in SAMPLES:
        generate(dataset, folder / dataset)
    return folder


@pytest.fixture
def server(short_waits: None) -> Iterator[Misbehaviour]:
    """A server of downloads that misbehaves as it is told to."""
    with misbehaving_server(CONTENT) as running:
        yield running


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads that fail are tried again at once."""
    monkeypatch.setattr(download, "FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
