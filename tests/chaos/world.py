"""A small project in two states, old and new; every stage can be run, killed and run again in it."""

import hashlib
import importlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cairnhub.core.files import atomic_write, read_steadily, replace_folder
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.landmarks import texts_to_embed
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.queue import queue
from cairnhub.pipelines.artifacts.index import IndexFolder
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import Params, PerScale, load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.settings.executor import Executor
from cairnhub.pipelines.settings.fetch import Fetch
from cairnhub.pipelines.settings.publish import Publish
from cairnhub.pipelines.settings.sources import GLDv2Subset, GLDv2Subsets
from tests.chaos.settings import DATASET
from tests.hierarchies.toy import ToyEmbedder
from tests.project import ROOT

OLD, NEW = {"train": 2, "index": 1, "test": 1}, {"train": 3, "index": 2, "test": 2}
N_DECISIONS = 20
_LEDGER = ".verified.tsv"  # holds times of change
_UNFINISHED = (".part", ".part.validator", ".damaged")


ALONE = Executor(n_workers=1)


def make_params(archives: dict[str, int], mirror: str | None, executor: Executor) -> Params:
    """The repository's parameters for one small dataset."""
    params = load_params(ROOT / "params.yaml")
    subset = GLDv2Subset(n_archives=archives)
    source = params.sources[DATASET].model_copy(update={"subset": GLDv2Subsets(sample=subset)})
    fetch = Fetch(mirrors={DATASET: mirror} if mirror else {}, timeout_s=2, n_retries=8)
    publish = Publish(shard_size_mb=1, rows_per_group=10)
    changes = {
        "sources": {DATASET: source},
        "fetch": PerScale[Fetch](sample=fetch, full=fetch),
        "executor": PerScale[Executor](sample=executor, full=executor),
        "publish": PerScale[Publish](sample=publish, full=publish),
    }
    return params.model_copy(update=changes)


def context(
    root: Path, archives: dict[str, int] = NEW, mirror: str | None = None, executor: Executor = ALONE
) -> Context:
    """What a stage works on."""
    return Context(DATASET, "sample", make_params(archives, mirror, executor), Paths(root, "sample", DATASET))


# ---- stages -----------------------------------------------------------------------------------------------


def run_stage(
    stage: str,
    root: Path,
    archives: dict[str, int] = NEW,
    mirror: str | None = None,
    executor: Executor = ALONE,
) -> None:
    """Run one stage as `cairn stage` would, with a network that trains in a second."""
    module = importlib.import_module(f"cairnhub.pipelines.stages.{stage}")
    if stage == "train":
        _hurry(module)
    module.run(context(root, archives, mirror, executor))


def _hurry(module: object) -> None:
    load, train = module.load_recipe, module.train  # type: ignore[attr-defined]

    def quick(*named: object) -> object:
        recipe = load(*named)
        network = recipe.network.model_copy(update={"width": 8, "image_side_px": 32})
        return recipe.model_copy(update={"n_epochs": 2, "network": network})

    def saving(
        recipe: object, images: object, seed: int, _: int, checkpoints: Path, **others: object
    ) -> object:
        return train(recipe, images, seed, 0, checkpoints, save_every_s=0.1, **others)

    module.load_recipe, module.train, module.N_THREADS = quick, saving, 1  # type: ignore[attr-defined]


def embed(root: Path) -> None:
    """Vectors without a text model."""
    paths = context(root).paths
    embeddings = Embeddings.of(texts_to_embed(IndexFolder(paths.index).landmarks()), ToyEmbedder())
    embeddings.save(paths.text_vectors)


def decide(root: Path, n: int = N_DECISIONS) -> None:
    """What a reviewer decides, one by one; those in the file are not decided again."""
    paths = context(root).paths
    paths.decisions.parent.mkdir(parents=True, exist_ok=True)
    for decision in planned_decisions(paths.proposal)[:n]:
        if decision not in read_decisions(paths.decisions):
            append_decision(paths.decisions, decision)


