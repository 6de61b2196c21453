"""Fixtures that every folder of tests shares."""

from pathlib import Path

import pytest
import yaml

from tests.project import ROOT, Project, copy_repository

N_EPOCHS = 3


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The workshop's reference data; tests that use it are marked `shared`."""
    folder = ROOT.parent / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip("the reference data (../shared) is not on this machine")
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The sample, built by `dvc repro`."""
    project = copy_repository(tmp_path_factory.mktemp("project"))
    for recipe in (project.root / "training/recipes").glob("*.yaml"):
        raw = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        recipe.write_text(yaml.safe_dump({**raw, "n_epochs": N_EPOCHS}), encoding="utf-8")
    project.repro()
    return project
