"""Source formats stand alone: chosen by name, none imported but the one that is asked for."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.settings.sources import Source
from cairnhub.pipelines.sources.fetching import fetch
from cairnhub.pipelines.sources.readers import reader
from tests.project import ROOT

FOLDER = ROOT / "pipelines/sources/formats"
PARAMS = load_params(ROOT / "params.yaml")
LOADED = """
import sys
from pathlib import Path
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.samples.generate import generate
from cairnhub.pipelines.sources import fetching
from cairnhub.pipelines.sources.readers import reader
assert reader(load_params(Path("params.yaml")), sys.argv[1], "sample").levels
generate(sys.argv[1], Path(sys.argv[2]))
print("\\n".join(name for name in sys.modules if ".sources.formats." in name or ".pipelines.samples." in name))
"""


def test_every_format_that_params_may_name_has_its_module():
    (union, _) = get_args(Source)
    named = {get_args(model.model_fields["format"].annotation)[0] for model in get_args(union)}
    there = {path.stem for path in FOLDER.iterdir() if path.stem not in ("__init__", "__pycache__")}
    assert named == there == {source.format for source in PARAMS.sources.values()}


@pytest.mark.parametrize("dataset", PARAMS.sources)
def test_every_declared_dataset_has_a_reader(dataset):
    source = reader(PARAMS, dataset, "full")
    assert source.levels == source.card().levels
    assert source.has_registry == (PARAMS.sources[dataset].format != "table")


def test_one_dataset_loads_its_own_format_and_sample_only(tmp_path: Path):
    run = [sys.executable, "-c", LOADED, "cub", str(tmp_path / "cub")]
    loaded = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    ours = {name.removeprefix("cairnhub.pipelines.") for name in loaded if ".shapes" not in name}
    assert ours == {
        "sources.formats.cub",
        "sources.formats.cub.cub_reader",
        "samples.cub",
        "samples.generate",
    }


def test_a_table_needs_a_mirror_that_has_its_files(tmp_path: Path):
    context = Context("crockery", "full", PARAMS, Paths(tmp_path, "full", "crockery"))
    with pytest.raises(CairnError, match=r"params\.yaml: fetch\.full\.mirrors\.crockery: missing"):
        fetch(context)
    (tmp_path / "labels.csv").write_text("path,fine,middle,coarse,split\n")
    table = reader(PARAMS, "crockery", "full")
    with pytest.raises(
        CairnError,
        match=r"images: no such folder; name a folder of a local mirror, or a \.tar, \.tar\.gz or \.zip",
    ):
        table.own_files(str(tmp_path))
