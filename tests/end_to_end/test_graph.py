"""The graph tells the truth: an edit makes stale what depends on it, and nothing else.

`dvc status` names the stages whose own code, parameters or inputs differ; what depends on their results runs after
them. Each edit below is one line in a built project.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from cairnhub.pipelines.code import NEUTRAL, PACKAGE, ROOT, closure, data_files, source_of
from cairnhub.pipelines.graph import render
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.stage_graph import STAGES
from tests.project import Project

DYML = ("dyml_product",)
FROM_DATA = ("inat2018", *DYML, "crockery")
ALL = ("gldv2", *FROM_DATA)
TRAINED = ("gldv2", "inat2018")


def of(datasets: tuple[str, ...], *stages: str) -> set[str]:
    """Stages of some datasets as DVC names them."""
    return {f"{stage}@sample-{dataset}" for stage in stages for dataset in datasets}


GLDV2 = ("gldv2",)
EVERY_STAGE = (
    of(ALL, "fetch", "index", "publish", "check", "report")
    | of(FROM_DATA, "taxonomy")
    | of(GLDV2, "embed", "cluster", "review")
    | of(TRAINED, "train", "evaluate")
    | {"summary"}
)


@dataclass(frozen=True)
class Edit:
    """One line changed: `old`, a regular expression, becomes `new`; without `old`, a line is added at the end."""

    path: str
    old: str
    new: str


CHANGES = [  # an edit that changes outputs, and the stages that must run for it
    (Edit("pipelines/samples/crockery.py", r"\bN_\w+ = (\d+)", r"N_EDITED = \1"), of(("crockery",), "fetch")),
    (Edit("pipelines/samples/dyml.py", "", "EDITED = 1"), of(DYML, "fetch")),
    (Edit("pipelines/samples/gldv2/landmarks.tsv", "Hanshan Temple", "Hanshan  Temple"), of(GLDV2, "fetch")),
    (Edit("pipelines/samples/shapes/canvas.py", "JPEG_QUALITY = 85", "JPEG_QUALITY = 86"), of(ALL, "fetch")),
    (Edit("pipelines/sources/download.py", "FIRST_WAIT_S = 0.5", "FIRST_WAIT_S = 0.6"), of(ALL, "fetch")),
    (Edit("pipelines/sources/formats/table.py", "", "EDITED = 1"), of(("crockery",), "fetch", "index")),
    (Edit("pipelines/sources/formats/dyml.py", "", "EDITED = 1"), of(DYML, "fetch", "index")),
    (Edit("pipelines/sources/formats/gldv2/landmark_table.py", "", "EDITED = 1"), of(GLDV2, "fetch", "index")),
    (Edit("pipelines/sources/match_members.py", "", "EDITED = 1"), of(ALL, "index")),
    (Edit("pipelines/sources/registries/crockery.counts.yaml", r"\d+", "7"), of(("crockery",), "index")),
    (Edit("pipelines/archives/targz.py", "_BUFFER_BYTES = 1 << 16", "_BUFFER_BYTES = 1 << 17"), of(ALL, "index", "publish")),
    (Edit("pipelines/artifacts/index.py", "ROWS_PER_GROUP = 10_000", "ROWS_PER_GROUP = 9_000"),
     of(ALL, "index", "publish", "check") | of(FROM_DATA, "taxonomy") | of(GLDV2, "embed", "cluster")),
    (Edit("cairnhub/core/safe_names.py", "", "EDITED = 1"), of(ALL, "fetch", "index", "publish")),
    (Edit("hierarchies/label_tree/tree_rules.py", "", "EDITED = 1"),
     EVERY_STAGE - of(ALL, "fetch", "index")),
    (Edit("hierarchies/proposal/concepts.tsv", "airport|airfield", "airport|airfeld"), of(GLDV2, "embed", "cluster")),
    (Edit("hierarchies/proposal/propose.py", "_NEAR = 0.5", "_NEAR = 0.6"), of(GLDV2, "embed", "cluster")),
    (Edit("hierarchies/review/apply.py", "PENDING_BELOW = 0.8", "PENDING_BELOW = 0.7"), of(GLDV2, "cluster", "review")),
    (Edit("pipelines/samples/demonstrations/gldv2.jsonl", "every mill here", "each mill here"), of(GLDV2, "review")),
    (Edit("pipelines/samples/demonstrations/none.jsonl", "", "{}"), of(GLDV2, "cluster")),
    (Edit("hierarchies/voice/model_evidence.py", "CONFIDENCE = 0.6", "CONFIDENCE = 0.5"), of(GLDV2, "cluster")),
    (Edit("decisions/gldv2.jsonl", "", '{"act": "undo", "of": "nothing"}'), of(GLDV2, "review")),
    (Edit("datasets_hub/shards.py", "_ROWS_PER_PAGE_CHECK = 10", "_ROWS_PER_PAGE_CHECK = 11"), of(ALL, "publish")),
    (Edit("datasets_hub/duplicates.py", "MAX_DISTANCE = 3", "MAX_DISTANCE = 2"), of(ALL, "publish", "check")),
    (Edit("training/samplers/class_images.py", "", "EDITED = 1"), of(TRAINED, "train")),
    (Edit("training/losses/surrogates.py", "rho: float = 100.0", "rho: float = 101.0"), of(TRAINED, "train")),
    (Edit("training/recipes/small.yaml", "learning_rate: 0.002", "learning_rate: 0.003"), of(TRAINED, "train")),
    (Edit("training/recipes/settings.py", "brightness: float = .*$", "brightness: float = 0.3"), of(TRAINED, "train", "evaluate")),
    (Edit("training/metrics/bootstrap.py", "N_RESAMPLES = 1000", "N_RESAMPLES = 999"), of(TRAINED, "evaluate")),
    (Edit("training/encoders.py", "BINS_PER_CHANNEL = 8", "BINS_PER_CHANNEL = 4"), of(TRAINED, "train", "evaluate")),
    (Edit("hierarchies/pages/map.js", "", "// edited"), of(ALL, "report")),
    (Edit("cairnhub/core/pages/style.css", "", "/* edited */"), of(ALL, "check", "report") | {"summary"}),
    (Edit("cairnhub/core/pages/retrieved.css", "", "/* edited */"), {"summary"}),
    (Edit("pipelines/settings/publish.py", "default=400", "default=300"), of(ALL, "publish")),
    (Edit("params.yaml", r"(?<=publish:\n  sample: \{shard_size_mb: )400", "300"), of(ALL, "publish")),
    (Edit("params.yaml", "title: Crockery .*", "title: Crockery"), of(("crockery",), "fetch", "index") | {"plan"}),
]  # fmt: skip
NO_CHANGE = [  # an edit that changes no output
    Edit("cairnhub/core/errors.py", "", "EDITED = 1"),
    Edit("cairnhub/core/files.py", "", "# edited"),
    Edit("pipelines/executors/local.py", "", "# edited"),
    Edit("pipelines/executors/storage.py", "", "# edited"),
    Edit("pipelines/executors/ray.py", "N_RETRIES = 3", "N_RETRIES = 4"),
    Edit("datasets_hub/push.py", "", "# edited"),
    Edit("datasets_hub/destinations.py", "_BLOCK_BYTES = 8", "_BLOCK_BYTES = 4"),
    Edit("datasets_hub/storage_errors.py", "", "# edited"),
    Edit("hierarchies/review/progress.py", "_PAUSE_S = 300.0", "_PAUSE_S = 200.0"),
    Edit("hierarchies/review/app/page/main.js", "", "// edited"),
    Edit("pipelines/cli/trees.py", "", "# edited"),
    Edit("pipelines/chat.py", "_N_TRIES = 4", "_N_TRIES = 5"),
    Edit("hierarchies/voice/questions.py", "_N_CHOICES = 12", "_N_CHOICES = 11"),
    Edit("pipelines/doctor/machine.py", "MIN_FREE_GB = 5", "MIN_FREE_GB = 6"),
    Edit("training/recipes/happier/sop.yaml", "", "# edited"),
    Edit("training/recipes/small.yaml", "", "# edited"),
    Edit("training/recipes/happier/reported.yaml", "", "# edited"),
    Edit("training/recipes/a_new_one.yaml", "", "loss: HAPPIER"),
    Edit("training/__init__.py", "", "# edited"),
    Edit("datasets_hub/dataset_diff.py", "_N_EXAMPLES = 5", "_N_EXAMPLES = 6"),
    Edit("training/inference.py", "", "# edited"),
    Edit("pipelines/sources/registries/cub.tsv", "", "# edited"),
    Edit("pipelines/sources/registries/sop.counts.yaml", "", "# edited"),
    Edit("pipelines/sources/formats/cub/cub_reader.py", "LAST_TRAIN_CLASS = 100", "LAST_TRAIN_CLASS = 99"),
    Edit("params.yaml", r"n_workers: 2\}", "n_workers: 1}"),
    Edit("README.md", "", "edited"),
]


@contextmanager
def edited(root: Path, edit: Edit) -> Iterator[None]:
    """The edit in place, and afterwards the file as it was."""
    path = root / edit.path
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    if edit.old:
        assert before is not None
        after, n = re.subn(edit.old, edit.new, before, count=1, flags=re.MULTILINE)
        assert n == 1, f"{edit.path} no longer has {edit.old!r}: choose another line"
    else:
        after = f"{before or ''}{edit.new}\n"
    try:
        path.write_text(after, encoding="utf-8")
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")


@contextmanager
def asking_dvc(root: Path) -> Iterator[Callable[[], set[str]]]:
    """Gives the stages that `dvc status` names; the graph is read once, for the edits leave it alone."""
    from dvc.repo import Repo
    from dvc.utils.serialize import _yaml

    here = Path.cwd()
    os.chdir(root)  # DVC names stages from where it is
    try:
        with Repo(str(root)) as repo, repo.lock, pytest.MonkeyPatch.context() as patch:
            stages = list(repo.index.stages)
            patch.setattr(_yaml, "parse_yaml", cache(_yaml.parse_yaml))  # params.yaml, once for each text
            yield lambda: {name for stage in stages for name in stage.status()}
    finally:
        os.chdir(here)


@pytest.mark.slow
@pytest.mark.xdist_group("project")
@pytest.mark.timeout(900)
def test_an_edit_makes_stale_what_must_run_and_nothing_else(project: Project):
    wrong = {}
    with asking_dvc(project.root) as stale:
        assert stale() == set()
        for edit, expected in CHANGES:
            with edited(project.root, edit):
                found = stale()
            if found != expected:
                wrong[edit] = (f"missing {sorted(expected - found)}", f"too many {sorted(found - expected)}")
        with ExitStack() as stack:
            for edit in NO_CHANGE:
                stack.enter_context(edited(project.root, edit))
            assert stale() == set()
        assert stale() == set()
    assert wrong == {}


def test_the_graph_in_git_is_the_one_that_is_made():
    """A dependency that is taken away by hand, or forgotten after an edit of the imports, fails here."""
    made = render(load_params(ROOT / "params.yaml"))
    assert (ROOT / "dvc.yaml").read_text(encoding="utf-8") == made, "run `cairn graph`"


def test_every_data_file_is_seen_by_a_module_or_known_to_be_none_of_a_stage():
    """Templates, style sheets, scripts and tables of facts are dependencies of the module that names them."""
    modules = [path for room in ROOMS for path in room.rglob("*.py")]
    named = set().union(*(data_files(path) for path in modules))
    present = {
        path for room in ROOMS for path in room.rglob("*") if path.is_file() and path.suffix not in OTHERS
    }
    # The review app; what is a dependency per dataset; what `cairn init` writes.
    apart = {
        path for path in present if {"app", "registries", "demonstrations", "project_files"} & set(path.parts)
    }
    assert present - apart - named == set()


OTHERS = {".py", ".pyc", ".md", ".yaml"}  # recipes and counts are dependencies per dataset
ROOMS = [ROOT / room for room in ("pipelines", "training", "datasets_hub", "hierarchies", f"{PACKAGE}/core")]


def test_a_closure_follows_imports_and_not_what_is_neutral():
    reached = closure(["pipelines.stages.train"])
    assert source_of("training.losses.surrogates") in reached
    assert source_of("core.errors") not in reached
    assert not [path for path in reached if "executors" in path.parts]


def test_what_is_neutral_exists():
    for name in (*NEUTRAL, *(name for stage in STAGES for name in stage.neutral)):
        assert source_of(name).is_file(), name


def test_the_lock_of_the_sample_can_be_read():
    assert (ROOT / "dvc.lock").stat().st_size < 300_000
