"""Hashes that the authors publish beside their files."""

import hashlib
import shutil
from dataclasses import replace

import pytest
import yaml

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import Params, validate
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.sources import fetching
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.formats.gldv2.published_hashes import hash_files, with_published_hashes
from cairnhub.pipelines.sources.registry import REGISTRIES, read_registry, write_registry
from tests.project import ROOT


@pytest.fixture
def gldv2(drawn, tmp_path):
    shutil.copytree(drawn / "gldv2", tmp_path / "gldv2")
    rows = read_registry(tmp_path / "gldv2/registry.tsv")
    return tmp_path / "gldv2", [replace(row, hash=None) if row.name.endswith(".tar") else row for row in rows]


def test_tars_get_the_published_md5(gldv2):
    folder, rows = gldv2
    tars = [row for row in with_published_hashes(rows, folder) if row.name.endswith(".tar")]
    assert tars
    for row in tars:
        assert row.hash == f"md5:{hashlib.md5((folder / row.name).read_bytes()).hexdigest()}"


def test_a_damaged_tar_is_refused_by_the_published_md5(gldv2, tmp_path):
    folder, rows = gldv2
    tar = folder / "index/images_000.tar"
    content = bytearray(tar.read_bytes())
    content[700] ^= 1
    tar.write_bytes(content)
    with pytest.raises(CairnError, match=r"index/images_000\.tar"):
        fetch_all(with_published_hashes(rows, folder), tmp_path / "store", str(folder))


@pytest.mark.parametrize("text", ["", "<html>404</html>", "0" * 32 + "  images_001.tar"])
def test_a_hash_file_that_says_something_else_is_named(gldv2, text):
    folder, rows = gldv2
    (folder / "md5sum/train/md5.images_000.txt").write_text(text)
    with pytest.raises(CairnError, match=r"md5\.images_000\.txt: expected the MD5 of train/images_000\.tar"):
        with_published_hashes(rows, folder)


def test_the_committed_registry_of_gldv2_is_whole(tmp_path):
    rows = read_registry(REGISTRIES / "gldv2.tsv")
    tars = [row for row in rows if row.name.endswith(".tar")]
    assert len(tars) == 500 + 100 + 20
    assert len(hash_files(rows)) == sum(row.hash is None for row in tars)
    write_registry(tmp_path / "copy.tsv", rows)
    assert read_registry(tmp_path / "copy.tsv") == rows


def test_register_records_the_published_hashes_once(gldv2, tmp_path, monkeypatch):
    folder, rows = gldv2
    (tmp_path / "registries").mkdir()
    path = tmp_path / "registries/gldv2.tsv"
    write_registry(path, rows)
    monkeypatch.setattr(fetching, "REGISTRIES", path.parent)
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["fetch"]["full"]["mirrors"] = {"gldv2": str(folder)}
    params = validate(Params, raw, "params.yaml")
    context = Context("gldv2", "full", params, Paths(tmp_path, "full", "gldv2"))
    n_tars = sum(row.name.endswith(".tar") for row in rows)
    assert [fetching.register(context), fetching.register(context)] == [n_tars, 0]
    for row in read_registry(path):
        if row.name.endswith(".tar"):
            assert row.hash == f"md5:{hashlib.md5((folder / row.name).read_bytes()).hexdigest()}"
    stored = {file.name for file in context.paths.store.rglob("*") if file.is_file()}
    assert not any(name.endswith(".tar") for name in stored)