def planned_decisions(proposal: Path, author: str = "ada") -> list[Decision]:
    """Accept what is asked of one thing, in the order of the queue."""
    questions = [q for q in queue(TreeProposal.load(proposal), []) if not q.members][:N_DECISIONS]
    return [
        Decision("accept", q.level, q.label, q.group, author=author, date=f"2026-01-01T00:00:{i:02d}Z")
        for i, q in enumerate(questions)
    ]


def upload(root: Path, to: str = "", **options: object) -> None:
    """Publish the dataset of the hub to others."""
    from cairnhub.datasets_hub.push import push

    push(context(root).paths.hub, to or root / "public" / DATASET, storage_options=options or None)


def build_old(root: Path) -> None:
    """Everything, from the smaller part of the source."""
    for stage in ("fetch", "index"):
        run_stage(stage, root, OLD)
    embed(root)
    run_stage("cluster", root, OLD)
    decide(root, 0)
    context(root).paths.decisions.touch()
    for stage in ("review", "publish"):
        run_stage(stage, root, OLD)
    upload(root)


# ---- what readers see -------------------------------------------------------------------------------------


def read_manifest(root: Path) -> str:
    return _digest(json.loads(context(root).paths.manifest.read_text(encoding="utf-8")))


def read_index(root: Path) -> str:
    import pyarrow.parquet as pq

    folder = context(root).paths.index

    def read() -> list[object]:
        counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
        return [counts, pq.read_table(folder / "images.parquet", memory_map=False).num_rows]

    return _digest(read_steadily(folder, read))


def read_proposal(root: Path) -> str:
    return _digest(TreeProposal.load(context(root).paths.proposal).to_json())


def read_tree(root: Path) -> str:
    return LabelTree.load(context(root).paths.tree).fingerprint


def read_decided(root: Path) -> str:
    """Whole lines, in their order, and none but those that were decided."""
    paths = context(root).paths
    found = read_decisions(paths.decisions)
    return "a beginning" if found == planned_decisions(paths.proposal)[: len(found)] else "something else"


def read_hub(root: Path) -> str:
    return read_dataset(str(context(root).paths.hub))


def read_public(root: Path) -> str:
    return read_dataset(str(root / "public" / DATASET))


def read_dataset(uri: str, **options: object) -> str:
    """Every image of a split, as `load_dataset` gives them; the tree must be readable as well."""
    from cairnhub.datasets_hub.loader import load_dataset, load_tree

    storage = options or None
    test = load_dataset(uri, "test", storage_options=storage)
    rows = test.with_format("arrow")[:]
    images = hashlib.sha256(b"".join(rows["image"].combine_chunks().field("bytes").to_pylist())).hexdigest()
    load_tree(uri, storage_options=storage)  # of this moment; raises where it is not that of its images
    return _digest([images, rows["image_id"].to_pylist()])


def read_model(root: Path) -> str:
    from cairnhub.training.models import load_model

    model, description = load_model(context(root).paths.model)
    weights = hashlib.sha256(b"".join(value.numpy().tobytes() for value in model.state_dict().values()))
    return _digest([weights.hexdigest(), description.tree_fingerprint])


def read_metrics(root: Path) -> str:
    return _digest(json.loads((context(root).paths.results("evaluate") / "metrics.json").read_text()))


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# ---- undertakings -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Undertaking:
    """Something that may be killed.

    Attributes:
        name: the stage, or what it is.
        run: does it.
        units: what readers take as one: each folder or file is, at any moment, wholly old or wholly new.
        read: reads the result as others would; equal for equal results.
        lasting: a folder whose files come one by one, beside the old ones.
    """

    name: str
    run: Callable[[Path], None]
    units: tuple[str, ...]
    read: Callable[[Path], str]
    lasting: str = ""


def _stage(stage: str, read: Callable[[Path], str], *units: str) -> Undertaking:
    return Undertaking(stage, partial(run_stage, stage), units, read)


