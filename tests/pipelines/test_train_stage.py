"""The train stage says what is missing before work is lost."""

import pytest
import torch

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.command import make_context
from cairnhub.pipelines.stages import train
from tests.project import ROOT


def test_full_scale_without_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CairnError, match="no CUDA device"):
        train.run(make_context("gldv2", "full", ROOT))


def test_checkpoints_lie_outside_what_dvc_deletes():
    paths = make_context("gldv2", "sample", ROOT).paths
    assert not paths.checkpoints.is_relative_to(paths.model)
    assert paths.checkpoints.relative_to(ROOT).as_posix() not in (ROOT / "dvc.yaml").read_text()
