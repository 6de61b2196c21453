"""Files of every age of Cairn: each was written by the code of its time, and is read, or named with what to do.

`tests/data/ages`: a dataset pushed twice by each schema of `stats.json` (505 labels: once the finest level held
numbers of nodes); models of each layout with the vector that they gave; decisions and a manifest of the first days.
"""

import json
import re
import tarfile
from pathlib import Path

import pytest
import torch

from cairnhub.core.errors import CairnError, NewerFormat
from cairnhub.core.hashing import has_hash
from cairnhub.datasets_hub.card import read_card
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.dataset_diff import diff_datasets
from cairnhub.datasets_hub.destinations import open_destination
from cairnhub.datasets_hub.loader import describe, load_dataset, load_tree
from cairnhub.datasets_hub.push import push
from cairnhub.datasets_hub.records import RowList
from cairnhub.datasets_hub.stats import SCHEMA, Stats
from cairnhub.datasets_hub.versions import read_history
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.pipelines.sources.manifest import SCHEMA as MANIFEST_SCHEMA
from cairnhub.pipelines.sources.manifest import read_manifest
from cairnhub.training.models import load_model, read_description
from tests.datasets_hub.hub_toy import toy_card, toy_row, toy_tree, write_toy
from tests.hierarchies.toy import PROPOSAL

AGES = Path(__file__).parent / "data/ages"
SCHEMAS = (1, 2, 3, 4)


