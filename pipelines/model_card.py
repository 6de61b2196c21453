"""The README of a model that is pushed: what it is, how well it finds, how to use it, what it was trained on."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from cairnhub.core.parse import FORBID, read_json, read_text, typed
from cairnhub.datasets_hub.card import front_matter
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.readme import escape, licence_keys
from cairnhub.training.models import ModelDescription

KEY = "cairn_model"  # of the YAML head: a README without it is of something else
HERE = "path/of/this/folder"


@dataclass(frozen=True)
class ModelRecord:
    """What the YAML head says of a model.

    Attributes:
        version: `v1`, `v2` ..: how often it was pushed there.
        content: SHA-256 (hex) over the files beside the README.
        recipe: name of the recipe.
        seed: of the run.
        levels: of the labels, fine to coarse.
        tree_fingerprint: of the tree it was trained with.
    """

    __pydantic_config__ = FORBID

    version: str
    content: str
    recipe: str
    seed: int
    levels: tuple[str, ...]
    tree_fingerprint: str


@dataclass(frozen=True)
class Background:
    """What is known of a model beside its folder.

    Attributes:
        description: what its folder says.
        name: of the model.
        recipe: the recipe's settings as YAML; empty where it is not among the recipes.
        dataset: what it was trained on; None where that is not here.
        evaluation: folder with `table.md` and `headline.json`; None where it was not evaluated.
        licence: of the weights; empty where nobody says.
    """

    description: ModelDescription
    name: str
    recipe: str
    dataset: PublishedDataset | None
    evaluation: Path | None
    licence: str


def read_record(readme: str, origin: str) -> ModelRecord | None:
    """What the README of a pushed model says; None for a README of something else.

    Raises:
        CairnError: its YAML head is damaged.
    """
    if f"\n{KEY}:\n" not in readme:
        return None
    return typed(ModelRecord, front_matter(readme, origin)[KEY], f"{origin}: {KEY}")


def render_model_card(background: Background, version: str, content: str, uri: str) -> str:
    """The README.

    Args:
        background: what is known.
        version: see `ModelRecord`.
        content: see there.
        uri: where the model goes, for the snippet.

    Raises:
        CairnError: the evaluation cannot be read.
    """
    description = background.description
    record: dict[str, object] = {
        "version": version,
        "content": content,
        "recipe": description.recipe,
        "seed": description.seed,
        "levels": list(description.levels),
        "tree_fingerprint": description.tree_fingerprint,
    }
    head: dict[str, object] = {
        "library_name": "cairnhub",
        "pipeline_tag": "image-feature-extraction",
        **(licence_keys(background.licence) if background.licence else {}),
        "tags": ["image-retrieval", "metric-learning", "hierarchical-labels"],
        **_model_index(background),
        KEY: record,
    }
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=110, line_break="\n")
    parts = [_title(background), _results(background), _usage(uri), _data(background), _recipe(background)]
    return f"---\n{text}---\n\n" + "\n\n".join(filter(None, parts)) + "\n"


def _title(background: Background) -> str:
    description = background.description
    network = description.network
    return (
        f"# {escape(background.name)}\n\nTurns an image into a unit vector of {network.embedding_dim} numbers; images "
        f"whose labels stand near each other in a tree ({' < '.join(description.levels)}) get vectors that are near. "
        f"Backbone `{network.backbone}`, recipe `{description.recipe}`, seed {description.seed}."
    )


def _results(background: Background) -> str:
    if background.evaluation is None:
        return "## Results\n\nNot evaluated."
    table = read_text(background.evaluation / "table.md").strip()
    return f"## Results\n\nIn percent, with 95% intervals where there are any.\n\n{table}"


def _model_index(background: Background) -> dict[str, object]:
    if background.evaluation is None:
        return {}
    headline = read_json(background.evaluation / "headline.json", dict[str, dict[str, float]])
    dataset = background.dataset.card.title if background.dataset else background.name
    results = [
        {
            "task": {"type": "image-feature-extraction"},
            "dataset": {"type": background.name, "name": f"{dataset}, {protocol}"},
            "metrics": [
                {"type": name.removesuffix("_trained"), "value": value, "name": name.removesuffix("_trained")}
                for name, value in values.items()
                if name.endswith("_trained")
            ],
        }
        for protocol, values in headline.items()
        if any(name.endswith("_trained") for name in values)
    ]
    return {"model-index": [{"name": background.name, "results": results}]} if results else {}


def _usage(uri: str) -> str:
    scheme, name = uri.split("://")[0], uri.rsplit("/", 1)[-1]
    if scheme == "hf":
        repository = uri.removeprefix("hf://").removeprefix("models/")
        first = ["from huggingface_hub import snapshot_download"]
        fetch = [f'folder = snapshot_download("{repository}")']
    elif "://" in uri:
        first = ["import fsspec"]
        fetch = [
            f'fsspec.filesystem("{scheme}").get("{uri}", "{name}", recursive=True)',
            f'folder = "{name}"',
        ]
    else:
        first, fetch = [], [f'folder = "{HERE}"']
    code = [*first, "from cairnhub.training.inference import encode", "", *fetch]
    code.append(
        'vectors = encode(["photo.jpg"], folder)   # one unit vector an image; dot products are cosines'
    )
    shown = "\n".join(code)
    install = "`pip install '.[train]'` in a checkout of Cairn, or its wheel's name with `[train]` behind it"
    return f"## Use\n\n{install}, then\n\n```python\n{shown}\n```"


def _data(background: Background) -> str:
    description, dataset = background.description, background.dataset
    lines = ["## Data and tree", ""]
    if dataset is not None:
        card, stats = dataset.card, dataset.stats
        splits = ", ".join(f"{name} {split.n_images:,}" for name, split in stats.splits.items())
        link = f" ({card.licence_url})" if card.licence_url else ""
        lines += [
            f"- Dataset: {escape(card.title)}; images by split: {splits}; fingerprint `{stats.fingerprint}`.",
            f"- Licence of the data: {escape(card.licence)}{link}.",
        ]
    else:
        lines.append("- The dataset that it was trained on was not at hand when this was written.")
    is_here = dataset is not None and dataset.stats.tree_fingerprint == description.tree_fingerprint
    where = ", in `tree.json`" if is_here else ""
    lines.append(f"- Label tree `{description.tree_fingerprint}`{where}.")
    said = escape(background.licence) if background.licence else "not stated"
    lines.append(f"- Licence of the weights: {said}.")
    return "\n".join(lines)


def _recipe(background: Background) -> str:
    if not background.recipe:
        return ""
    return f"## Recipe\n\n`{background.description.recipe}`:\n\n```yaml\n{background.recipe.strip()}\n```"
