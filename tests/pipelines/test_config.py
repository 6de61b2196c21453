"""params.yaml: what is wrong is named by file and key."""

from pathlib import Path

import pytest
import yaml

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.include import include_dataset
from cairnhub.pipelines.params import load_params
from tests.project import ROOT


def edited(tmp_path: Path, edit) -> Path:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    edit(raw)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def test_the_committed_params_are_valid():
    params = load_params(ROOT / "params.yaml")
    assert params.scales == ("sample",)
    assert set(params.tree_from_data) | set(params.tree_from_text) == set(params.datasets)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda raw: raw.update(scale=["sample"]), r"params.yaml: scale: unknown key; did you mean 'scales'\?"),
        (lambda raw: raw["fetch"]["sample"].update(timeout=3), r"fetch\.sample\.timeout: unknown key"),
        (lambda raw: raw["publish"].pop("full"), r"publish\.full: missing"),
        (lambda raw: raw["sources"]["crockery"].update(levels=[]), r"sources\.crockery\.table\.levels"),
        *((lambda raw, level=level: raw["sources"]["crockery"].update(levels=[level, "coarse"]),
           rf"sources\.crockery\.table\.levels: level '{level}' cannot be a column: .*; rename the column")
          for level in ("búsqueda", "fine-grained", "title", "root", "1st", "日本", "a b")),
        (lambda raw: raw["sources"]["gldv2"].update(format="glvd2"), "gldv2.format: 'glvd2' is none of .*mean 'gldv2'"),
        (lambda raw: raw["datasets"].append("cars"), r"params.yaml: datasets: 'cars' has no entry under sources"),
        (lambda raw: raw["datasets"].append("grocery"), r"datasets: 'grocery' must be listed once"),
        (lambda raw: (raw["tree_from_data"].append("gldv2"), raw["tree_from_text"].clear()),
         r"tree_from_data: 'gldv2' has none; list it under tree_from_text"),
        (lambda raw: raw["train_on"].append("grocery"), r"train_on: 'grocery' is not listed under datasets"),
        (lambda raw: raw["sources"]["cub"].update(shard_size_mb=1), "shard_size_mb: unknown key; remove it"),
        (lambda raw: raw.update(datasets="cub"), r"datasets: must be a list, such as \[cub\]"),
        (lambda raw: raw["train_on"].append("dyml_animal"), r"train_on: 'dyml_animal' has no recipe"),
        (lambda raw: raw["publish"]["full"].update(max_image_pixels=400_000_000),
         r"publish\.full\.max_image_pixels: 400,000,000 pixels are more than readers take: .* at most 178,956,970"),
        (lambda raw: raw["publish"]["sample"].update(max_image_pixels=178_956_971), r"178,956,971 pixels are more"),
        (lambda raw: raw["publish"]["sample"].update(max_image_pixels=0), r"publish\.sample\.max_image_pixels: "),
        (lambda raw: raw["sources"]["gldv2"].update(subset={"full": {"splits": ["all"]}}),
         r"subset\.full\.splits\.0: split 'all': `datasets` takes this word for all splits"),
        (lambda raw: raw["sources"]["cub"].update(subset={"full": {"splits": ["train", "test-a"]}}),
         r"subset\.full\.splits\.1: split 'test-a': a split's name has letters, digits and _"),
        (lambda raw: raw.update(scales=["medium"]), r"scales\.0: .*'sample' or 'full'"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_file_and_key(tmp_path, edit, message):
    with pytest.raises(CairnError, match=message):
        load_params(edited(tmp_path, edit))


def test_broken_yaml_and_a_missing_file(tmp_path):
    with pytest.raises(CairnError, match="is missing"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("scales: [sample", encoding="utf-8")
    with pytest.raises(CairnError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


def test_an_undeclared_dataset(tmp_path):
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(CairnError, match=r"no dataset 'gldv3' .*mean 'gldv2'\?; declared are: cars196"):
        params.source("gldv3")


def test_include_adds_a_dataset_once_and_keeps_comments(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    for _ in range(2):
        include_dataset(path, "grocery", str(tmp_path), "sample")
    params = load_params(path)
    for names in (params.datasets, params.tree_from_data, params.train_on):
        assert names.count("grocery") == 1
    assert params.fetch.sample.mirrors == {"grocery": str(tmp_path)}
    comments = [
        line
        for line in (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    ]
    assert all(comment in path.read_text(encoding="utf-8") for comment in comments)


def test_include_needs_no_mirror_where_there_is_a_sample(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    include_dataset(path, "cub", None, "sample")
    params = load_params(path)
    assert "cub" in params.datasets
    assert "cub" in params.tree_from_data
    assert params.fetch.sample.mirrors == {}


def test_include_refuses_and_leaves_the_file_alone(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(CairnError, match="no folder"):
        include_dataset(path, "grocery", str(tmp_path / "absent"), "sample")
    with pytest.raises(CairnError, match="no dataset 'grocer'"):
        include_dataset(path, "grocer", None, "sample")
    with pytest.raises(CairnError, match="no name for a dataset"):
        include_dataset(path, "my photos", str(tmp_path), "sample")
    assert path.read_bytes() == before
