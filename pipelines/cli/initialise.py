"""`cairn init`: a project of own images."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cairnhub.pipelines.cli.options import (
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
)

app = typer.Typer()


@app.command("init")
def init_project(
    folder: Annotated[
        Path, typer.Argument(help="The project's folder, new or empty, such as birds.", callback=new_folder)
    ],
    images: Annotated[
        Path,
        typer.Option(
            help="The folder of images: class folders, train and test folders of them, a saved Hugging Face dataset "
            "or its Parquet, a FiftyOne export; or any, with --labels."
        ),
    ],
    labels: Annotated[
        Path | None, typer.Option(help="A CSV with a column path and one per level, or COCO's JSON.")
    ] = None,
    levels: Levels = "",
    texts: Texts = "",
    known: Known = "",
    tree_levels: TreeLevels = "",
    sizes: Sizes = "",
    depth: Depth = None,
    pack: Pack = "",
) -> None:
    """Make a project of your own images in a folder of its own; `dvc repro` or `cairn build` there builds it.

    Nothing is left behind where it cannot be made. Images stay where they are.

    Example: cairn init birds --images photos --labels labels.csv
    """
    from cairnhub.pipelines.declare import Declaration, split_list
    from cairnhub.pipelines.new_project import make_project, start_repositories

    said = Declaration(
        levels=tuple(split_list(levels)),
        texts=tuple(split_list(texts)),
        known=tuple(split_list(known)),
        tree_levels=tuple(split_list(tree_levels)),
        sizes=tuple(read_sizes(sizes)) if sizes else (),
        depth=depth,
        pack=pack,
    )
    made = make_project(folder, images, labels, said)
    notes = (*made.notes, *start_repositories(folder))
    told = ", ".join(f"{key}: {value}" for key, value in made.declared.items())
    console.print(Text(f"{folder}: made ({told})"), soft_wrap=True)
    for note in notes:
        console.print(Text(note), soft_wrap=True)
    name = folder.absolute().name
    console.print(f"`cd {folder}`, then `dvc repro`; without DVC `cairn build`", soft_wrap=True)
    if made.proposes:
        console.print(
            f"Its tree is proposed from text: `cairn review {name} --app` reviews it", soft_wrap=True
        )
