"""Fixtures: the samples as drawn."""

from pathlib import Path

import pytest

from cairnhub.pipelines.samples.generate import SAMPLES, generate


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every embedded sample, in a folder of its name; tests must not change them."""
    folder = tmp_path_factory.mktemp("drawn")
    for dataset in SAMPLES:
        generate(dataset, folder / dataset)
    return folder
