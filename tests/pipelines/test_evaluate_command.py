"""`cairn evaluate`: embeddings from files, labels from a table or a published dataset."""

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from cairnhub import __main__ as program
from cairnhub import evaluate_embeddings
from cairnhub.datasets_hub.card import EvaluationProtocol
from cairnhub.datasets_hub.open_split import read_columns
from cairnhub.pipelines import cli
from tests.datasets_hub.hub_toy import N_IMAGES, toy_card, write_toy

N = 40
RNG = np.random.default_rng(0)
SPECIES = RNG.integers(0, 6, N)
VECTORS = (RNG.normal(size=(6, 5))[SPECIES] + RNG.normal(size=(N, 5))).astype(np.float32)
TABLE = pd.DataFrame(
    {
        "image_id": [f"i{row}" for row in range(N)],
        "species": [f"s{code}" for code in SPECIES],
        "genus": [f"g{code // 2}" for code in SPECIES],
    }
)
EXPECTED = evaluate_embeddings(VECTORS, TABLE[["species", "genus"]])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("e.npy", VECTORS)
    save_file({"embeddings": VECTORS, "other": VECTORS[:3]}, "e.safetensors")
    order = RNG.permutation(N)
    shuffled = {"image_id": TABLE["image_id"][order].tolist(), "vector": VECTORS[order].tolist()}
    pq.write_table(pa.table(shuffled), "e.parquet")
    TABLE.to_csv("labels.csv", index=False)
    return tmp_path


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    protocols = (
        EvaluationProtocol(name="main", query="test", gallery="test"),
        EvaluationProtocol(name="across", query="test", gallery="train", levels=("coarse",)),
    )
    write_toy(folder / "sample/toy", card=toy_card(protocols=protocols))
    return folder


