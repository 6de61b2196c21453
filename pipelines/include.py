"""Add a dataset to the lists of `params.yaml`, and declare it if it is new; comments stay."""

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import parse_yaml, read_text
from cairnhub.datasets_hub.card import NAME
from cairnhub.pipelines.declare import Ask, Declaration, declared_source, n_classes
from cairnhub.pipelines.own_images.folder_labels import require_classes
from cairnhub.pipelines.params import Params, check_scale, load_params, validate
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.settings.sources import FOLDERS
from cairnhub.pipelines.sources.readers import reader
from cairnhub.pipelines.split_names import hindrances

_RECIPES = {64: "photos", 16: "few_photos"}  # by the fewest classes, half of which fill a batch
_RECIPE_OF_FEWEST = "fewest_photos"


@dataclass(frozen=True)
class Included:
    """What became of a dataset that was included.

    Attributes:
        lists: those that name it now.
        declared: the entry under `sources` that was made; None where there was one.
        warning: what stands in the way of training or evaluating it; empty where nothing does or can be told yet.
    """

    lists: tuple[str, ...]
    declared: dict[str, Any] | None
    warning: str


def include_dataset(
    path: Path,
    dataset: str,
    mirror: str | None,
    scale: str,
    said: Declaration | None = None,
    ask: Ask | None = None,
) -> Included:
    """List `dataset` under `datasets`, its kind of tree and `train_on`, its scale under `scales`, and note its mirror.

    A dataset that is not declared is declared as a table or as folders of classes, and gets the small recipe; one whose
    tree is proposed gets a file for the decisions of people.

    Args:
        path: `params.yaml`; replaced only if the result is valid.
        dataset: a name under `sources`.
        mirror: folder or URL of its files, a local folder must exist; None: the embedded sample or the authors'.
        scale: the scale that is built, and whose `fetch` gets the mirror.
        said: what a person says of own images.
        ask: asks for what is left open of them; None: what is usual is taken.

    Raises:
        CairnError: the dataset is not declared and there is no folder of it, it is declared and something else is said
            of it, the folder or the scale does not exist, its lists there cannot be read, or the result is invalid.
    """
    check_scale(scale)
    params = load_params(path)
    said = said or Declaration()
    if dataset in params.sources and said != Declaration():
        raise BadInput(f"params.yaml: {dataset!r} is declared already; edit sources.{dataset} there")
    if dataset not in params.sources and (mirror is None or "://" in mirror):
        params.source(dataset)  # says what there is
    if mirror and "://" not in mirror and not Path(mirror).is_dir():
        raise NotFound(f"no folder {mirror}: give the folder or URL that holds the files of {dataset}")
    yaml = yaml_with_comments()
    document = yaml.load(read_text(path))
    declared = None
    if dataset not in params.sources:
        if not re.fullmatch(NAME, dataset):
            raise BadInput(
                f"{dataset!r} is no name for a dataset: small letters, digits, - and _, such as my_photos"
            )
        declared = declared_source(said, Path(mirror or ""), ask)
        if declared["labels"] == FOLDERS and declared["images"] == ["."]:
            require_classes(Path(mirror or ""))
        declared, recipe = usual_plan(declared, said, n_classes(declared, Path(mirror or "")))
        document["sources"].insert(
            0, dataset, compact(declared)
        )  # behind the last stand comments on what follows
        document["train"][scale]["recipes"].setdefault(dataset, recipe)
        params = _valid(document, yaml, path.name)
    lists = ["datasets", "tree_from_text" if params.proposes(dataset) else "tree_from_data"]
    if params.trains(dataset, scale):
        lists.append("train_on")
    if scale not in document["scales"]:
        document["scales"].append(scale)
    for key in lists:
        if dataset not in document[key]:
            document[key].append(dataset)
    if mirror:
        document["fetch"][scale].setdefault("mirrors", {})[dataset] = mirror
    params = _valid(document, yaml, path.name)
    warning = warning_of(params, dataset, scale, path.parent)
    decisions = Paths(path.parent, scale, dataset, params.files_of(dataset)).decisions
    if dataset in params.tree_from_text and not decisions.exists():
        write_text_atomic(decisions, "")
    write_text_atomic(path, dumped(document, yaml))
    return Included(tuple(lists), declared, warning)


def yaml_with_comments() -> YAML:
    """Reads and writes YAML as people write it."""
    yaml = YAML()
    yaml.width = 160
    yaml.preserve_quotes = True
    return yaml


def usual_plan(declared: dict[str, Any], said: Declaration, n_classes: int) -> tuple[dict[str, Any], str]:
    """How own photos of so many classes are divided and trained on, where nobody says.

    Of classes that are too few for half of them to be held out, all are trained on, and some photos of each held out.

    Returns:
        The declared source, and the name of a recipe.

    Raises:
        BadInput: more groups are wanted than there are labels.
    """
    if said.sizes and said.sizes[0] > n_classes:
        raise BadInput(
            f"--sizes asks for {said.sizes[0]:,} groups of {n_classes:,} labels: give smaller numbers, or leave it out"
        )
    recipe = next((name for least, name in _RECIPES.items() if n_classes >= least), "")
    if not recipe and "split" not in declared:
        declared = {**declared, "split": {"by": "image"}}
    return declared, recipe or _RECIPE_OF_FEWEST


def compact(value: Any) -> Any:
    """A declaration as people write it: what is inside an entry stands on one line."""
    if isinstance(value, dict):
        inside = CommentedMap({key: compact(each) for key, each in value.items()})
        if "format" not in value:
            inside.fa.set_flow_style()
        return inside
    if isinstance(value, list):
        listed = CommentedSeq(value)
        listed.fa.set_flow_style()
        return listed
    return value


def dumped(document: Any, yaml: YAML) -> str:
    """A document as text."""
    text = StringIO()
    yaml.dump(document, text)
    return text.getvalue()


def _valid(document: Any, yaml: YAML, name: str) -> Params:
    return validate(Params, parse_yaml(dumped(document, yaml), name), name)


def warning_of(params: Params, dataset: str, scale: str, root: Path) -> str:
    """What the splits of a local mirror stand in the way of."""
    mirror = getattr(params.fetch, scale).mirrors.get(dataset)
    if mirror is None or "://" in mirror:
        return ""
    source = reader(params, dataset, scale)
    splits = source.splits_at(root / mirror)
    if not splits:
        return ""
    protocols = source.protocols(splits)
    found = hindrances(
        dataset,
        splits,
        protocols,
        is_trained=dataset in params.train_on,
        is_evaluated=params.is_evaluated(dataset),
    )
    return "\n".join(found)
