"""Bad input for every command: one message that says what to do, no traceback, nothing written.

The rows share one small project, which none of them may change. `{csv}` and the like stand for a file of this ending in
four states: missing, empty, binary rubbish, and a folder; `{}` for one without an ending.
"""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer

from cairnhub import __main__ as program
from cairnhub.datasets_hub.loader import load_tree
from cairnhub.datasets_hub.records import RowList
from cairnhub.pipelines import cli
from cairnhub.training.models import ModelDescription, RetrievalModel, save_model
from cairnhub.training.recipes.recipe import load_recipe
from tests.datasets_hub.hub_toy import toy_row, toy_tree, write_toy
from tests.project import ROOT

pytestmark = pytest.mark.xdist_group("bad_input")  # one project for all
STATES = ("missing", "empty", "rubbish", "folder")
ENDINGS = ("csv", "json", "jpg", "npy", "parquet", "safetensors", "tsv", "txt", "")
ROWS: dict[str, tuple[tuple[str, str], ...]] = {
    "datasets": (("datasets nonsense", "No such command 'nonsense'"), ("datasets --scael", "No such option")),
    "datasets check": (
        ("datasets check toi", "did you mean 'toy'"),
        ("datasets check toy --scale big", r"toy \(sample\)"),
        ("datasets check {}", "no dataset"),
        ("datasets check toy --page folder", "folder is a folder: name a file"),
        ("datasets check toy --page empty/x.html", "empty is a file: name a folder"),
        ("datasets check toy --duplicates folder.parquet", "is a folder: name a file"),
    ),
    "datasets diff": (
        ("datasets diff toy toi", "did you mean 'toy'"),
        ("datasets diff {} toy", "no dataset"),
        ("datasets diff toy toy --revision-before v9", "no versions/v9"),
    ),
    "push": (
        ("push toi --to out", "did you mean 'toy'"),
        ("push {} --to out", "no dataset"),
        ("push toy --to empty", "Not a directory"),
        ("push toy --to hf://", "hf://org/name"),
        ("push toy --to s3://", "s3://bucket/prefix"),
        ("push toy --to gopher://x/y", "gopher:// is not known; use a path"),
        ("push toy --to data/hub/sample/toy", "give another place"),
        ("push toy --to ../out", "without `..`"),
        ("push toy --to out --licence MIT", "are for models"),
        ("push models/sample/toy --to out --labels-only", "are for datasets"),
        ("push models/sample/toy --to out --evaluation {}", "with --evaluation"),
        ("push models/sample/toy --to out --trained-on toi", "did you mean 'toy'"),
    ),
    "publish": (("publish toi --to out", "did you mean 'toy'"),),
    "rollback": (
        ("rollback {} v1", r"no version|Not a directory"),
        ("rollback data/hub/sample/toy v1", "no version 'v1'"),
        ("rollback hf://x v1", "give an organisation and a name"),
    ),
    "export": (
        ("export toi --to coco", "did you mean 'toy'"),
        ("export {} --to coco --output out", "no dataset"),
        ("export toy --to cocoa", "did you mean 'coco'"),
        ("export toy --to coco --split tset", "did you mean 'test'"),
        ("export toy --to coco --level finr", "did you mean 'fine'"),
        ("export toy --to coco --output empty", "empty is a file: name a folder"),
        ("export toy --to coco --output photos", "give a new folder"),
    ),
    "export-index": (
        ("export-index toi --to faiss", "did you mean 'toy'"),
        ("export-index {} --to faiss", "no model|no dataset"),
        ("export-index toy --to fais", "did you mean 'faiss'"),
        ("export-index toy --to faiss --dataset toi", "did you mean 'toy'"),
        ("export-index toy --to faiss --split tset", "did you mean 'test'"),
        ("export-index toy --to faiss --output empty/x", "empty is a file: name a folder"),
    ),
    "retrieve": (
        ("retrieve toi toy", "did you mean 'toy'"),
        ("retrieve {} toy", "no model|model.json is missing"),
        ("retrieve toy toi", "did you mean 'toy'"),
        ("retrieve toy toy --protocol mian", "did you mean 'main'"),
        ("retrieve toy toy --output folder", "folder is a folder: name a file"),
    ),
    "map": (
        ("map toi toy", "did you mean 'toy'"),
        ("map {} toy", "no model|model.json is missing"),
        ("map toy toi", "did you mean 'toy'"),
        ("map toy toy --protocol mian", "did you mean 'main'"),
        ("map toy toy --output empty/x.html", "empty is a file"),
    ),
    "search": (
        ("search toi good.jpg", "did you mean 'toy'"),
        ("search toy {jpg}", "give (the path of one|another picture)"),
        ("search toy good.jpg -k 0", "greater than or equal to 1"),
        ("search toy good.jpg --dataset toi", "did you mean 'toy'"),
    ),
    "evaluate": (
        ("evaluate --embeddings {npy} --labels good.csv", "give embeddings as|write it by numpy.save"),
        ("evaluate --embeddings {parquet} --labels good.csv", "give embeddings as|write it again"),
        ("evaluate --embeddings {safetensors} --labels good.csv", "give embeddings as|write it again"),
        ("evaluate --embeddings good.csv --labels good.csv", "embeddings are read from .npy"),
        ("evaluate --embeddings good.npy --labels {csv}", "a column per level|save it as a CSV"),
        ("evaluate --embeddings good.npy --labels toi", "did you mean 'toy'"),
        ("evaluate --embeddings good.npy --labels good.csv --levels finr", "its columns are"),
        ("evaluate --embeddings good.npy --labels good.csv --gallery-labels good.csv", "give both or neither"),
        ("evaluate --embeddings good.npy --labels good.csv --protocol main", "of a published dataset"),
        ("evaluate --embeddings good.npy --labels toy --levels fine", "leave --gallery-labels and --levels out"),
        ("evaluate --embeddings good.npy --labels toy --protocol mian", "did you mean 'main'"),
        ("evaluate --embeddings good.npy --labels toy --split tset", "did you mean 'test'"),
        ("evaluate --embeddings good.npy --labels good.csv --json folder", "folder is a folder: name a file"),
    ),
    "benchmark": (
        ("benchmark --models toi --datasets toy", "did you mean 'toy'"),
        ("benchmark --models {} --datasets toy", "no model|model.json is missing"),
        ("benchmark --models toy --datasets toi", "did you mean 'toy'"),
        ("benchmark --models toy --datasets ,", "need a name each"),
        ("benchmark --models toy --datasets toy --output empty", "empty is a file: name a folder"),
        ("benchmark --models toy --datasets toy --pooling avrage", "did you mean 'average'"),
    ),
    "review": (
        ("review gldv3", "did you mean 'gldv2'"),
        ("review inat2018", "nothing to propose or to review"),
        ("review gldv2", "run `dvc repro cluster@sample-gldv2` first"),
        ("review gldv2 --scale big", "choose one of sample, full"),
        ("review gldv2 --limit -1", "greater than or equal to 1"),
        ("review gldv2 --app --port 70000", "less than or equal to 65535"),
    ),
    "stage": (
        ("stage fetsch gldv2", "did you mean 'fetch'"),
        ("stage fetch", "works on one dataset"),
        ("stage fetch gldv3", "did you mean 'gldv2'"),
        ("stage fetch gldv2 big", "choose one of sample, full"),
        ("stage plan gldv2", "works on all datasets"),
        ("stage train dyml_animal", "name one there"),
        ("stage publish gldv2", "run `cairn stage index gldv2 sample`"),
    ),
    "graph": (("graph --chek", "No such option"), ("graph extra", "unexpected extra argument")),
    "build": (
        ("build chekc", "did you mean 'check'"),
        ("build check@sample-gldv3", "did you mean 'check@sample-gldv2'"),
    ),
    "include": (
        ("include gldv3", "did you mean 'gldv2'"),
        ("include cub --scale big", "choose one of sample, full"),
        ("include cub --mirror missing", "give the folder or URL"),
        ("include cub --mirror rubbish", "give the folder or URL"),
        ("include cub --labels folders", "declared already; edit"),
        ("include mine --mirror photos --labels {csv}", "name the CSV with --labels"),
        ("include mine --mirror folder --labels folders", "no image in it; name the folder"),
        ("include mine --mirror photos --sizes x", "give whole numbers"),
        ("include mine --mirror photos --depth 99", "less than or equal to 20"),
        ("include ../x --mirror photos --labels folders", "is no name for a dataset"),
    ),
    "site": (
        ("site --output photos", "name another folder"),
        ("site --output empty", "empty is a file: name a folder"),
    ),
    "register": (
        ("register gldv3", "did you mean 'gldv2'"),
        ("register gldv2 big", "choose one of sample, full"),
        ("register crockery", "there is no such registry; write one"),
    ),
    "recipes": (("recipes extra", "unexpected extra argument"),),
    "doctor": (
        ("doctor --repair", "goes with --deep"),
        ("doctor --depe", "No such option"),
    ),
    "init": (
        ("init new --images {}", "give the folder|name the folder"),
        ("init new --images photos --labels {csv}", "name a CSV|column|save it as a CSV"),
        ("init new --images photos --labels {json}", "name a CSV|Mend or remove it|save it as UTF-8"),
        ("init new --images photos --labels good.csv", "name the folder that the paths are seen from"),
        ("init empty --images photos", "is a file: name a folder"),
        ("init photos --images photos", "name a new or an empty folder"),
        ("init empty/new --images photos", "is a file"),
        ("init new --images photos --sizes 4,x", "give whole numbers"),
        ("init new --images photos --depth 0", "greater than or equal to 1"),
        ("init new --images photos --pack place", "auto"),
    ),
    "decisions import": (
        ("decisions import label-studio {json}", "give the JSON|Mend or remove it|save it as UTF-8|that you may read"),
        ("decisions import label-studo good.json", "label-studio is known"),
    ),
    "tree show": (
        ("tree show toi", "did you mean 'toy'"),
        ("tree show {json}", "give the path|Mend or remove it|save it as UTF-8|that you may read"),
        ("tree show toy --depth 0", "greater than or equal to 1"),
        ("tree show toy --min-count -1", "greater than or equal to 0"),
    ),
    "tree find": (
        ("tree find {json} x", "give the path|Mend or remove it|save it as UTF-8|that you may read"),
        ("tree find toi x", "did you mean 'toy'"),
        ("tree find toy x --limit 0", "greater than or equal to 1"),
    ),
    "tree diff": (
        ("tree diff {json} toy", "give the path|Mend or remove it|save it as UTF-8|that you may read"),
        ("tree diff toy toi", "did you mean 'toy'"),
    ),
    "tree compare": (
        ("tree compare toy {json}", "give the path|Mend or remove it|save it as UTF-8|that you may read"),
        ("tree compare toi toy", "did you mean 'toy'"),
    ),
    "tree export": (
        ("tree export {json}", "give the path|Mend or remove it|save it as UTF-8|that you may read"),
        ("tree export toy --form nwick", "choose one of 'newick'"),
    ),
    "tree html": (
        ("tree html toy --compare {json}", "give the path|Mend or remove it|save it as UTF-8|that you may read"),
        ("tree html toi", "did you mean 'toy'"),
        ("tree html toy --output folder", "folder is a folder: name a file"),
        ("tree html toy --output /proc/page.html", "/proc takes no new files"),
    ),
    "tree propose": (
        ("tree propose {txt}", "give a text file|give one in each line|save it as UTF-8"),
        ("tree propose {csv}", "give a text file|its first line must name|save it as a CSV"),
        ("tree propose {tsv}", "give a text file|its first line must name|save it as a CSV"),
        ("tree propose names.txt --names {txt}", "a group in each line|give one in each line|save it as UTF-8"),
        ("tree propose names.txt --sizes 2,3", "must fall from 4 labels"),
        ("tree propose names.txt --sizes -3", "must fall from 4 labels"),
        ("tree propose names.txt --depth 2 --levels a", "but 1 levels are named"),
        ("tree propose names.txt --depth 99", "less than or equal to 20"),
        ("tree propose good.csv --column finr", "did you mean 'fine'"),
        ("tree propose names.txt --pack place", "give one of"),
        ("tree propose names.txt --language klingon", "give one of"),
        ("tree propose names.txt --output folder", "folder is a folder: name a file"),
        ("tree propose names.txt --reasons empty/x", "empty is a file: name a folder"),
    ),
    "tree ask": (
        ("tree ask gldv2", "say which endpoint to ask"),
        ("tree ask gldv3 --url http://127.0.0.1:9/v1", "did you mean 'gldv2'"),
        ("tree ask inat2018 --url http://127.0.0.1:9/v1", "nothing to propose"),
        ("tree ask gldv2 --url http://127.0.0.1:9/v1 --below 7", "give 0 to 0.6"),
        ("tree ask gldv2 --url http://127.0.0.1:9/v1 --limit 0", "greater than or equal to 1"),
    ),
}  # fmt: skip
ROW = [
    pytest.param(number, *row, id=row[0])
    for number, row in enumerate(row for rows in ROWS.values() for row in rows)
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a published dataset, a model of it, and files of all kinds."""
    root = tmp_path_factory.mktemp("world")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root / name)
    hub = root / "data/hub/sample/toy"
    rows = [RowList([toy_row(split, i) for i in (1, 2)]) for split in ("train", "test")]
    write_toy(hub, tree=toy_tree(20), partitions=rows)
    network, tree = load_recipe("small").network, load_tree(hub)
    (root / "models/sample/toy").mkdir(parents=True)
    description = ModelDescription("small", network, tree.levels, tree.fingerprint, 0)
    save_model(root / "models/sample/toy", RetrievalModel(network), description)
    rubbish = np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8).tobytes()
    for ending in ENDINGS:
        suffix = f".{ending}" if ending else ""
        (root / f"empty{suffix}").touch()
        (root / f"rubbish{suffix}").write_bytes(rubbish)
        (root / f"folder{suffix}").mkdir()
    (root / "good.csv").write_text("path,fine,coarse\na.jpg,a,b\n")
    np.save(root / "good.npy", np.eye(1, 4, dtype=np.float32))
    (root / "names.txt").write_text("oak\nash\nrose\ntulip\n")
    for name in ("oak", "rose"):
        (root / "photos" / name).mkdir(parents=True)
        (root / "photos" / name / "1.jpg").write_bytes(toy_row("train", 1).image)
    shutil.copy(root / "photos/oak/1.jpg", root / "good.jpg")
    return root


def state(root: Path) -> dict[str, tuple[int, int]]:
    """Everything below a folder: its size and when it was written."""
    found = ((path, path.lstat()) for path in sorted(root.rglob("*")))
    return {str(path): (status.st_size, status.st_mtime_ns) for path, status in found}


def refused(line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command says that fails as it should."""
    monkeypatch.setattr(sys, "argv", ["cairn", *shlex.split(line)])
    before = state(Path.cwd())
    with pytest.raises(SystemExit) as stop:
        program.main()
    written = {path for path, _ in set(state(Path.cwd()).items()) ^ set(before.items())}
    assert not written, f"{line} left something behind"
    if isinstance(stop.value.code, str):
        assert re.match(r"error: [^\n]+$", stop.value.code), f"{line}: not one line: {stop.value.code}"
        return stop.value.code
    assert stop.value.code == 2, f"{line}: a mistake is no success"
    return " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split())  # typer says how it is used


def check(line: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CAIRN_HUB", "CAIRN_STORE", "CAIRN_LLM_URL"):
        monkeypatch.delenv(variable, raising=False)
    said = refused(line, capsys, monkeypatch)
    assert re.search(words, said), f"{line}: {said}"


def filled(line: str, which: str) -> str:
    """The line with a file in one state."""
    return re.sub(r"\{(\w*)\}", lambda wanted: f"{which}.{wanted[1]}".rstrip("."), line)


@pytest.mark.parametrize(("number", "line", "words"), ROW)
def test_a_mistake_says_what_to_do_and_leaves_nothing(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys, number: int, line: str, words: str
) -> None:
    monkeypatch.chdir(world)
    check(filled(line, STATES[number % len(STATES)]), words, capsys, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize(("number", "line", "words"), [row for row in ROW if "{" in row.values[1]])
def test_so_does_a_file_in_any_state(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys, number: int, line: str, words: str
) -> None:
    monkeypatch.chdir(world)
    for which in STATES[number % len(STATES) + 1 :] + STATES[: number % len(STATES)]:
        check(filled(line, which), words, capsys, monkeypatch)


def commands(group: typer.core.TyperGroup, above: str = "") -> Iterator[str]:
    """Every command, by its words; a group that does something by itself too."""
    for name, command in group.commands.items():
        words = f"{above}{name}"
        is_group = isinstance(command, typer.core.TyperGroup)
        if is_group:
            yield from commands(command, f"{words} ")
        if not is_group or command.invoke_without_command:
            yield words


def test_every_command_has_rows() -> None:
    known = set(commands(typer.main.get_command(cli.app)))
    assert known == {words for words, rows in ROWS.items() if rows}
    assert all(line.startswith(words) for words, rows in ROWS.items() for line, _ in rows)
