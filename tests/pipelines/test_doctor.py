"""`cairn doctor --deep`: every finding, and every repair."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner, Result

from cairnhub import __main__ as program
from cairnhub.core.files import atomic_write
from cairnhub.core.hashing import sha256_of
from cairnhub.datasets_hub.loader import describe
from cairnhub.pipelines import cli
from cairnhub.pipelines.doctor import Diagnosis, diagnosis, examine_deep, machine
from cairnhub.pipelines.doctor.outputs import Shard, cache_folder, shard_fault, shards_of
from cairnhub.pipelines.executors.local import HERE
from tests.pipelines.tiny import tiny_context, write_tree
from tests.project import ROOT

SCALE, DATASET = "full", "grocery"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one dataset, fetched and published."""
    from cairnhub.pipelines.stages import index, publish

    root = tmp_path_factory.mktemp("built")
    context = tiny_context(root, DATASET)
    store = context.paths.store
    manifest = json.loads(context.paths.manifest.read_text())
    for file in manifest["files"]:
        file["sha256"] = sha256_of(store / file["name"])
    context.paths.manifest.write_text(json.dumps(manifest))
    index.run(context)
    write_tree(context)
    publish.run(context)
    for name in ("params.yaml", "dvc.yaml", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    (root / "decisions").mkdir(parents=True)
    (root / "decisions/toy.jsonl").write_text("")
    (root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
    return root


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to damage, examined in this process."""
    root = tmp_path / "project"
    shutil.copytree(built, root)
    monkeypatch.chdir(root)
    monkeypatch.delenv("CAIRN_STORE", raising=False)
    monkeypatch.setattr("cairnhub.pipelines.executors.local.LocalExecutor", lambda _: HERE)
    monkeypatch.setattr(cli.project, "console", Console(width=400))
    return root


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days pass."""
    passed = time.time() + 2 * diagnosis.DAY_S
    monkeypatch.setattr(diagnosis.time, "time", lambda: passed)


def problems(root: Path) -> list[Diagnosis]:
    return [finding for finding in examine_deep(root) if finding.is_problem]


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["doctor", "--deep", *arguments], catch_exceptions=False)


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def shard(root: Path) -> Path:
    return next((root / "data/hub" / SCALE / DATASET / "data").glob("train-*"))


def test_a_whole_project_has_no_problem(project: Path) -> None:
    found = {finding.what: finding for finding in examine_deep(project)}
    assert not [finding for finding in found.values() if finding.is_problem]
    assert "as their manifest says" in found[f"store {SCALE}/{DATASET}"].found
    assert "60 images" in found[f"published {SCALE}/{DATASET}"].found
    assert {"packages", "DVC links", "DVC cache", "decisions toy", "space for sample"} <= set(found)
    assert doctor().exit_code == 0


def test_a_damaged_blob_is_set_aside_and_fetched_again(project: Path) -> None:
    blob = project / "data/store" / SCALE / DATASET / "images.tar"
    manifest = project / "results/fetch" / SCALE / DATASET / "manifest.json"
    flip(blob)
    damaged, before = blob.read_bytes(), json.loads(manifest.read_text())
    dry = doctor()
    assert dry.exit_code == 1
    assert f"{blob}" in dry.stdout
    assert blob.read_bytes() == damaged
    mended = doctor("--repair")
    assert mended.exit_code == 0, mended.stdout
    assert "now run `dvc repro`" in mended.stdout
    assert not blob.exists()
    assert (project / "data/store/.quarantine" / SCALE / DATASET / "images.tar").read_bytes() == damaged
    after = json.loads(manifest.read_text())
    assert after != before, "DVC would not run fetch again"
    assert [(f["name"], f["sha256"]) for f in after["files"]] == [
        (f["name"], f["sha256"]) for f in before["files"]
    ]
    (again,) = problems(project)
    assert "files are missing" in again.found
    assert again.repair is None


def test_a_second_damaged_blob_of_the_name_keeps_the_first(project: Path) -> None:
    blob = project / "data/store" / SCALE / DATASET / "images.tar"
    whole = blob.read_bytes()
    for _ in range(2):
        blob.write_bytes(whole[:-1])
        doctor("--repair")
    aside = project / "data/store/.quarantine" / SCALE / DATASET
    assert sorted(path.name for path in aside.iterdir()) == ["images.tar", "images.tar.1"]


def test_unknown_files_go_after_a_day_and_downloads_are_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = project / "data/store" / SCALE / DATASET
    (store / "old.tar").touch()
    (store / "coming.tar.part").touch()
    (store / "images.tar.part").touch()  # of a file that has long come
    assert problems(project) == []
    later(monkeypatch)
    assert {Path(finding.what).name for finding in problems(project)} == {"old.tar", "images.tar.part"}
    assert doctor("--repair").exit_code == 0
    assert (store / "coming.tar.part").exists()
    assert not (store / "old.tar").exists()
    assert (store / "images.tar").exists()


def test_files_that_a_registry_knows_are_never_removed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = project / "data/store/full/gldv2"
    store.mkdir(parents=True)
    (store / "train").mkdir()
    by_hand = store / "train/images_000.tar"
    by_hand.touch()
    (project / "results/fetch/full/gldv2").mkdir(parents=True)
    (project / "results/fetch/full/gldv2/manifest.json").write_text(
        '{"dataset": "gldv2", "scale": "full", "files": []}'
    )
    later(monkeypatch)
    assert doctor("--repair").exit_code == 0
    assert by_hand.exists()


@pytest.mark.parametrize("name", [".toy.json.ab.tmp", ".toy.partial", ".toy.old"])
def test_leftovers_go_after_a_day(project: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    left = project / "data/hub" / SCALE / name
    left.mkdir()
    (left / "file").touch()
    assert problems(project) == []
    later(monkeypatch)
    with atomic_write(project / "data/tree/at-work.json"):
        (found,) = problems(project)
        assert found.what == str(left)
        assert doctor("--repair").exit_code == 0
    assert not left.exists()


def test_a_damaged_shard_is_set_aside(project: Path) -> None:
    path = shard(project)
    flip(path)
    (found,) = problems(project)
    assert found.what == str(path)
    assert f"dvc repro --force publish@{SCALE}-{DATASET}" in found.verdict
    assert doctor("--repair").exit_code == 0
    assert not path.exists()
    assert (project / "data/.quarantine/hub" / SCALE / DATASET / "data" / path.name).exists()


def test_a_shard_of_another_schema_is_found(project: Path) -> None:
    first, *_, table = shards_of(describe(project / "data/hub" / SCALE / DATASET))
    assert shard_fault(first) == ""
    assert "another schema" in shard_fault(Shard(first.path, first.file, pq.read_schema(table.path)))
    first.path.unlink()
    assert shard_fault(first) == "missing"


def without_stats(root: Path) -> None:
    (root / "data/hub" / SCALE / DATASET / "stats.json").unlink()


def of_another_tree(root: Path) -> None:
    tree = root / "data/hub" / SCALE / DATASET / "tree.json"
    tree.write_text(tree.read_text().replace("middle 1", "middle one"))


def with_a_cut_decision(root: Path) -> None:
    (root / "decisions/toy.jsonl").write_text('{"act": "acc')


def with_a_cut_manifest(root: Path) -> None:
    manifest = root / "results/fetch" / SCALE / DATASET / "manifest.json"
    manifest.write_text(manifest.read_text()[:50])


def with_a_damaged_cache(root: Path) -> None:
    path = root / ".dvc/cache/files/md5/d4/1d8cd98f00b204e9800998ecf8427e"  # of no bytes
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a byte")


@pytest.mark.parametrize(
    ("break_it", "found", "todo"),
    [
        (without_stats, "no stats.json", "dvc repro --force publish@"),
        (of_another_tree, "another tree", "dvc repro --force publish@"),
        (with_a_cut_decision, "not JSON", "by hand"),
        (with_a_cut_manifest, "not JSON", "remove it"),
        (with_a_damaged_cache, "other bytes than its name says", "quarantine it"),
    ],
)
def test_what_is_broken_is_named(
    project: Path, break_it: Callable[[Path], None], found: str, todo: str
) -> None:
    break_it(project)
    (problem,) = problems(project)
    assert found in problem.found
    assert todo in problem.verdict
    before = (project / "decisions/toy.jsonl").read_bytes()
    assert doctor("--repair").exit_code == (0 if problem.repair else 1)
    assert (project / "decisions/toy.jsonl").read_bytes() == before


def test_a_model_of_another_tree_or_with_other_weights_is_found(project: Path) -> None:
    from cairnhub.training.models import ModelDescription, RetrievalModel, save_model
    from cairnhub.training.recipes.recipe import load_recipe

    network = load_recipe("small").network
    folder = project / "models" / SCALE / DATASET
    folder.mkdir(parents=True)
    save_model(folder, RetrievalModel(network), ModelDescription("small", network, ("fine",), "other", 0))
    (problem,) = problems(project)
    assert "another tree" in problem.found
    (folder / "model.safetensors").write_bytes(np.zeros(100, np.uint8).tobytes())
    (problem,) = problems(project)
    assert "do not fit together" in problem.found


def test_versions_out_of_bounds_and_a_full_disk_are_found(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = machine.metadata.version
    monkeypatch.setattr(machine.metadata, "version", lambda name: "0.1" if name == "pyarrow" else known(name))
    (problem,) = problems(project)
    assert (problem.what, problem.found) == ("pyarrow", "0.1")
    assert "pip install 'pyarrow>=17'" in problem.verdict
    monkeypatch.setattr(machine.metadata, "version", known)
    raw = yaml.safe_load((project / "params.yaml").read_text())
    raw.update(scales=["full"], datasets=["cub"], tree_from_data=["cub"], tree_from_text=[], train_on=[])
    (project / "params.yaml").write_text(yaml.safe_dump(raw))
    usage = shutil.disk_usage(project)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage._replace(free=10**6))
    (problem,) = [found for found in problems(project) if found.what.startswith("space")]
    assert "make room" in problem.verdict


def test_shards_that_are_copies_are_seen_on_the_disk(project: Path) -> None:
    def links() -> Diagnosis:
        (finding,) = [each for each in examine_deep(project) if each.what == "DVC links"]
        return finding

    if not links().found.startswith("hardlink"):
        pytest.skip("this disk has reflinks, or no hard links")
    assert "shards are copies" in links().verdict
    for shard in (project / "data/hub").glob("*/*/data/*.parquet"):
        cached = project / ".dvc/cache" / shard.name
        cached.hardlink_to(shard)
    assert links().verdict == "ok"


def test_repair_goes_with_deep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["cairn", "doctor", "--repair"])
    with pytest.raises(SystemExit, match="--repair goes with --deep"):
        program.main()


def test_a_cache_that_is_shared_is_the_one_that_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / ".dvc"
    folder.mkdir()
    assert cache_folder(tmp_path) == folder / "cache"
    (folder / "config").write_text('[cache]\n    type = "hardlink,copy"\n    dir = ../beside\n')
    assert cache_folder(tmp_path) == folder / "../beside"
    (folder / "config.local").write_text("[cache]\n    dir = /big/disk\n['remote \"beside\"']\n    url = x\n")
    assert cache_folder(tmp_path) == Path("/big/disk")
