"""The whole graph on the sample: what `dvc repro` builds, rebuilds, and refuses."""

import io
import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cairnhub.pipelines.stage_graph import STAGES
from cairnhub.training.evaluation import headlines
from cairnhub.training.metrics.keys import from_json
from tests.explorer_data import data_of
from tests.project import BUILT, ROOT, Project, copy_repository

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("project"), pytest.mark.timeout(900)]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
FOREIGN = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "cairnhub":
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Blocker())
"""


def foreign(code: str, folder: Path, cache: Path) -> str:
    """Run code in another folder, in a process that cannot import our packages."""
    script = FOREIGN + textwrap.dedent(code)
    command = [sys.executable, "-I", "-c", script, str(folder), str(cache)]
    done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- what it builds ---------------------------------------------------------------------------------------


def test_every_dataset_is_published_and_checked(project: Project):
    for dataset in BUILT:
        report = json.loads((project.root / f"results/check/sample/{dataset}/report.json").read_text())
        assert report["ok"]
        for count in report["counts"].values():
            assert count["listed"] == count["published"] + count["quarantined"] + count["excluded"]


def test_a_second_run_finds_everything_up_to_date(project: Project):
    done = project.repro()
    assert "Running stage" not in done.stdout
    assert "up to date" in done.stdout


def test_the_graph_is_that_of_the_design(project: Project):
    stages = project.run("dvc", "stage", "list", "--name-only").stdout.split()
    assert {name.split("@")[0] for name in stages} == {stage.name for stage in STAGES}


def test_another_project_loads_it_with_datasets_alone(project: Project, tmp_path: Path):
    printed = foreign(
        """
        import json, sys
        from datasets import load_dataset
        dataset = load_dataset(sys.argv[1], cache_dir=sys.argv[2])
        nodes = load_dataset(sys.argv[1], "nodes", split="train", cache_dir=sys.argv[2]).to_pandas()
        row = dataset["train"][0]
        feature = dataset["train"].features["category"]
        found = nodes[(nodes["level"] == "category") & (nodes["class_index"] == row["category"])]["name"]
        print(json.dumps({
            "splits": {name: len(split) for name, split in dataset.items()},
            "columns": dataset["train"].column_names,
            "size": row["image"].convert("RGB").size,
            "category": feature.int2str(row["category"]),
            "by_node": list(found),
        }))
        """,
        project.root / "data/hub/sample/gldv2",
        tmp_path,
    )
    loaded = json.loads(printed)
    counts = json.loads((project.root / "data/index/sample/gldv2/counts.json").read_text())["splits"]
    assert loaded["splits"] == {split: count["indexed"] for split, count in counts.items()}
    assert loaded["columns"][:5] == ["image", "image_id", "landmark", "category", "kind"]
    assert min(loaded["size"]) > 30
    assert loaded["by_node"] == [loaded["category"]]


def test_a_project_with_cairn_loads_by_name(project: Project):
    code = (
        "from cairnhub import load_dataset, load_tree, list_datasets\n"
        "print(sorted(found.card.name for found in list_datasets()))\n"
        "print(load_tree('crockery').levels, load_dataset('crockery', split='train').num_rows)"
    )
    printed = project.run(sys.executable, "-c", code).stdout.splitlines()
    assert printed[0] == str(sorted(BUILT))
    assert printed[1].startswith("('fine', 'middle', 'coarse')")


def test_the_command_line_shows_datasets_and_trees(project: Project):
    assert "gldv2" in project.run("cairn", "datasets").stdout
    shown = project.run("cairn", "tree", "show", "gldv2").stdout
    assert "natural" in shown
    assert "human-made" in shown
    missing = project.run("cairn", "tree", "show", "gldv3", check=False)
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: no dataset 'gldv3'")
    assert "Traceback" not in missing.stderr


def test_metrics_are_there_for_model_and_baselines(project: Project):
    metrics = json.loads((project.root / "results/evaluate/sample/gldv2/metrics.json").read_text())
    assert set(metrics) == {"trained", "untrained", "colour_histogram"}
    for system in metrics.values():
        values, intervals = from_json(system["protocols"]["retrieval"])
        levels = ("landmark", "category", "kind")
        assert set(intervals) == set(headlines(levels)) <= set(values)
        assert all(0 <= value <= 1 for value in values.values())
        assert system["benchmark"]["all"]["overall"]["map_at"].keys() == {"100"}
    curve = pd.read_csv(project.root / "results/evaluate/sample/gldv2/loss.csv")
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0]
    project.run("dvc", "plots", "show", "-o", "plots")
    page = (project.root / "plots/index.html").read_text()
    drawn = ("loss", "h_ap", "levels", "precision_recall")
    assert all(f"results_evaluate_sample_gldv2_{name}_csv" in page for name in drawn)
    assert not (project.root / "data/checkpoints/sample/gldv2").exists()


def test_the_report_is_over_all_that_was_built(project: Project):
    page = (project.root / "results/report/index.html").read_text(encoding="utf-8")
    for dataset in BUILT:
        assert f'href="../report/sample/{dataset}/tree.txt"' in page  # which is in git, as the page is
        tree_page = f"data/report/sample/{dataset}/tree.html"
        assert (project.root / tree_page).stat().st_size < 15_000_000
    opening = 1  # the picture at the top: of gldv2 alone, as inat2018's may not be shown
    assert page.count('<figure class="query">') == 4 * len(PARAMS["train_on"]) + opening
    photos = {
        d: (project.root / f"data/report/sample/{d}/tree.html").read_text().count("data:image/jpeg")
        for d in ("gldv2", "inat2018")
    }
    assert photos["gldv2"] > 89
    assert photos["inat2018"] == 0, "its licence lets nobody pass images on"


def vectors_in(root: Path) -> dict[str, int]:
    """When each file of image vectors was written."""
    return {path.name: path.stat().st_mtime_ns for path in (root / "data/image_vectors").iterdir()}


def test_a_model_is_looked_at_and_searched_with(project: Project):
    project.run("cairn", "retrieve", "gldv2", "gldv2", "--output", "page.html")
    page = (project.root / "page.html").read_text(encoding="utf-8")
    assert page.count('id="sheet-') == 9, "859 images, a hundred a sheet"
    assert "H-AP over 89 queries: trained " in page
    save = (
        "from cairnhub import load_dataset\n"
        "load_dataset('gldv2', split='train')[0]['image'].convert('RGB').save('q.png')"
    )
    project.run(sys.executable, "-c", save)
    first = project.run("cairn", "search", "gldv2", "q.png")
    kept = vectors_in(project.root)
    assert "1.000" in first.stdout
    again = project.run("cairn", "search", "gldv2", "q.png")
    assert again.stdout == first.stdout
    assert kept
    assert vectors_in(project.root) == kept, "what was embedded is used again"
    missing = project.run("cairn", "retrieve", "gldv2", "gldv2", "--protocol", "none", check=False)
    assert missing.returncode == 1
    assert "has no protocol 'none'; it has 'retrieval'" in missing.stderr


@pytest.mark.long
def test_a_site_is_one_folder_whose_links_lead_somewhere(project: Project):
    project.run("cairn", "site")
    pages = sorted((project.root / "site").rglob("*.html"))
    results = {"card.html", "map.html", "retrieval.html", "tree.html"}
    for dataset in PARAMS["train_on"]:
        assert {page.name for page in pages if page.parent.name == dataset} == results
    for page in pages:
        hrefs = re.findall(r'<a href="([^"#]+)', page.read_text(encoding="utf-8"))
        assert all((page.parent / href).is_file() for href in hrefs)
    tree = (project.root / "site/sample/gldv2/tree.html").read_text(encoding="utf-8")
    told = json.dumps(data_of(tree)["trees"])
    assert '"pages": {"retrieval": "retrieval.html", "map": "map.html"}' in told


# ---- as DVC's users like it --------------------------------------------------------------------------------


def test_a_few_numbers_per_dataset_are_metrics(project: Project):
    shown = json.loads(project.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    for path, metrics in shown.items():
        assert len(pd.json_normalize(metrics["data"]).columns) <= 12, path
    assert {f"results/evaluate/sample/{name}/headline.json" for name in PARAMS["train_on"]} <= set(shown)


def test_values_of_a_recipe_are_swept_and_shown(project: Project):
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    project.run("git", "add", "--all")
    project.run(*git, "commit", "--quiet", "--message", "built")
    recipe = "training/recipes/small.yaml"
    changes = (
        "optimizer.backbone.learning_rate=0.001",
        "loss.Cluster.weight=0.5",
        "batch.size=32",
        "n_epochs=1",
    )
    set_all = [part for change in changes for part in ("--set-param", f"{recipe}:{change}")]
    project.run("dvc", "exp", "run", "--queue", *set_all)
    table = pd.read_csv(io.StringIO(project.run("dvc", "exp", "show", "--csv").stdout))
    for key in ("optimizer.backbone.learning_rate", "loss.Cluster.weight", "batch.size", "n_epochs"):
        assert table[key].nunique() == 2, key
    project.run("dvc", "queue", "remove", "--all")


def test_what_was_built_is_pushed_and_pulled_by_a_clone_beside(project: Project):
    shards = list((project.root / "data/hub/sample/gldv2/data").glob("*.parquet"))
    assert shards
    assert all(path.stat().st_nlink > 1 for path in shards)  # links to DVC's cache
    project.run("dvc", "push", "publish@sample-crockery")
    clone = Project(project.root.parent / "clone")
    shutil.copytree(
        project.root,
        clone.root,
        symlinks=True,
        ignore=shutil.ignore_patterns("data", "models", "cache", "tmp"),
    )
    assert not (clone.root / "data").exists()
    clone.run("dvc", "pull", "publish@sample-crockery")
    assert clone.contents("data/hub/sample/crockery") == project.contents("data/hub/sample/crockery")


# ---- what it rebuilds -------------------------------------------------------------------------------------


@pytest.mark.long
def test_deleted_data_is_rebuilt_byte_for_byte(project: Project):
    before = {**project.contents("data/hub"), **project.contents("data/tree")}
    shutil.rmtree(project.root / "data")
    shutil.rmtree(project.root / ".dvc/cache")
    project.repro(*(f"publish@sample-{dataset}" for dataset in BUILT))
    after = {**project.contents("data/hub"), **project.contents("data/tree")}
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == []


def test_a_lost_store_is_fetched_again(project: Project):
    shutil.rmtree(project.root / "data/store/sample/crockery")
    project.run("cairn", "stage", "publish", "crockery")
    assert (project.root / "data/store/sample/crockery/labels.csv").is_file()


def test_the_doctor_finds_a_damaged_file_and_the_next_run_fetches_it_again(project: Project):
    blob = project.root / "data/store/sample/crockery/labels.csv"
    manifest = project.root / "results/fetch/sample/crockery/manifest.json"
    whole, listed = blob.read_bytes(), manifest.read_bytes()
    assert project.run("cairn", "doctor", "--deep", check=False).returncode == 0
    blob.write_bytes(b"?" + whole[1:])
    found = project.run("cairn", "doctor", "--deep", "--repair")
    assert "now run `dvc repro`" in found.stdout
    project.repro("fetch@sample-crockery")
    assert blob.read_bytes() == whole
    assert manifest.read_bytes() == listed


# ---- what it refuses --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one dataset, a table in a mirror of its own, built."""
    project = copy_repository(tmp_path_factory.mktemp("table"))
    project.run("cairn", "stage", "fetch", "crockery")
    shutil.copytree(project.root / "data/store/sample/crockery", project.root / "mirror")

    def only_a_table(raw):
        raw.update(datasets=["mine"], tree_from_data=["mine"], tree_from_text=[], train_on=[])
        raw["sources"]["mine"] = raw["sources"].pop("crockery")
        raw["fetch"]["sample"]["mirrors"] = {"mine": "mirror"}

    project.edit_params(only_a_table)
    project.repro()
    return project


