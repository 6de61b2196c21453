"""Vectors go out as an index of a search engine, and its own reader finds what the model finds."""

import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from cairnhub import __main__ as program
from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.card import Card
from cairnhub.datasets_hub.records import ImageRow, RowList
from cairnhub.datasets_hub.writer import write_dataset
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.export_index import RECORD, export_index
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.retrieval_commands import search
from cairnhub.training.models import ModelDescription, save_model, untrained_model
from cairnhub.training.recipes.recipe import load_recipe
from tests.pipelines.tiny import photograph

LABELS = pd.DataFrame({"species": ["crow", "jay", "owl"], "genus": ["corvid", "corvid", "strix"]})
N = {"train": 7, "test": 5}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A checkout with a model and twelve images, one of them without a label."""
    root = tmp_path / "project"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).touch()
    made = Paths(root, "sample", "birds")
    tree = LabelTree.from_table(LABELS, ["species", "genus"])
    card = Card(
        name="birds",
        title="Birds",
        description="Drawn.",
        licence="mine",
        redistributable=False,
        levels=tree.levels,
        annotation_origin="given",
    )
    rows = [
        ImageRow(photograph(i), f"{split}/{i}.jpg", f"{split} {i}", split, tree.leaves[i % 3] if i else None)
        for split, n in N.items()
        for i in range(n)
    ]
    write_dataset(made.hub, card, tree, [RowList(rows)])
    network = load_recipe("small").network
    made.model.mkdir(parents=True)
    description = ModelDescription("small", network, tree.levels, tree.fingerprint, 0)
    save_model(made.model, untrained_model(network, 0), description)
    monkeypatch.chdir(root)
    return made


def nearest_by(folder: Path, engine: str, wanted: np.ndarray, k: int) -> list[str]:
    """Ids that the engine's own reader finds, nearest first."""
    ids = pq.read_table(folder / "ids.parquet")["image_id"].to_pylist()
    if engine == "faiss":
        import faiss

        index = faiss.read_index(str(folder / "index.faiss"))
        return [ids[row] for row in index.search(wanted[None], k)[1][0]]
    if engine == "usearch":
        from usearch.index import Index

        index = Index.restore(str(folder / "index.usearch"))
        return [ids[int(row)] for row in index.search(wanted, k).keys]
    import lancedb

    table = lancedb.connect(str(folder / "lancedb")).open_table("images")
    return [row["image_id"] for row in table.search(wanted).distance_type("dot").limit(k).to_list()]


@pytest.mark.parametrize("engine", ["faiss", "usearch", "lancedb"])
def test_an_index_finds_what_the_model_finds(paths: Paths, tmp_path: Path, engine: str) -> None:
    pytest.importorskip(engine)
    done = export_index("birds", "birds", engine, tmp_path / "index")
    assert (done.n_vectors, done.n_dimensions) == (12, 128)
    picture = tmp_path / "wanted.jpg"
    picture.write_bytes(photograph(3))
    expected = search("birds", picture, "birds", None, 4)
    ids = pq.read_table(tmp_path / "index" / "ids.parquet").to_pandas()
    kept = {
        path.name.split("-")[1].split(".")[0]: load_file(path)["embeddings"]
        for path in paths.image_vectors.glob("*.safetensors")
    }
    vectors = np.concatenate([kept["train"], kept["test"]])
    wanted = vectors[ids.index[ids["image_id"] == "train 3"][0]]
    found = nearest_by(tmp_path / "index", engine, wanted, 4)
    assert set(found) == {neighbour.image_id for neighbour in expected}
    row = ids.set_index("image_id").loc["train 4"]
    assert (row["split"], row["species"], row["genus"]) == ("train", "jay", "corvid")
    assert pd.isna(ids.set_index("image_id").loc["test 0", "species"])
    again = export_index("birds", "birds", engine, tmp_path / "again", splits=["test"])
    assert again.n_vectors == 5
    assert (tmp_path / "again" / "tree.json").read_bytes() == (paths.hub / "tree.json").read_bytes()


def test_kept_vectors_have_their_ids_beside_them(paths: Paths, tmp_path: Path) -> None:
    picture = tmp_path / "wanted.jpg"
    picture.write_bytes(photograph(3))
    search("birds", picture, "birds", None, 4)
    kept = sorted(paths.image_vectors.glob("*.safetensors"))
    assert len(kept) == 2
    for path in kept:
        ids = pq.read_table(path.with_suffix(".ids.parquet"))["image_id"].to_pylist()
        split = path.stem.split("-")[1]
        assert sorted(ids) == sorted(f"{split} {i}" for i in range(N[split]))
        assert len(load_file(path)["embeddings"]) == len(ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["birds", "--to", "annoy"], "no index 'annoy'; there are 'faiss', 'usearch', 'lancedb'"),
        (["fish", "--to", "usearch"], "no model 'fish'"),
        (["birds", "--to", "usearch", "--dataset", "fish"], "no dataset 'fish'"),
        (["birds", "--to", "usearch", "--split", "tets"], "no split 'tets'; did you mean 'test'"),
        (["birds", "--to", "usearch", "--output", "photos"], f"no {RECORD} in it"),
    ],
)
def test_the_command_refuses_in_one_line(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    if "usearch" in arguments:
        pytest.importorskip("usearch")
    (paths.root / "photos").mkdir()
    (paths.root / "photos" / "a.jpg").touch()
    assert _ended(monkeypatch, arguments).count("\n") == 0
    assert message in _ended(monkeypatch, arguments)
    assert sorted(path.name for path in paths.root.iterdir() if path.is_dir()) == ["data", "models", "photos"]


@pytest.mark.parametrize("engine", ["faiss", "usearch", "lancedb"])
def test_a_missing_package_is_named_before_anything_is_embedded(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    class Absent:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == engine:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    for name in [name for name in sys.modules if name.partition(".")[0] == engine]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    package = {"faiss": "faiss-cpu"}.get(engine, engine)
    assert f"the package {package} is missing" in _ended(monkeypatch, ["birds", "--to", engine])
    assert not paths.image_vectors.exists()


def test_an_index_is_not_written_into_the_dataset(paths: Paths) -> None:
    pytest.importorskip("usearch")
    shutil.rmtree(paths.image_vectors, ignore_errors=True)
    with pytest.raises(BadInput, match="the folder of the dataset itself"):
        export_index("birds", "birds", "usearch", paths.hub / "index")


def _ended(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> str:
    monkeypatch.setattr("sys.argv", ["cairn", "export-index", *arguments])
    with pytest.raises(SystemExit) as ended:
        program.main()
    return str(ended.value)