def cairn(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["evaluate", *arguments], catch_exceptions=False)


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the program ends with."""
    monkeypatch.setattr(sys, "argv", ["cairn", "evaluate", *arguments])
    with pytest.raises(SystemExit) as ended:
        program.main()
    said = str(ended.value)
    assert said.startswith("error: ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("kind", ["npy", "safetensors", "parquet"])
def test_every_kind_of_file_gives_the_same(files: Path, kind: str):
    done = cairn("--embeddings", f"e.{kind}", "--labels", "labels.csv", "--json", "out.json")
    assert done.exit_code == 0
    if kind != "parquet":  # whose rows are in another order
        assert str(EXPECTED) in done.stdout
    saved = json.loads(Path("out.json").read_text())
    h_ap = saved["metrics"]["overall"]["h_ap"]["value"]
    assert h_ap == pytest.approx(EXPECTED.values["h_ap"], abs=1e-12)
    assert len(saved["nodes"]) == len(EXPECTED.nodes) == 9


def test_columns_and_a_gallery(files: Path):
    np.save("g.npy", VECTORS[:10])
    TABLE[:10].to_csv("g.csv", index=False)
    given = ["--embeddings", "e.npy", "--labels", "labels.csv", "--levels", "genus"]
    cairn(*given, "--gallery", "g.npy", "--gallery-labels", "g.csv", "--json", "out.json")
    saved = json.loads(Path("out.json").read_text())
    assert list(saved["metrics"]["levels"]) == ["genus"]
    assert (saved["n_queries"], saved["n_gallery"]) == (N, 10)


def test_a_published_dataset(files: Path, hub: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CAIRN_HUB", str(hub))
    vectors = {split: RNG.normal(size=(n, 8)) for split, n in N_IMAGES.items()}
    for split, rows in vectors.items():
        np.save(f"{split}.npy", rows)
    done = cairn("--embeddings", "test.npy", "--labels", "toy", "--json", "out.json")
    assert done.exit_code == 0
    alone = evaluate_embeddings(vectors["test"], "toy", hub=hub)
    assert Path("out.json").read_text() == alone.to_json() + "\n"
    assert alone.metrics.levels == ("fine", "middle", "coarse")
    given = ["--embeddings", "test.npy", "--labels", "toy", "--protocol", "across", "--gallery", "train.npy"]
    cairn(*given, "--json", "across.json")
    assert list(json.loads(Path("across.json").read_text())["metrics"]["levels"]) == ["coarse"]
    # by ids, in another order
    ids = read_columns("toy", "test", ["image_id"], hub=hub)["image_id"].to_pylist()
    order = RNG.permutation(len(ids))
    shuffled = {"image_id": [ids[row] for row in order], "vector": vectors["test"][order].tolist()}
    pq.write_table(pa.table(shuffled), "ids.parquet")
    cairn("--embeddings", "ids.parquet", "--labels", "toy", "--split", "test", "--json", "ids.json")
    by_id = json.loads(Path("ids.json").read_text())
    assert by_id["metrics"] == json.loads(Path("out.json").read_text())["metrics"]


def array(rows: np.ndarray) -> dict[str, np.ndarray]:
    return {"bad.npy": rows}


def huge() -> bytes:
    """A header that promises more than the file has."""
    file = io.BytesIO()
    np.save(file, VECTORS)
    return file.getvalue().replace(b"(40, 5), }     ", b"(4000000, 5), }")


def with_value(row: int, value: float) -> np.ndarray:
    rows = VECTORS.copy()
    rows[row] = value
    return rows


@pytest.mark.parametrize(
    ("made", "arguments", "said"),
    [
        (with_value(7, np.nan), [], r"bad\.npy: row 7: NaN or infinity"),
        (with_value(3, 0), [], r"bad\.npy: row 3: all zeros"),
        (VECTORS[0], [], r"bad\.npy: float32 of shape \(5,\); wanted"),
        (VECTORS[:9], [], r"bad\.npy: 9 vectors for 40 rows of labels\.csv"),
        (np.ones((N, 5), int), [], r"bad\.npy: int64 of shape"),
        (np.array([{}, []], object), [], r"bad\.npy: not a plain array of numpy"),
        (huge(), [], r"bad\.npy: not a plain array of numpy"),
        (b"no array", [], r"bad\.npy: not a plain array of numpy"),
        (None, [], r"bad\.npy: no such file; give embeddings as \.npy"),
        (VECTORS, ["--labels", "no.csv"], r"no\.csv: no such file"),
        (VECTORS, ["--levels", "family"], r"labels\.csv: no column 'family'"),
        (VECTORS, ["--split", "test"], r"--protocol, --split and --scale are of a published dataset"),
        (VECTORS, ["--gallery", "e.npy"], r"--gallery and --gallery-labels go together"),
        (VECTORS[:, :3], ["--gallery", "e.npy"], r"e\.npy: 5 dimensions, where bad\.npy has 3"),
        (VECTORS, ["--labels", "torn.csv"], r"torn\.csv: level 'species': 1 label\(s\) with two parents"),
        (VECTORS, ["--labels", "twice.csv"], r"twice\.csv:3: image_id 'i0' stands there for the second time"),
        (VECTORS, ["--labels", "cut.csv"], r"cut\.csv:3: cells: 1"),
        (VECTORS, ["--labels", "nowhere"], r"nowhere"),
    ],
)
def test_what_does_not_fit_names_file_and_row(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    hub: Path,
    made: object,
    arguments: list[str],
    said: str,
):
    monkeypatch.setenv("CAIRN_HUB", str(hub))
    if isinstance(made, bytes):
        Path("bad.npy").write_bytes(made)
    elif made is not None:
        np.save("bad.npy", made)
    torn = TABLE.assign(genus=["x", *TABLE["genus"][1:]])
    torn.to_csv("torn.csv", index=False)
    TABLE.assign(image_id=["i0", "i0", *TABLE["image_id"][2:]]).to_csv("twice.csv", index=False)
    Path("cut.csv").write_text("species,genus\na,b\nc\n")
    given = ["--embeddings", "bad.npy", "--labels", "labels.csv", *arguments, "--json", "out.json"]
    assert re.search(said, refused(monkeypatch, capsys, *given))
    assert not Path("out.json").exists()


def test_ids_that_nobody_knows_are_named(
    files: Path, hub: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CAIRN_HUB", str(hub))
    strange = {"image_id": ["i1", "what"], "vector": VECTORS[:2].tolist()}
    pq.write_table(pa.table(strange), "strange.parquet")
    said = refused(monkeypatch, capsys, "--embeddings", "strange.parquet", "--labels", "labels.csv")
    assert "strange.parquet: row 1: image_id 'what' is not in labels.csv" in said
    said = refused(monkeypatch, capsys, "--embeddings", "strange.parquet", "--labels", "toy")
    assert "strange.parquet: row 0: image_id 'i1' is not in split 'test' of toy" in said
    ids = read_columns("toy", "test", ["image_id"], hub=hub)["image_id"].to_pylist()
    pq.write_table(pa.table({"image_id": ids[:2], "vector": VECTORS[:2].tolist()}), "few.parquet")
    said = refused(monkeypatch, capsys, "--embeddings", "few.parquet", "--labels", "toy")
    assert "few.parquet: no vector for 58 of 60 images of split 'test' of toy" in said
    pq.write_table(pa.table({"vector": [[1.0, 2.0], [1.0]]}), "ragged.parquet")
    said = refused(monkeypatch, capsys, "--embeddings", "ragged.parquet", "--labels", "labels.csv")
    assert "ragged.parquet: row 1: 1 numbers, where row 0 has 2" in said
    said = refused(monkeypatch, capsys, "--embeddings", "e.npy", "--labels", "toy", "--protocol", "nosuch")
    assert "toy has no protocol 'nosuch'; it has 'main', 'across'" in said
    said = refused(monkeypatch, capsys, "--embeddings", "e.npy", "--labels", "toy", "--split", "nosuch")
    assert "toy has no split 'nosuch'; there are 'train', 'test'" in said