def rewrite_labels(project: Project, change) -> None:
    path = project.root / "mirror/labels.csv"
    frame = pd.read_csv(path, dtype=str)
    change(frame).to_csv(path, index=False)


def two_parents(frame: pd.DataFrame) -> pd.DataFrame:
    fine = frame["fine"].value_counts().index[0]
    frame.loc[frame.index[frame["fine"] == fine][0], "middle"] = "somewhere else"
    return frame


def refuse_homonyms(raw) -> None:
    raw["sources"]["mine"]["qualify"] = "refuse"


def refused(project: Project, stage: str, dataset: str, words: list[str], fetches: bool = True) -> None:
    """Run what was broken: it says so, and leaves what was built."""
    built = ("data/hub", "data/tree")
    before = {name: content for folder in built for name, content in project.contents(folder).items()}
    assert before
    done = project.run("cairn", "stage", "fetch", dataset, check=False)
    if stage != "fetch":
        assert (done.returncode == 0) == fetches, done.stderr
        done = project.repro(f"{stage}@sample-{dataset}", check=False)
        assert f"failed to reproduce '{stage}@sample-{dataset}'" in done.stderr
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in printed
    for word in words:
        assert word in printed
    assert {name: content for folder in built for name, content in project.contents(folder).items()} == before


def wrong_hash(raw) -> None:
    raw["sources"]["mine"]["hashes"] = {"labels.csv": "sha256:" + "0" * 64}