_WHERE = f"sample/{DATASET}"
DECIDE = Undertaking("decide", decide, (), read_decided)
UNDERTAKINGS = (
    _stage("fetch", read_manifest, f"results/fetch/{_WHERE}/manifest.json"),
    _stage("index", read_index, f"data/index/{_WHERE}"),
    _stage(
        "cluster",
        read_proposal,
        f"data/proposal/{_WHERE}/proposal.json",
        f"results/cluster/{_WHERE}/agreement.json",
    ),
    DECIDE,
    _stage("review", read_tree, f"data/tree/{_WHERE}", f"results/review/{_WHERE}/report.json"),
    _stage("publish", read_hub, f"data/hub/{_WHERE}"),
    Undertaking("upload to a folder", upload, (), read_public, f"public/{DATASET}"),
    _stage("train", read_model, f"models/{_WHERE}"),
    _stage(
        "evaluate",
        read_metrics,
        *(
            f"results/evaluate/{_WHERE}/{name}"
            for name in ("metrics.json", "table.md", "h_ap.csv", "levels.csv", "loss.csv")
        ),
    ),
)


# ---- states of the folder ---------------------------------------------------------------------------------


def files_of(root: Path) -> Iterator[str]:
    """Every file, hidden ones too, and every empty folder, by its path below `root`."""
    for folder, _, names in os.walk(root):
        where = Path(folder).relative_to(root)
        yield from (str(where / name) for name in names)
        if not names and not any(Path(folder).iterdir()):
            yield f"{where}/"


def contents(root: Path) -> dict[str, str]:
    """Hash of every file, but for the store's note of times."""
    found = {}
    for name in sorted(files_of(root)):
        if Path(name).name != _LEDGER:
            path = root / name
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return found


def is_visible(name: str) -> bool:
    """Whether readers take notice of a file."""
    hidden = any(part.startswith(".") for part in Path(name).parts)
    return not (hidden or name.endswith((*_UNFINISHED, "/")) or name.startswith("data/checkpoints/"))


def half_done(
    undertaking: Undertaking, found: dict[str, str], before: dict[str, str], after: dict[str, str]
) -> list[str]:
    """What a reader could see that is neither old nor new; everything outside of units counts file by file."""
    faults = []
    for unit in undertaking.units:
        states = [
            {n: h for n, h in state.items() if n == unit or n.startswith(f"{unit}/")}
            for state in (found, before, after)
        ]
        if states[0] not in states[1:]:
            faults.append(f"{unit} is neither old nor new")
    for name in (n for n in found.keys() | before.keys() if is_visible(n)):
        alone = not any(name == unit or name.startswith(f"{unit}/") for unit in undertaking.units)
        if alone and found.get(name) not in (before.get(name), after.get(name)) and undertaking is not DECIDE:
            faults.append(f"{name} is neither old nor new")
    return faults


def restore(undertaking: Undertaking, source: Path, target: Path) -> None:
    """Bring `target` into the state of `source`, each unit in one step, for readers are there."""
    for unit in (*undertaking.units, *filter(None, [undertaking.lasting])):
        if (source / unit).is_dir():
            with replace_folder(target / unit) as folder:
                shutil.copytree(source / unit, folder, dirs_exist_ok=True)
    kept = set(files_of(source))
    for name in sorted(set(files_of(target)) - kept, reverse=True):
        path = target / name
        path.rmdir() if name.endswith("/") else path.unlink()
    for name in kept:
        path, original = target / name, source / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        elif not path.exists() or path.read_bytes() != original.read_bytes():
            with atomic_write(path) as temporary:
                shutil.copy2(original, temporary)
        else:
            os.utime(path, ns=(original.stat().st_atime_ns, original.stat().st_mtime_ns))
    _drop_empty(target, source)


def _drop_empty(target: Path, source: Path) -> None:
    for folder, _, _ in os.walk(target, topdown=False):
        where = Path(folder)
        if not any(where.iterdir()) and not (source / where.relative_to(target)).is_dir():
            where.rmdir()
