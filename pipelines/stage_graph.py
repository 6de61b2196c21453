"""The stages: what each reads, writes and depends on. `pipelines.graph` makes `dvc.yaml` of this table.

A stage has one name everywhere: in DVC, in `cairn stage <name>`, its module in `pipelines/stages/`, its folder in
`results/`. What code it depends on is not written here: it is the import closure of its module.
"""

from dataclasses import dataclass, field
from typing import Literal

Over = Literal["datasets", "tree_from_data", "tree_from_text", "train_on", "evaluate_on", ""]


@dataclass(frozen=True)
class Out:
    """A file or folder that a stage writes.

    Attributes:
        path: an attribute of `Paths`, a file's name in the stage's folder of `results/`, or a path from the root.
        in_git: small, kept in git and not in DVC's cache.
        metric: headline numbers that `dvc metrics` shows.
        plot: how `dvc plots` draws it; empty for none.
    """

    path: str
    in_git: bool = False
    metric: bool = False
    plot: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One stage of the graph.

    Attributes:
        name: of the stage.
        does: in a sentence.
        over: the list of `params.yaml` (or of `Params`) whose datasets it runs for; empty for a stage over all of them.
        reads: artifacts: attributes of `Paths`, or paths from the root.
        writes: what it writes.
        params: keys of `params.yaml`.
        per_dataset: further dependencies that differ between datasets: keys of `graph._facts`.
        inputs: of own images in a project elsewhere: what a person adds to, so that it is seen; facts too.
        neutral: modules of its closure that cannot change its bytes, beside those that never can.
    """

    name: str
    does: str
    over: Over
    reads: tuple[str, ...] = ()
    writes: tuple[Out, ...] = ()
    params: tuple[str, ...] = ()
    per_dataset: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()


def _plot(name: str, title: str, **axes: str) -> Out:
    return Out(name, in_git=True, plot={**axes, "title": f"${{item.dataset}}: {title}"})


FETCHING = ("pipelines.sources.fetching",)
"""A stage that needs the raw files has them brought back where the store lost them: the manifest says which bytes."""

DECLARING = ("core.safe_names", "datasets_hub.card", "datasets_hub.level_names", "pipelines.settings.sources")
"""A stage that reads how a tree is declared: what is declared is among its parameters."""

PLAN = "results/plan/plan.txt"

STAGES = (
    Stage(
        "plan",
        "The graph builds what params.yaml asks for; every other stage comes after it.",
        "",
        writes=(Out(PLAN, in_git=True),),
        params=("scales", "datasets", "tree_from_data", "tree_from_text", "train_on", "sources", "train"),
        neutral=("pipelines.graph", "pipelines.stage_graph"),
    ),
    Stage(
        "fetch",
        "Download or take from a mirror, resume, verify every file; blobs stay in the store, outside DVC.",
        "datasets",
        reads=(PLAN,),
        writes=(Out("manifest", in_git=True), Out("loose_images")),
        params=("sources.${item.dataset}", "fetch.${item.scale}"),
        per_dataset=("format", "origin"),
        inputs=("mirror", "linked"),
        neutral=(
            "pipelines.archives",
            "pipelines.sources.listing",
            "pipelines.sources.match_members",
        ),  # of the index
    ),
    Stage(
        "index",
        "One row per image, read from annotations and archive members in place.",
        "datasets",
        reads=("manifest", "loose_images"),
        writes=(Out("index"), Out("protocols")),
        params=("sources.${item.dataset}",),
        per_dataset=("format", "counts", "exclusions"),
        neutral=FETCHING,
    ),
    Stage(
        "taxonomy",
        "The tree that the data itself gives.",
        "tree_from_data",
        reads=("index",),
        writes=(Out("tree_folder"), Out("class_list", in_git=True)),
    ),
    Stage(
        "embed",
        "Vectors of the label texts, by a text model whose weights are checked by hash.",
        "tree_from_text",
        reads=("index",),
        writes=(Out("text_vectors"),),
        params=("sources.${item.dataset}", "embed.${item.scale}"),
        per_dataset=("groups", "vectors"),
        neutral=DECLARING,
    ),
    Stage(
        "cluster",
        "The proposal: groups on every level, their names, a confidence per edge.",
        "tree_from_text",
        reads=("index", "text_vectors"),
        writes=(Out("proposal"), Out("agreement.json", in_git=True), Out("headline.json", metric=True)),
        params=("sources.${item.dataset}",),
        per_dataset=("groups", "vectors", "evidence"),
        neutral=DECLARING,
    ),
    Stage(
        "review",
        "Human decisions applied to the proposal; what no longer matches is reported, never dropped.",
        "tree_from_text",
        reads=("proposal", "decisions"),
        writes=(Out("tree_folder"), Out("class_list", in_git=True), Out("review_report", in_git=True)),
        per_dataset=("demonstration",),
    ),
    Stage(
        "publish",
        "Parquet shards, card and tree tables, in the hub folder.",
        "datasets",
        reads=("index", "tree_folder"),
        writes=(Out("hub"),),
        params=("publish.${item.scale}",),
        neutral=FETCHING,
    ),
    Stage(
        "check",
        "The contract of the published dataset; any violation fails.",
        "datasets",
        reads=("index", "hub"),
        writes=(Out("look_alikes"), Out("duplicates"), Out("check_report", in_git=True)),
    ),
    Stage(
        "train",
        "Recipe -> model.",
        "train_on",
        reads=("shards", "hub_tree"),
        writes=(Out("model"),),
        params=(
            "train.${item.scale}.seed",
            "train.${item.scale}.recipes.${item.dataset}",
            "${item.recipe}:",
            "${item.base}:",
        ),
    ),
    Stage(
        "evaluate",
        "Exact metrics per level, beside the untrained network and a colour histogram.",
        "evaluate_on",
        reads=("shards", "hub_tree", "protocols", "model"),
        writes=(
            Out("metrics.json", in_git=True),
            Out("table.md", in_git=True),
            Out("examples.json", in_git=True),
            Out("headline.json", metric=True),
            _plot("loss.csv", "training loss", x="epoch", y="loss"),
            _plot("h_ap.csv", "queries by H-AP", x="h_ap", y="n_queries"),
            _plot("levels.csv", "AP per level", template="bars", x="ap", y="level"),
            _plot(
                "precision_recall.csv", "precision over recall", template="levels", x="recall", y="precision"
            ),
        ),
        params=("evaluate.${item.scale}.batch_size", "${item.transfer}"),
        per_dataset=("whitening",),
    ),
    Stage(
        "report",
        "The tree explorer and the tree as text.",
        "datasets",
        reads=("hub", "tree_folder"),
        writes=(Out("pages"), Out("tree.txt", in_git=True)),
    ),
    Stage(
        "summary",
        "The project's report, over all that was built.",
        "",
        reads=(
            "benchmarks/results/review_effort.json",
            "results/check",
            "results/cluster",
            "results/evaluate",
            "results/review",
        ),
        writes=(Out("results/report/index.html", in_git=True),),
    ),
)
"""In the order in which they run."""