def unpacked(name: str, folder: Path) -> Path:
    with tarfile.open(AGES / f"{name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
        return folder / archive.getnames()[0]


@pytest.fixture(params=SCHEMAS)
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpacked(f"dataset-schema-{request.param}", tmp_path)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of today."""
    folder = tmp_path_factory.mktemp("new") / "toy"
    write_toy(folder, tree=toy_tree(200), partitions=[RowList([toy_row("test", i) for i in range(3)])])
    return folder


def test_every_schema_that_was_written_has_a_file() -> None:
    assert SCHEMAS[-1] == SCHEMA, "a new schema: add a file that the code before it wrote, and what reads it"
    assert (AGES / f"manifest-{MANIFEST_SCHEMA}.json").is_file()


def test_a_dataset_of_any_age_is_described_and_its_files_are_what_they_were(published: Path) -> None:
    for revision in ("v1", "v2"):
        old = describe(published, revision=revision)
        assert (old.stats.n_images, old.card.levels) == (7, ("fine", "coarse"))
        assert all(has_hash(published / file.path, file.sha256) for file in old.stats.files)
        splits = old.stats.splits.values()
        assert all(
            split.n_listed == split.n_images + split.n_quarantined + split.n_excluded for split in splits
        )
    tree = load_tree(published)
    assert (len(tree.at_level("fine")), tree.path("leaf 009")) == (505, ("leaf 009", "group 2"))
    assert [version.message for version in read_history(open_destination(published))] == ["first", "second"]


def test_a_dataset_of_any_age_is_read_or_named(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_old := describe(published).stats.schema < 4:
        with pytest.raises(
            CairnError, match=r"schema \d, in which fine hold numbers of nodes.*push it there"
        ):
            load_dataset(published, "test")
        monkeypatch.setattr(
            "cairnhub.datasets_hub.stats._MOST_CLASS_LABELS", 505
        )  # as if no level were large
    test, fine = load_dataset(published, "test"), load_tree(published).at_level("fine")
    assert test.features["coarse"].int2str(test["coarse"]) == ["group 0", "group 3", "group 5"]
    assert [fine[i - 8 * is_old] for i in test["fine"]] == ["leaf 000", "leaf 101", "leaf 404"]
    assert load_dataset(published, "train", config="nodes").num_rows == 1 + 7 + 505


def test_two_ages_of_one_dataset_differ_in_what_they_differ(published: Path) -> None:
    changes = diff_datasets(published, published, revision_before="v1", revision_after="v2").changes
    assert [str(change) for change in changes] == ["images added: 1 (two)", "images removed: 1 (one)"]
    current = unpacked("dataset-schema-4", published.parent / "current")
    kinds = [change.kind for change in diff_datasets(published, current).changes]
    assert kinds in ([], ["files with other pictures, other kept columns, or written otherwise"])


def test_an_older_dataset_at_a_target_is_published_to_again(published: Path, new: Path) -> None:
    third = push(new, published)
    assert (third.version, third.switched) == ("v3", True)
    assert "images removed: 5 (" in str(third)
    assert describe(published).stats.schema == SCHEMA
    assert load_dataset(published, "test").num_rows == 3
    assert describe(published, revision="v2").stats.n_images == 7
    assert push(new, published).version == "v3"


def test_an_older_build_is_neither_checked_nor_pushed(published: Path, tmp_path: Path) -> None:
    for act in (lambda: push(published, tmp_path / "elsewhere"), lambda: check_dataset(published)):
        with pytest.raises(
            CairnError, match=r"by an earlier Cairn \(schema \d\): build it again with this one"
        ):
            act()
    assert not (tmp_path / "elsewhere").exists()


def test_a_card_of_the_first_days_asked_attribution_of_all_or_none(published: Path) -> None:
    readme = (published / "README.md").read_text()
    for said, wanted in (("true", ("train", "test")), ("false", ())):
        first = re.sub(r"  attribution_required: .*\n", f"  attribution_required: {said}\n", readme)
        first = first.replace("  - author\n", "  - author\n  - license\n", 1)
        assert read_card(first, "README.md").attribution_required == wanted


# ---- models -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["1-small-cnn", "2-backbone-json", "3-backbone-folder", "4-layer-norm"])
def test_a_model_of_any_age_gives_the_vector_that_it_gave(name: str, tmp_path: Path) -> None:
    folder = unpacked(f"model-{name}", tmp_path)
    expected = torch.tensor(json.loads((folder / "vector.json").read_text()))
    (folder / "vector.json").unlink()
    model, description = load_model(folder)
    side = description.network.image_side_px
    with torch.no_grad():
        found = model(torch.linspace(-1, 1, 3 * side * side).reshape(1, 3, side, side))[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert description.network.norm == "layer"
    assert (description.network.colours, model.colours.mean) == ("unit", (0.5, 0.5, 0.5))


def test_a_model_without_layer_norm_stays_without(tmp_path: Path) -> None:
    folder = unpacked("model-4-layer-norm", tmp_path)
    raw = json.loads((folder / "model.json").read_text())
    raw["network"]["layer_norm"] = False
    (folder / "model.json").write_text(json.dumps(raw))
    assert read_description(folder).network.norm == "none"


# ---- trees, decisions, manifests ----------------------------------------------------------------------------


def test_decisions_of_the_first_days_apply() -> None:
    decisions = read_decisions(AGES / "decisions.jsonl")
    assert [decision.act for decision in decisions] == [
        "rename", "move", "merge", "split", "assign", "accept", "undo",
    ]  # fmt: skip
    _, report = apply_decisions(PROPOSAL, decisions)
    assert report.counts()["applied"] > 0
    lines = (AGES / "decisions.jsonl").read_text().splitlines()
    assert [decision.to_line() for decision in decisions] == lines


def test_a_manifest_of_the_first_days_is_read() -> None:
    files = read_manifest(AGES / "manifest.json", AGES / "no table")
    assert files
    assert all(len(file.sha256) == 64 for file in files.values())


def test_a_manifest_of_schema_2_is_read_with_its_table() -> None:
    files = read_manifest(AGES / "manifest-2.json", AGES / "manifest-2.tsv")
    assert [*files] == [
        "labels.csv",
        "photos.tar",
        "photos/ash/a.jpg",
        "photos/ash/b.jpg",
        "photos/oak/a.jpg",
    ]
    assert files["photos.tar"].hash == "md5:" + "1" * 32


def test_versions_of_a_newer_cairn_keep_what_this_one_does_not_know(new: Path, tmp_path: Path) -> None:
    push(new, tmp_path / "to")
    history = tmp_path / "to/versions.json"
    (entry,) = json.loads(history.read_text())
    history.write_text(json.dumps([{**entry, "signed_by": {"name": "ada"}}]))
    other = RowList([toy_row("test", 7)])
    write_toy(tmp_path / "toy", tree=toy_tree(200), partitions=[other], card=toy_card(title="Other"))
    assert push(tmp_path / "toy", tmp_path / "to").version == "v2"
    first, second = json.loads(history.read_text())
    assert first == {**entry, "signed_by": {"name": "ada"}}
    assert second.keys() == entry.keys()


def test_what_is_newer_is_named_with_what_to_do(new: Path, tmp_path: Path) -> None:
    push(new, tmp_path / "to")
    for path in (tmp_path / "to").rglob("stats.json"):
        path.write_text(path.read_text().replace(f'"schema": {SCHEMA}', f'"schema": {SCHEMA + 1}'))
    for act in (lambda: describe(tmp_path / "to"), lambda: push(new, tmp_path / "to")):
        with pytest.raises(NewerFormat, match=rf"stats\.json: schema {SCHEMA + 1}, .*upgrade Cairn"):
            act()
    tree = toy_tree(10).to_json().replace('"schema": 1', '"schema": 7')
    with pytest.raises(NewerFormat, match=r"schema 7, this Cairn reads up to 1: upgrade"):
        LabelTree.from_json(tree, "tree.json")
    (tmp_path / "proposal.json").write_text(PROPOSAL.to_json().replace('"schema": 2', '"schema": 3'))
    with pytest.raises(NewerFormat, match=r"schema 3, this Cairn reads up to 2: upgrade"):
        TreeProposal.load(tmp_path / "proposal.json")
    (tmp_path / "x.jsonl").write_text('{"act": "undo", "of": "x", "signed_by": "ada"}\n')
    with pytest.raises(
        CairnError, match=r"x\.jsonl:1: signed_by: no key of this Cairn: misspelt, or of a newer one"
    ):
        read_decisions(tmp_path / "x.jsonl")
    manifest = (AGES / "manifest-2.json").read_text()
    (tmp_path / "manifest.json").write_text(manifest.replace('"schema": 2', '"schema": 3'))
    with pytest.raises(NewerFormat, match=r"manifest\.json: schema 3, this Cairn reads up to 2: upgrade"):
        read_manifest(tmp_path / "manifest.json", AGES / "manifest-2.tsv")
    stats = json.loads((new / "stats.json").read_text()) | {"n_videos": 3}
    with pytest.raises(CairnError, match=r"stats\.json: n_videos: no key of this Cairn"):
        Stats.from_json(json.dumps(stats), "stats.json")
