"""Files of tensors are for whoever may read the folder, as any other file is."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cairnhub.core.files import atomic_write
from cairnhub.training.checkpoint import Checkpoints
from cairnhub.training.tensor_files import save_tensors

MODES = {0o022: 0o644, 0o002: 0o664, 0o027: 0o640, 0o077: 0o600}


@pytest.fixture(params=MODES, ids=oct)
def mode(request: pytest.FixtureRequest):
    """The mode that new files get."""
    before = os.umask(request.param)
    yield MODES[request.param]
    os.umask(before)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_has_the_mode_of_the_umask(tmp_path, mode):
    save_tensors(tmp_path / "x.safetensors", {"a": torch.arange(3)}, {"format": "pt"})
    assert mode_of(tmp_path / "x.safetensors") == mode
    assert load_file(tmp_path / "x.safetensors")["a"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_so_has_one_that_is_seen_whole_or_not_at_all(tmp_path, mode):
    with atomic_write(tmp_path / "x.safetensors") as temporary:
        save_tensors(temporary, {"a": torch.arange(3)})
    assert mode_of(tmp_path / "x.safetensors") == mode


def test_so_has_the_batch_of_a_training_that_diverged(tmp_path, mode):
    said = Checkpoints(tmp_path, "a run").save_batch({"images": torch.zeros(2, 3)})
    assert {mode_of(path) for path in tmp_path.iterdir()} == {mode}, said
