"""`cairn stage`, `graph`, `build`, `include`, `site`, `register`, `recipes`, `doctor`: commands on a project."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cairnhub.core.errors import BadInput, BrokenData
from cairnhub.core.files import write_text_atomic
from cairnhub.pipelines.cli.options import (
    Declared,
    Depth,
    Known,
    Levels,
    Pack,
    Sizes,
    Texts,
    TreeLevels,
    console,
    new_folder,
    read_sizes,
    table_of,
)
from cairnhub.pipelines.stage_graph import STAGES

app = typer.Typer()


@app.command()
def stage(
    name: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(each.name for each in STAGES)}."),
    ],
    dataset: Annotated[str, typer.Argument(help="A dataset of params.yaml; none for plan and summary.")] = "",
    scale: Annotated[str, typer.Argument(help="sample or full.")] = "sample",
) -> None:
    """Run one stage for one dataset; `dvc repro` runs all that is stale, in order.

    Example: cairn stage index gldv2
    """
    from cairnhub.pipelines.run_stage import run_stage

    run_stage(name, dataset, scale)


@app.command()
def graph(
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether dvc.yaml is as it would be made.")
    ] = False,
) -> None:
    """Make dvc.yaml from the declared stages, params.yaml and the imports of the code.

    Example: cairn graph && dvc repro
    """
    from cairnhub.pipelines.graph import is_current, write_graph
    from cairnhub.pipelines.paths import project_root

    root = project_root()
    if not check:
        console.print(f"{write_graph(root)}: made")
    elif not is_current(root):
        raise BrokenData("dvc.yaml is not what the code and params.yaml give: run `cairn graph`")


@app.command()
def build(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="Stages, such as check or check@sample-birds; by default all."),
    ] = None,
) -> None:
    """Run the stages that are stale, in order, without DVC; a build that was killed goes on where it was.

    Example: cairn build check
    """
    from cairnhub.pipelines.build import build as build_stages
    from cairnhub.pipelines.paths import project_root

    n_run, n_kept = build_stages(project_root(), targets or ())
    console.print(f"{n_run} stages ran, {n_kept} were up to date")


@app.command()
def include(
    dataset: Annotated[
        str,
        typer.Argument(
            help="A dataset declared under sources, such as cub; or a new name for your own images."
        ),
    ],
    mirror: Annotated[
        str | None, typer.Option(help="The folder or URL that holds its files, where it has one.")
    ] = None,
    scale: Annotated[str, typer.Option(help="sample or full.")] = "sample",
    labels: Annotated[
        str, typer.Option(help="Your own images: the CSV in the folder, or `folders` for folders of classes.")
    ] = "",
    images: Annotated[str, typer.Option(help="Folders or archives in it; by default all of it.")] = "",
    levels: Levels = "",
    texts: Texts = "",
    known: Known = "",
    tree_levels: TreeLevels = "",
    sizes: Sizes = "",
    depth: Depth = None,
    names: Annotated[str, typer.Option(help="A file with wanted groups, one a line.")] = "",
    pack: Pack = "",
) -> None:
    """Add a dataset to the lists of params.yaml and to dvc.yaml, so that `dvc repro` builds it.

    Your own images are declared as well: a CSV with a column per level, or folders of classes. Labels of one level get
    a tree that is proposed from their words, for people to review. At a terminal, what no option says is asked.

    Example: cairn include birds --mirror /photos --labels folders --tree-levels family,order
    """
    import sys

    from cairnhub.pipelines.declare import Declaration, split_list
    from cairnhub.pipelines.graph import write_graph
    from cairnhub.pipelines.include import include_dataset
    from cairnhub.pipelines.paths import project_root

    def ask(question: str, usual: str) -> str:
        answer: str = typer.prompt(question, default=usual)
        return answer

    root = project_root()
    said = Declaration(
        labels=labels,
        images=tuple(split_list(images)),
        levels=tuple(split_list(levels)),
        texts=tuple(split_list(texts)),
        known=tuple(split_list(known)),
        tree_levels=tuple(split_list(tree_levels)),
        sizes=tuple(read_sizes(sizes)) if sizes else (),
        depth=depth,
        names=names,
        pack=pack,
    )
    asks = ask if sys.stdin.isatty() and said == Declaration() else None
    included = include_dataset(root / "params.yaml", dataset, mirror, scale, said, asks)
    write_graph(root)
    if included.declared is not None:
        told = ", ".join(f"{key}: {value}" for key, value in included.declared.items())
        console.print(Text(f"params.yaml: sources.{dataset} is new ({told})"), soft_wrap=True)
    listed = f"{dataset} is listed under {', '.join(included.lists)}"
    console.print(f"params.yaml: {listed}; `dvc repro` builds it", soft_wrap=True)
    if "tree_from_text" in included.lists:
        console.print(
            f"Its tree is proposed from text; then review it: `cairn review {dataset} --app`", soft_wrap=True
        )
    if "train_on" not in included.lists:
        console.print(f"It is not trained on: it has no recipe under train.{scale}.recipes")
    if included.warning:
        console.print(Text(included.warning), soft_wrap=True)


@app.command()
def site(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write.", callback=new_folder)
    ] = Path("site"),
) -> None:
    """Write report, trees, maps, retrieval pages and cards into one folder, to open or to put on any web server.

    Its pages load nothing from elsewhere. Images whose licence lets nobody pass them on are not among them.

    Example: cairn site --output site
    """
    from cairnhub.pipelines.paths import project_root
    from cairnhub.pipelines.site import write_site

    pages = write_site(project_root(), output)
    console.print(f"{output / 'index.html'}: open it in a browser; {len(pages)} pages")


@app.command()
def register(
    dataset: Declared,
    scale: Annotated[str, typer.Argument(help="The scale whose mirror and timeouts are used.")] = "full",
) -> None:
    """Record the hashes that the authors publish into the registry, for review and commit.

    Example: cairn register gldv2
    """
    from cairnhub.pipelines.context import make_context
    from cairnhub.pipelines.paths import project_root
    from cairnhub.pipelines.sources.fetching import register as record_hashes

    n_recorded = record_hashes(make_context(dataset, scale, project_root()))
    console.print(f"{dataset}: {n_recorded:,} hashes recorded")


@app.command()
def recipes() -> None:
    """Write results/recipes.md: what each recipe's paper reports beside what was reproduced here.

    Example: cairn recipes
    """
    from cairnhub.pipelines.params import load_params
    from cairnhub.pipelines.paths import project_root
    from cairnhub.pipelines.recipe_table import recipe_table

    root = project_root()
    table = recipe_table(load_params(root / "params.yaml"), root / "results")
    write_text_atomic(root / "results/recipes.md", table)
    console.print(str(root / "results/recipes.md"))


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the store, published datasets, models and caches too.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="With --deep: mend what can safely be mended.")
    ] = False,
) -> None:
    """Check this machine: Python, packages, free disk, cache links, GPU.

    With --deep, everything that was fetched and built is read and held against its hashes: files of the store,
    shards and schemas, models and their trees, DVC's cache, decisions; leftovers of killed runs are listed, versions
    compared with constraints.txt, free space with what is still to come. Nothing is changed, unless --repair is given:
    then leftovers older than a day are removed, and damaged files are moved to a folder `.quarantine`, so that
    `dvc repro` makes them anew. Decisions are never touched. Exits with 1 when a problem is left.

    Example: cairn doctor --deep
    """
    from cairnhub.pipelines.doctor import examine, examine_deep
    from cairnhub.pipelines.paths import project_root

    if repair and not deep:
        raise BadInput("--repair goes with --deep: `cairn doctor --deep --repair`")
    diagnoses = [*examine(), *(examine_deep(project_root()) if deep else ())]
    table = table_of("what", "found", "verdict")
    for diagnosis in diagnoses:
        table.add_row(*map(Text, (diagnosis.what, diagnosis.found, diagnosis.verdict)))
    console.print(table)
    problems = [diagnosis for diagnosis in diagnoses if diagnosis.is_problem]
    repairs = [diagnosis.repair for diagnosis in problems if diagnosis.repair]
    for mend in repairs if repair else ():
        console.print(Text(mend.apply()))
    if repairs and not repair:
        console.print(f"`cairn doctor --deep --repair` mends {len(repairs)} of {len(problems)} problems.")
    if len(problems) > (len(repairs) if repair else 0):
        raise typer.Exit(1)
