"""A model goes to a folder, to S3 and to the Hugging Face hub with a card, and comes back as it was."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import fsspec
import pandas as pd
import pytest
import torch
import yaml

from cairnhub import __main__ as program
from cairnhub.core.errors import CairnError
from cairnhub.core.files import lock_folder
from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.destinations import FolderDestination, open_destination
from cairnhub.datasets_hub.records import ImageRow, RowList
from cairnhub.datasets_hub.writer import write_dataset
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.push_model import push_model
from cairnhub.training.inference import encode
from cairnhub.training.models import ModelDescription, save_model, untrained_model
from cairnhub.training.recipes.recipe import load_recipe
from tests.datasets_hub.hub_server import FakeHub
from tests.pipelines.tiny import photograph
from tests.project import ROOT

LABELS = pd.DataFrame({"species": ["crow", "jay", "owl"], "genus": ["corvid", "corvid", "strix"]})


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model in a checkout, with the dataset that it was trained on and what it was measured to be."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).touch()
    paths = Paths(root, "sample", "birds")
    tree = LabelTree.from_table(LABELS, ["species", "genus"])
    card = Card(
        name="birds",
        title="Birds",
        description="Drawn.",
        licence="CC-BY-4.0",
        redistributable=True,
        levels=tree.levels,
        annotation_origin="given",
    )
    rows = [ImageRow(photograph(i), f"{i}.jpg", str(i), "train", leaf) for i, leaf in enumerate(tree.leaves)]
    write_dataset(paths.hub, card, tree, [RowList(rows)])
    recipe = load_recipe("small")
    paths.model.mkdir(parents=True)
    description = ModelDescription("small", recipe.network, tree.levels, tree.fingerprint, 3)
    save_model(paths.model, untrained_model(recipe.network, 3), description)
    evaluated = paths.results("evaluate")
    evaluated.mkdir(parents=True)
    (evaluated / "table.md").write_text("| protocol | H-AP |\n| --- | ---: |\n| main | 61.2 ± 0.4 |\n")
    (evaluated / "headline.json").write_text('{"main": {"h_ap_trained": 0.612, "h_ap_untrained": 0.2}}')
    (evaluated / "metrics.json").write_text("{}")
    monkeypatch.chdir(root)
    return paths.model


def check_copy(copy: Path, model: Path) -> dict[str, object]:
    """The copy embeds as the model does; gives the YAML head of its card."""
    picture = copy.parent / "picture.jpg"
    picture.write_bytes(photograph(9))
    assert torch.equal(encode([picture], copy), encode([picture], model))
    assert (copy / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    assert LabelTree.load(copy / "tree.json").levels == ("species", "genus")
    assert yaml.safe_load((copy / "recipe.yaml").read_text())["network"]["backbone"] == "small_cnn"
    readme = (copy / "README.md").read_text()
    assert "| main | 61.2 ± 0.4 |" in readme
    head: dict[str, object] = yaml.safe_load(readme.split("---\n")[1])
    return head


def test_a_model_goes_to_a_folder(model: Path, tmp_path: Path) -> None:
    to = tmp_path / "shared" / "birds"
    assert not push_model(model, to, dry_run=True).switched
    assert not to.exists()
    first = push_model(model, to, licence="apache-2.0")
    assert (first.version, first.switched) == ("v1", True)
    head = check_copy(to, model)
    assert head["license"] == "apache-2.0"
    (result,) = head["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "h_ap", "value": 0.612, "name": "h_ap"}]
    assert not push_model(model, to, licence="apache-2.0").switched
    (model / "loss.csv").write_text("step,loss\n1,0.5\n")
    second = push_model(model, to)
    assert (second.version, (to / "loss.csv").exists()) == ("v2", True)
    assert oct(to.stat().st_mode)[-3:] == oct(to.parent.stat().st_mode)[-3:]


def test_a_model_outside_a_checkout_says_what_it_does_not_know(model: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "net"
    shutil.copytree(model, alone)
    push_model(alone, tmp_path / "there")
    readme = (tmp_path / "there" / "README.md").read_text()
    assert "Not evaluated." in readme
    assert "was not at hand" in readme
    assert "\nlicense:" not in readme
    push_model(alone, tmp_path / "again", dataset=str(Paths(model.parents[2], "sample", "birds").hub))
    assert "Dataset: Birds" in (tmp_path / "again" / "README.md").read_text()


def test_a_model_goes_to_s3_once_per_prefix(model: Path, tmp_path: Path, s3: dict[str, object]) -> None:
    to = "s3://hub/models/birds-v1"
    push_model(model, to, storage_options=s3)
    fsspec.filesystem("s3", **s3).get(to, str(tmp_path / "copy"), recursive=True)
    check_copy(tmp_path / "copy", model)
    assert f'.get("{to}", "birds-v1", recursive=True)' in (tmp_path / "copy" / "README.md").read_text()
    assert not push_model(model, to, storage_options=s3).switched
    (model / "loss.csv").write_text("step,loss\n1,0.5\n")
    with pytest.raises(CairnError, match="a prefix of its own"):
        push_model(model, to, storage_options=s3)
    open_destination("s3://hub/models/unfinished", s3).switch({"model.json": "{}"}, "")
    assert push_model(model, "s3://hub/models/unfinished", storage_options=s3).switched


def test_of_two_pushes_at_once_one_is_refused(
    model: Path, tmp_path: Path, s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    with lock_folder(tmp_path / "folder"), pytest.raises(CairnError, match="another push is under way"):
        push_model(model, tmp_path / "folder")
    other = tmp_path / "other" / "net"
    shutil.copytree(model, other)
    (other / "loss.csv").write_text("step,loss\n1,0.5\n")
    to, upload, refused = "s3://hub/models/twice", FolderDestination.upload, []

    def slowly(self: FolderDestination, folder: Path, paths: Sequence[str]) -> None:
        monkeypatch.setattr(FolderDestination, "upload", upload)
        with pytest.raises(CairnError, match="another model is being pushed there") as error:
            push_model(other, to, storage_options=s3)
        refused.append(error)
        raise KeyboardInterrupt

    monkeypatch.setattr(FolderDestination, "upload", slowly)
    with pytest.raises(KeyboardInterrupt):
        push_model(model, to, storage_options=s3)
    assert refused
    assert push_model(model, to, storage_options=s3).switched
    assert not push_model(model, to, storage_options=s3).switched
    assert "loss.csv" not in open_destination(to, s3).sizes_bytes()


@pytest.fixture
def server() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.shutdown()


def test_a_model_goes_to_the_hugging_face_hub(model: Path, tmp_path: Path, server: FakeHub) -> None:
    environment = {
        **os.environ,
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": "hf_test",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }

    def cairn(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "cairnhub", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "hf://org/birds v1: a model" in cairn("push", str(model), "--to", "hf://org/birds", "--private")
    repository = server.repositories["org/birds"]
    assert repository.private
    assert [len(tree) for tree in repository.commits.values()] == [0, len(repository.at("v1")[1])]
    assert "model.safetensors" in repository.lfs
    for path, raw in repository.at("main")[1].items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(raw)
    check_copy(tmp_path / "copy", model)
    readme = (tmp_path / "copy" / "README.md").read_text()
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(photograph(1))
    snippet = readme.split("```python\n")[1].split("```")[0]
    code = [sys.executable, "-c", f"{snippet}\nprint(tuple(vectors.shape))"]
    shown = subprocess.run(code, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.stdout.strip() == "(1, 128)", shown.stderr
    (model / "loss.csv").write_text("step,loss\n1,0.5\n")
    assert "v2" in cairn("push", str(model), "--to", "hf://org/birds")
    assert set(repository.references) == {"main", "v1", "v2"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "{tmp}/mine"], "README.md of something else"),
        (["--to", "{tmp}/other"], "holds something else (notes.txt)"),
        (["--to", "{model}"], "the folder of the model itself"),
        (["--to", "{tmp}/new", "--labels-only"], "are for datasets"),
        (["--to", "{tmp}/new", "--evaluation", "{tmp}"], "no table.md"),
        (["--to", "{tmp}/new", "--trained-on", "fish"], "no dataset 'fish'"),
        (["--to", "s9://x/y"], "s9:// is not known"),
    ],
)
def test_the_command_refuses_in_one_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    for name, file in (("mine", "README.md"), ("other", "notes.txt")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("# My project\n")
    before = sorted(tmp_path.rglob("*"))
    given = [argument.format(tmp=tmp_path, model=model) for argument in arguments]
    monkeypatch.setattr("sys.argv", ["cairn", "push", str(model), *given])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert message in str(ended.value)
    assert "\n" not in str(ended.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_model_is_not_pushed(model: Path, tmp_path: Path) -> None:
    (model / "model.json").write_text('{"recipe": "small"')
    with pytest.raises(CairnError, match=r"model\.json"):
        push_model(model, tmp_path / "there")
    assert not (tmp_path / "there").exists()
