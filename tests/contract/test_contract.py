"""One contract for every dataset of params.yaml: a new source is held to it without another line here."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from cairnhub.datasets_hub.loader import describe, label_array, load_dataset, load_tree
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples.generate import SAMPLES
from tests.project import BUILT, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("project"), pytest.mark.timeout(900)]
PARAMS = load_params(ROOT / "params.yaml")
DECLARED = tuple(name for name in PARAMS.sources if name not in BUILT and PARAMS.files_of(name) in SAMPLES)
"""Datasets that the built project has not; here their stages run one by one."""
UNSEEN = {
    "inat2018",
    "dyml_animal",
    "dyml_vehicle",
    "dyml_product",
    "sop",
    "cub",
    "inat2018_base",
    "vehicleid",
    "cub_hierarchy",
    "cars196",
    "cars196_types",
    "inshop",
    "vggface2",
}
"""Sources whose test classes do not occur in training."""


@pytest.fixture(params=[*BUILT, *DECLARED])
def dataset(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def declared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("declared")


@pytest.fixture
def folder(request: pytest.FixtureRequest, dataset: str, declared_root: Path) -> Path:
    if dataset in BUILT:
        return request.getfixturevalue("project").root / "data/hub/sample" / dataset
    context = Context(
        dataset, "sample", PARAMS, Paths(declared_root, "sample", dataset, PARAMS.files_of(dataset))
    )
    if not context.paths.hub.is_dir():
        for stage in ("fetch", "index", "taxonomy", "publish", "check"):
            importlib.import_module(f"cairnhub.pipelines.stages.{stage}").run(context)
    return context.paths.hub


def test_levels_run_fine_to_coarse(folder):
    tree = load_tree(folder)
    sizes = [len(tree.at_level(level)) for level in tree.levels]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 1 or sizes[0] > sizes[-1]
    for split in load_dataset(folder).values():
        assert split.column_names[: 2 + len(sizes)] == ["image", "image_id", *tree.levels]


def test_every_row_is_a_path_of_the_tree(folder):
    tree = load_tree(folder)
    for split in load_dataset(folder).values():
        labels = label_array(split, tree)
        names = [[tree.at_level(level)[index] for level, index in zip(tree.levels, row, strict=True)]
                 for row in np.unique(labels, axis=0)]  # fmt: skip
        assert all(tuple(row) == tuple(tree.path(row[0])) for row in names)


def test_ids_are_unique_and_in_one_split(folder):
    ids = [image_id for split in load_dataset(folder).values() for image_id in split["image_id"]]
    assert len(ids) == len(set(ids)) > 0


def test_every_image_decodes(folder):
    for split in load_dataset(folder).values():
        assert all(min(row["image"].convert("RGB").size) >= 16 for row in split)


def test_each_query_has_something_to_find(folder):
    tree = load_tree(folder)
    protocols = describe(folder).card.protocols
    assert protocols
    for protocol in protocols:
        query, gallery = (
            label_array(load_dataset(folder, split=name), tree) for name in (protocol.query, protocol.gallery)
        )
        for level in protocol.levels or tree.levels:
            column = tree.levels.index(level)
            needed = 2 if protocol.query == protocol.gallery else 1
            classes, counts = np.unique(gallery[:, column], return_counts=True)
            found = dict(zip(classes.tolist(), counts.tolist(), strict=True))
            assert all(found.get(label, 0) >= needed for label in query[:, column].tolist())


def test_test_classes_are_unseen_where_the_source_says_so(folder, dataset):
    if dataset not in UNSEEN:
        pytest.skip(f"{dataset} does not promise it")
    tree = load_tree(folder)
    splits = {
        name: set(label_array(split, tree)[:, 0].tolist()) for name, split in load_dataset(folder).items()
    }
    train = splits.pop("train")
    assert splits
    assert not train & set().union(*splits.values())


def test_the_card_says_what_a_user_must_know(folder):
    card = describe(folder).card
    assert card.title
    assert card.licence
    assert card.levels == load_tree(folder).levels
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "load_dataset" in readme
    assert card.licence in readme
