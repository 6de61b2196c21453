"""`cairn stage` before the stages that come first: one line that says what is missing and which command makes it."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError, NotFound
from cairnhub.pipelines.run_stage import run_stage
from cairnhub.pipelines.stage_graph import STAGES
from tests.project import ROOT

NAMES = [stage.name for stage in STAGES]
READERS = [stage.name for stage in STAGES if stage.over and any("/" not in name for name in stage.reads)]
OTHER_WAY = {"gldv2": {"taxonomy"}, "inat2018": {"embed", "cluster", "review"}}


@pytest.fixture
def empty_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Parameters and a graph; nothing was run."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAIRN_STORE", raising=False)
    return tmp_path


def refusal(stage: str, dataset: str) -> str:
    with pytest.raises(NotFound) as failure:
        run_stage(stage, dataset, "sample")
    return str(failure.value)


@pytest.mark.parametrize("dataset", OTHER_WAY)
@pytest.mark.parametrize("stage", READERS)
def test_a_stage_before_its_inputs_says_in_one_line_which_command_makes_them(stage, dataset, empty_project):
    if stage in OTHER_WAY[dataset]:
        with pytest.raises(CairnError):
            run_stage(stage, dataset, "sample")
        return
    message = refusal(stage, dataset)
    assert "\n" not in message
    maker = re.search(rf"`cairn stage (\w+) {dataset} sample`, or `dvc repro`$", message)
    assert maker, message
    assert NAMES.index(maker[1]) < NAMES.index(stage)
    assert maker[1] not in OTHER_WAY[dataset]
    assert str(empty_project) in message


def test_it_is_said_before_the_code_of_the_stage_is_loaded(empty_project, monkeypatch):
    module = "cairnhub.pipelines.stages.train"
    monkeypatch.delitem(sys.modules, module, raising=False)
    refusal("train", "gldv2")
    assert module not in sys.modules


def test_the_next_missing_input_is_named_once_the_first_is_there(empty_project):
    (empty_project / "data/index/sample/gldv2").mkdir(parents=True)
    assert "cairn stage embed gldv2 sample" in refusal("cluster", "gldv2")
    assert "cairn stage review gldv2 sample" in refusal("publish", "gldv2")
