"""Fixtures that every folder of tests shares."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The workshop's reference data; tests that use it are marked `shared`."""
    folder = ROOT.parent / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip("the reference data (../shared) is not on this machine")
    return folder