def unknown_key(raw) -> None:
    raw["publish"]["sample"]["shard_mb"] = 1


def test_a_mistake_in_params_ends_its_stage_and_leaves_earlier_results(project: Project):
    params = (project.root / "params.yaml").read_bytes()
    try:
        project.edit_params(unknown_key)
        words = ["params.yaml", "publish.sample.shard_mb", "unknown key"]
        refused(project, "publish", "crockery", words, fetches=False)
    finally:
        (project.root / "params.yaml").write_bytes(params)


@pytest.mark.long
@pytest.mark.parametrize(
    ("break_it", "stage", "words"),
    [
        (lambda p: p.edit_params(wrong_hash), "fetch", ["labels.csv", "0000"]),
        (lambda p: (p.root / "mirror/labels.csv").unlink(), "fetch", ["labels.csv"]),
        (lambda p: rewrite_labels(p, lambda f: f.drop(columns="middle")), "index", ["labels.csv", "'middle'"]),
        (lambda p: (rewrite_labels(p, two_parents), p.edit_params(refuse_homonyms)), "index",
         ["two parents", "somewhere else", "labels.csv", "qualify: parent"]),
    ],
    ids=["wrong hash", "missing file", "no level column", "two parents"],
)  # fmt: skip
def test_a_broken_source_ends_its_stage_and_leaves_earlier_results(table: Project, break_it, stage, words):
    keep = table.root.parent / "keep"
    shutil.rmtree(keep, ignore_errors=True)
    shutil.copytree(table.root / "mirror", keep)
    params = (table.root / "params.yaml").read_bytes()
    try:
        break_it(table)
        refused(table, stage, "mine", words)
    finally:
        shutil.rmtree(table.root / "mirror")
        shutil.copytree(keep, table.root / "mirror")
        (table.root / "params.yaml").write_bytes(params)
        if stage == "index":  # what it was given is fetched
            table.run("cairn", "stage", "fetch", "mine")
            table.repro()
