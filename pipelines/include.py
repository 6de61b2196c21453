"""Add a declared dataset to the lists of `params.yaml`, keeping its comments."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from cairnhub.core.errors import NotFound
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import parse_yaml, read_text
from cairnhub.pipelines.params import Params, check_scale, load_params, validate
from cairnhub.pipelines.sources.readers import reader
from cairnhub.pipelines.split_names import hindrances


@dataclass(frozen=True)
class Included:
    """What became of a dataset that was included.

    Attributes:
        lists: those that name it now.
        warning: what stands in the way of training or evaluating it; empty where nothing does or can be told yet.
    """

    lists: tuple[str, ...]
    warning: str


def include_dataset(path: Path, dataset: str, mirror: str | None, scale: str) -> Included:
    """List `dataset` under `datasets`, `tree_from_data` and `train_on`, its scale under `scales`, and note its mirror.

    Args:
        path: `params.yaml`; replaced only if the result is valid.
        dataset: a name under `sources`.
        mirror: folder or URL of its files, a local folder must exist; None: the embedded sample or the authors'.
        scale: the scale that is built, and whose `fetch` gets the mirror.

    Raises:
        CairnError: the dataset is not declared, the folder or the scale does not exist, its lists there cannot be read,
            or the result is invalid.
    """
    check_scale(scale)
    params = load_params(path)
    params.source(dataset)
    if mirror and "://" not in mirror and not Path(mirror).is_dir():
        raise NotFound(f"no folder {mirror}: give the folder or URL that holds the files of {dataset}")
    yaml = YAML()
    yaml.width = 160
    yaml.preserve_quotes = True
    document = yaml.load(read_text(path))
    lists = ["datasets"]
    if dataset not in params.tree_from_text:
        lists.append("tree_from_data")
    if params.trains(dataset, scale):
        lists.append("train_on")
    if scale not in document["scales"]:
        document["scales"].append(scale)
    for key in lists:
        if dataset not in document[key]:
            document[key].append(dataset)
    if mirror:
        document["fetch"][scale].setdefault("mirrors", {})[dataset] = mirror
    text = StringIO()
    yaml.dump(document, text)
    params = validate(Params, parse_yaml(text.getvalue(), path.name), path.name)
    warning = _warning(params, dataset, scale, path.parent)
    write_text_atomic(path, text.getvalue())
    return Included(tuple(lists), warning)


def _warning(params: Params, dataset: str, scale: str, root: Path) -> str:
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
