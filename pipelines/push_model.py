"""Push a trained model to others: its folder with a README, the label tree and what it was measured to be."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from cairnhub.core.errors import BadInput, CairnError, NotFound, Unreachable
from cairnhub.core.files import replace_folder
from cairnhub.core.hashing import sha256_of
from cairnhub.datasets_hub.destinations import Destination, open_destination
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.location import PublishedDataset
from cairnhub.datasets_hub.storage_errors import overtaken
from cairnhub.pipelines.model_card import Background, ModelRecord, read_record, render_model_card
from cairnhub.pipelines.paths import Paths, project_root
from cairnhub.training.models import read_description
from cairnhub.training.recipes.recipe import load_recipe

log = logging.getLogger(__name__)
README = "README.md"
_DRAFT = "A model is being sent here, or a push of it was cut."


@dataclass(frozen=True)
class PushedModel:
    """What a push of a model did, or (dry run) would do.

    Attributes:
        destination: URI of its folder or repository.
        version: `v1`, `v2` ..
        sizes_bytes: its files.
        switched: False where it was there already, or in a dry run.
    """

    destination: str
    version: str
    sizes_bytes: Mapping[str, int]
    switched: bool

    def __str__(self) -> str:
        size = sum(self.sizes_bytes.values()) / 1e6
        did = "sent" if self.switched else "to send, or there already"
        return f"{self.destination} {self.version}: a model, {len(self.sizes_bytes)} files ({size:,.1f} MB) {did}"


def push_model(
    folder: Path,
    to: str | Path,
    *,
    dataset: str = "",
    evaluation: Path | None = None,
    licence: str = "",
    dry_run: bool = False,
    private: bool = False,
    storage_options: Mapping[str, object] | None = None,
) -> PushedModel:
    """Push the folder of a trained model with a model card.

    On the Hugging Face hub all of it is one commit, with a tag; a folder is replaced in one step; in an object store
    the README comes last, and another model is never written over.

    Args:
        folder: of the model.
        to: a folder, `s3://bucket/prefix`, `gs://..` or `hf://org/name`.
        dataset: what it was trained on; by default what its place in a checkout says.
        evaluation: folder with `table.md` and `headline.json`; by default likewise.
        licence: of the weights.
        dry_run: only say what would travel.
        private: a repository of the Hugging Face hub is private, and a public one is refused.
        storage_options: passed to fsspec.

    Raises:
        NotFound: no such model, dataset or evaluation.
        BrokenData: the folder is damaged.
        BadInput: something else lies at the destination.
        Unreachable: the destination does not answer or does not let us in, or another push is under way.
    """
    background = _background(folder, dataset, evaluation, licence)
    destination = open_destination(to, storage_options, kind="model", private=private)
    if destination.is_local and Path(destination.uri).resolve() == folder.resolve():
        raise BadInput(f"{destination.uri} is the folder of the model itself: give another place")
    if private:
        destination.require_private()
    with _edition(folder, background) as files:
        content = _content(files)
        written = destination.read_text(README)
        before = _before(destination, written, content)
        is_same = before is not None and before.content == content
        version = "v1" if before is None else before.version if is_same else f"v{int(before.version[1:]) + 1}"
        card = render_model_card(background, version, content, destination.uri)
        is_there = is_same and written == card
        if not is_same:
            _check_place(destination, before, files)
        if not (dry_run or is_there):
            with destination.held():
                if destination.read_text(README) != written:
                    raise overtaken(destination.uri)
                begun = written if is_same and written else _draft(content)
                _send(destination, files, _Readme(written, begun, card), version)
        sizes = {name: (files / name).stat().st_size for name in _names(files)}
        switched = not (dry_run or is_there)
        return PushedModel(destination.uri, version, {**sizes, README: len(card.encode())}, switched)


def _background(folder: Path, dataset: str, evaluation: Path | None, licence: str) -> Background:
    description = read_description(folder)
    place = _place_in_checkout(folder)
    if evaluation is None and place and (place.results("evaluate") / "table.md").is_file():
        evaluation = place.results("evaluate")
    for name in ("table.md", "headline.json") if evaluation else ():
        if not (Path(str(evaluation)) / name).is_file():
            raise NotFound(
                f"{evaluation}: no {name}; give a folder that the stage `evaluate` wrote, with --evaluation"
            )
    published: PublishedDataset | None = None
    if dataset:
        published = describe(dataset)
    elif place and (place.hub / README).is_file():
        published = describe(place.hub)
    if published and published.stats.tree_fingerprint != description.tree_fingerprint:
        log.warning(f"{published.card.name} has another label tree by now than the model was trained with")
    try:
        settings = load_recipe(description.recipe).model_dump(mode="json", exclude_defaults=True)
        recipe = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    except CairnError:  # of somebody else's recipes
        recipe = ""
    return Background(description, folder.resolve().name, recipe, published, evaluation, licence)


def _place_in_checkout(folder: Path) -> Paths | None:
    """The paths of the dataset that the train stage made the model for."""
    try:
        root = project_root()
    except NotFound:
        return None
    scale, name = folder.resolve().parts[-2:]
    paths = Paths(root, scale, name)
    return paths if paths.model.resolve() == folder.resolve() else None


@contextmanager
def _edition(folder: Path, background: Background) -> Iterator[Path]:
    """A folder with links to all that is sent but the README."""
    with tempfile.TemporaryDirectory() as name:
        edition = Path(name)
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in relative.parts):
                (edition / relative).parent.mkdir(parents=True, exist_ok=True)
                (edition / relative).symlink_to(path.resolve())
        (edition / README).unlink(missing_ok=True)
        dataset = background.dataset
        if dataset and dataset.stats.tree_fingerprint == background.description.tree_fingerprint:
            dataset.tree().save(edition / "tree.json")
        if background.recipe:
            (edition / "recipe.yaml").write_text(background.recipe, encoding="utf-8", newline="\n")
        for each in ("metrics.json", "headline.json") if background.evaluation else ():
            if (Path(str(background.evaluation)) / each).is_file():
                shutil.copyfile(Path(str(background.evaluation)) / each, edition / each)
        yield edition


def _content(folder: Path) -> str:
    lines = [f"{name} {sha256_of(folder / name)}" for name in _names(folder)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _draft(content: str) -> str:
    """The README while files are on their way: nobody else may write there."""
    return f"{_DRAFT} Push the same model again to finish it.\n\n{content}\n"


def _before(destination: Destination, readme: str | None, content: str) -> ModelRecord | None:
    """The model that is there.

    Raises:
        BadInput: a README of something else is there.
        Unreachable: another model is being sent there.
    """
    if readme is None or readme == _draft(content):
        return None
    if readme.startswith(_DRAFT):
        raise Unreachable(
            f"{destination.uri}: another model is being pushed there, or that push was cut: wait for it, or push that "
            f"model again to finish it, or remove {README} there"
        )
    record = read_record(readme, f"{destination.uri}/{README}")
    if record is None:
        raise BadInput(
            f"{destination.uri} has a README.md of something else: give a place of the model's own"
        )
    return record


def _check_place(destination: Destination, before: ModelRecord | None, files: Path) -> None:
    """Refuse what would mix with other files, or leave readers with parts of two models."""
    if destination.uri.startswith("hf://"):
        return
    if before and not destination.is_local:
        raise BadInput(
            f"{destination.uri} holds another version of a model, and an object store cannot replace several files at "
            "once: give each version a prefix of its own"
        )
    there = destination.sizes_bytes()
    foreign = [path for path in there if path != README and not (files / path).is_file()]
    if not before and foreign:
        raise BadInput(
            f"{destination.uri} holds something else ({foreign[0]}): give a place of the model's own"
        )


@dataclass(frozen=True)
class _Readme:
    """The README before, while and after files are sent."""

    before: str | None
    begun: str
    card: str


def _send(destination: Destination, files: Path, readme: _Readme, version: str) -> None:
    if destination.is_local:
        with replace_folder(Path(destination.uri)) as partial:
            for name in _names(files):
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(files / name, partial / name)
            (partial / README).write_text(readme.card, encoding="utf-8", newline="\n")
        return
    if (
        readme.begun != readme.before
    ):  # names of files do not say what is in them: of two pushes one is refused
        destination.claim(README, readme.begun, readme.before)
    destination.upload(files, _names(files))
    destination.claim(README, readme.card, readme.begun)
    destination.switch({}, version)


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
