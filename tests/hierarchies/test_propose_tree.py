"""Names in, a tree out: any domain, any depth."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairnhub import LabelTree
from cairnhub.core.errors import BadInput, BrokenData, NewerFormat, NotFound
from cairnhub.hierarchies import NamedGroup, TreeProposal, propose_tree
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.proposal.agglomeration import group_labels
from cairnhub.hierarchies.proposal.clean_text import clean_label
from cairnhub.hierarchies.proposal.label_senses import choose_senses
from cairnhub.hierarchies.proposal.model_record import ModelRecord
from cairnhub.hierarchies.proposal.spelling import put_right, slips
from cairnhub.hierarchies.proposal.text_vectors import FloatArray, SentenceEmbedder
from cairnhub.hierarchies.proposal.wordnet import HOW_TO_GET, WordNet, find_wordnet

ANIMALS = ["otter", "seal", "beaver", "trout", "shark"]
TREES = ["oak tree", "pine tree", "willow tree", "maple tree"]
VEHICLES = ["bus", "train", "bicycle", "motorcycle", "pickup truck"]
LABELS = [*ANIMALS, *TREES, *VEHICLES]


@pytest.fixture(scope="module")
def embedder() -> SentenceEmbedder:
    return SentenceEmbedder()


@pytest.fixture(scope="module")
def wordnet() -> WordNet:
    place = find_wordnet()
    if place is None:
        pytest.skip("WordNet is not installed (make test installs Debian's where it may)")
    return WordNet(place)


class Letters:
    """Vectors of letter pairs: quick, and alike for texts that are alike."""

    model = ModelRecord("letters", "1", "0" * 64)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        vectors = np.zeros((len(texts), 64), np.float32)
        for row, text in enumerate(texts):
            for one, other in pairwise(text):
                vectors[row, (ord(one) * 31 + ord(other)) % 64] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def groups_of(proposal: TreeProposal) -> set[frozenset[str]]:
    members: dict[str, set[str]] = {}
    for entry in proposal.labels:
        members.setdefault(entry.group, set()).add(entry.label)
    return {frozenset(found) for found in members.values()}


def test_class_names_become_groups_that_a_person_would_make(embedder: SentenceEmbedder) -> None:
    proposal = propose_tree(LABELS, sizes=[3], embedder=embedder, wordnet=None)
    assert groups_of(proposal) == {frozenset(ANIMALS), frozenset(TREES), frozenset(VEHICLES)}
    assert "tree" in {group.name for group in proposal.groups}
    assert proposal.notes == (f"made from the texts alone. {HOW_TO_GET}",)
    assert all(entry.why.startswith("like ") for entry in proposal.labels)


@pytest.mark.parametrize(
    ("others", "word"),
    [
        (["rat", "hamster", "squirrel", "rabbit", "otter"], "rodent"),
        (["keyboard", "screen", "printer", "joystick", "laptop"], "electronic device"),
    ],
)
def test_the_other_labels_tell_which_sense_is_meant(
    others: list[str], word: str, embedder: SentenceEmbedder, wordnet: WordNet
) -> None:
    proposal = propose_tree([*others, "mouse"], sizes=[2], embedder=embedder, wordnet=wordnet)
    meaning = {entry.label: entry.meaning for entry in proposal.labels}["mouse"]
    kinds = next(sense.kinds for sense in wordnet.senses("mouse") if sense.name == meaning)
    assert word in {wordnet.word_of(kind) for kind in kinds}
    assert proposal.models[1].name == "WordNet"
    assert not proposal.notes


def test_a_common_kind_names_what_shares_no_word(embedder: SentenceEmbedder, wordnet: WordNet) -> None:
    fruit, birds = ["apple", "pear", "peach", "cherry"], ["robin", "sparrow", "finch", "wren"]
    proposal = propose_tree([*fruit, *birds], sizes=[2], embedder=embedder, wordnet=wordnet)
    names = {entry.group for entry in proposal.labels if entry.label in birds}
    assert len(names) == 1
    assert names <= {"oscine", "bird", "passerine"}
    assert not {group.name for group in proposal.groups} & {
        "apple",
        "cherry",
        "finch",
    }  # nor the first by alphabet


def test_ten_neighbours_of_all_are_kept_and_three_say_why(embedder: SentenceEmbedder) -> None:
    proposal = propose_tree(LABELS, sizes=[3], embedder=embedder, wordnet=None)
    group_of = {entry.label: entry.group for entry in proposal.labels}
    for entry in proposal.labels:
        assert len(entry.neighbours) == len(entry.likeness) == 10
        assert entry.label not in entry.neighbours
        assert list(entry.likeness) == sorted(entry.likeness, reverse=True)
        inside = [name for name in entry.neighbours[:3] if group_of[name] == entry.group]
        assert entry.why == (f"like {', '.join(inside)}" if inside else "like nothing else here")
    oak = next(entry for entry in proposal.labels if entry.label == "oak tree")
    assert set(oak.neighbours[:3]) == {*TREES} - {"oak tree"}
    assert len({group_of[name] for name in oak.neighbours}) == 3  # of all groups, not of two


def test_a_sample_of_many_labels_tells_the_sense(
    embedder: SentenceEmbedder, wordnet: WordNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairnhub.hierarchies.proposal.label_senses._ALL_UP_TO", 10)
    monkeypatch.setattr("cairnhub.hierarchies.proposal.label_senses._SAMPLE", 10)
    rodents = [
        "rat",
        "hamster",
        "squirrel",
        "rabbit",
        "otter",
        "beaver",
        "gerbil",
        "badger",
        "weasel",
        "vole",
        "ferret",
    ]
    (mouse,) = [sense for sense in choose_senses([*rodents, "mouse"], wordnet, embedder)[-1:] if sense]
    assert "rodent" in {wordnet.word_of(kind) for kind in mouse.sense.kinds}


@pytest.mark.parametrize(("depth", "n_levels"), [(1, 2), (2, 3), (3, 4), (4, 5)])
def test_any_number_of_levels(depth: int, n_levels: int, embedder: SentenceEmbedder) -> None:
    tree = propose_tree(LABELS, depth=depth, embedder=embedder, wordnet=None).tree()
    assert len(tree.levels) == n_levels
    sizes = [len(tree.at_level(level)) for level in tree.levels]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[1] == round(len(LABELS) ** (depth / (depth + 1)))


def test_what_is_known_is_kept_and_the_rest_is_proposed(embedder: SentenceEmbedder) -> None:
    known = {"otter": "wet", "seal": "wet", "oak tree": "woods", "train": "on the road"}
    column = [known.get(label, "") for label in LABELS]
    proposal = propose_tree(
        LABELS,
        known={"group": column},
        sizes=[4, 2],
        levels=["label", "group", "top"],
        embedder=embedder,
        wordnet=None,
    )
    entries = {entry.label: entry for entry in proposal.labels}
    for label, group in known.items():
        assert (entries[label].group, entries[label].source, entries[label].confidence) == (
            group,
            "known",
            1.0,
        )
    assert entries["pine tree"].group == "woods"
    assert {entry.source for label, entry in entries.items() if label not in known} == {"text"}
    assert sorted(Counter(group.level for group in proposal.groups).items()) == [("group", 4), ("top", 2)]


def test_a_known_upper_level_holds_for_the_levels_below(embedder: SentenceEmbedder) -> None:
    halves = ["left" if i % 2 else "right" for i in range(len(LABELS))]
    proposal = propose_tree(
        LABELS,
        known={"top": halves},
        sizes=[4, 2],
        levels=["label", "group", "top"],
        embedder=embedder,
        wordnet=None,
    )
    tree = proposal.tree()
    assert {label: tree.path(label)[-1] for label in LABELS} == dict(zip(LABELS, halves, strict=True))


def test_groups_that_a_person_names_take_the_nearest_labels(embedder: SentenceEmbedder) -> None:
    names = [
        NamedGroup("creatures", ("whale",)),
        NamedGroup("trees"),
        NamedGroup("transport", ("car", "ship")),
    ]
    proposal = propose_tree(LABELS, names=names, depth=1, embedder=embedder, wordnet=None)
    of = {entry.label: entry.group for entry in proposal.labels}
    assert {of[label] for label in TREES} == {"trees"}
    assert {of[label] for label in VEHICLES} == {"transport"}
    assert Counter(of[label] for label in ANIMALS)["creatures"] >= 4
    assert {entry.source for entry in proposal.labels} <= {"named", "text"}


def test_descriptions_and_further_views_decide_where_names_do_not(embedder: SentenceEmbedder) -> None:
    labels = ["n01", "n02", "n03", "n04"]
    told = ["a big cat with a mane", "a car with four wheels", "a cat with stripes", "a truck with a trailer"]
    wanted = {frozenset({"n01", "n03"}), frozenset({"n02", "n04"})}
    described = propose_tree(labels, descriptions=told, sizes=[2], embedder=embedder, wordnet=None)
    assert groups_of(described) == wanted
    texts = propose_tree(
        labels, texts=["lion", "car", "tiger", "truck"], sizes=[2], embedder=embedder, wordnet=None
    )
    assert groups_of(texts) == wanted
    photos = np.array([[1, 0, 0.1], [0, 1, 0], [1, 0.1, 0], [0, 1, 0.1]])
    seen = propose_tree(
        ["ab", "cd", "ef", "gh"], views=[5 * photos], sizes=[2], embedder=Letters(), wordnet=None
    )
    assert groups_of(seen) == {frozenset({"ab", "ef"}), frozenset({"cd", "gh"})}


@pytest.mark.parametrize(
    "labels", [["n01440764", "n01443537", "n01484850"], ["1", "2", "3"], ["class_1", "class_2"], ["🐟", "🐕"]]
)
def test_labels_that_say_nothing_are_refused_with_what_would_help(labels: list[str]) -> None:
    with pytest.raises(BadInput, match=r"say nothing of what they are .*texts.*descriptions"):
        propose_tree(labels, embedder=Letters(), wordnet=None)


def test_a_few_silent_labels_are_noted() -> None:
    proposal = propose_tree(["apple", "pear", "Q1386235"], sizes=[2], embedder=Letters(), wordnet=None)
    assert proposal.notes[0] == "1 of 3 labels say nothing of what they are: 'Q1386235'"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": []}, "no labels"),
        ({"labels": ["a b", "A  B"]}, "differ only in case"),
        ({"labels": ["apple", ""]}, "empty label"),
        ({"sizes": [9]}, "must fall from 3 labels"),
        ({"sizes": [2, 3]}, "must fall"),
        ({"sizes": [0]}, "must fall"),
        ({"sizes": [2], "levels": ["label", "a", "b"]}, "1 sizes for 2 levels"),
        ({"levels": ["label", "label"]}, "label"),
        ({"known": {"shelf": ["a", "b", "c"]}}, r"known levels 'shelf' are not among 'group', 'supergroup'"),
        ({"known": {"group": ["a"]}}, "group: 1 values for 3 labels"),
        ({"descriptions": ["a"]}, "descriptions: 1 values for 3 labels"),
        ({"views": [np.ones((2, 2))]}, "view 0: 2 values for 3 labels"),
        ({"known": {"group": ["a", "", ""]}, "names": [NamedGroup("x")]}, "give one of them"),
        ({"depth": 1, "levels": ["label", "a", "b"]}, "depth is 1, but 2 levels"),
    ],
)
def test_what_does_not_fit_is_said(given: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        propose_tree(
            **({"labels": ["apple", "pear", "plum"], "embedder": Letters(), "wordnet": None} | given)
        )


NAMES = st.lists(
    st.text("abcdefgh -'é", min_size=2, max_size=12),
    min_size=1,
    max_size=25,
    unique_by=lambda t: clean_label(t),
)


@settings(deadline=None, max_examples=60)
@given(NAMES, st.randoms(use_true_random=False), st.integers(1, 3))
def test_the_order_of_the_labels_does_not_matter(names: list[str], random: object, depth: int) -> None:
    labels = [f"word {name.strip()}" for name in names]
    labels = list({" ".join(label.split()): label for label in labels}.values())
    shuffled = sorted(labels * 2, key=lambda _: random.random())
    one = propose_tree(labels, depth=depth, embedder=Letters(), wordnet=None)
    assert propose_tree(shuffled, depth=depth, embedder=Letters(), wordnet=None) == one
    tree = one.tree()
    assert tree.leaves == sorted(labels)
    assert len(tree.levels) == depth + 1


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 14), st.integers(1, 6), st.integers(0, 10_000))
def test_grouping_is_average_linkage(n: int, n_groups: int, seed: int) -> None:
    from scipy.cluster.hierarchy import fcluster, linkage

    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ours = group_labels(vectors, np.ones(n, np.int64), n_groups)
    assert len(set(ours.tolist())) == min(n, n_groups)
    if n > 1:
        links = linkage(np.array([1 - a @ b for a, b in combinations(vectors, 2)]), "average")
        theirs = fcluster(links, min(n, n_groups), "maxclust")
        assert [(a == b) for a, b in combinations(ours, 2)] == [(a == b) for a, b in combinations(theirs, 2)]


@settings(deadline=None, max_examples=80)
@given(st.integers(2, 20), st.integers(1, 5), st.integers(0, 10_000))
def test_what_is_kept_apart_never_meets(n: int, n_groups: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, apart = rng.normal(size=(n, 4)), rng.integers(-1, 3, (n, 2))
    groups = group_labels(vectors, np.ones(n, np.int64), n_groups, apart)
    for one, other in combinations(range(n), 2):
        if groups[one] == groups[other]:
            known = (apart[one] >= 0) & (apart[other] >= 0)
            assert (apart[one] == apart[other])[known].all()


def test_many_labels_are_grouped_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cairnhub.hierarchies.proposal.agglomeration.MAX_LINKED", 200)
    monkeypatch.setattr("cairnhub.hierarchies.proposal.agglomeration._N_MICRO", 80)
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(6, 32))
    truth = rng.integers(0, 6, 1000)
    vectors = centers[truth] + 0.1 * rng.normal(size=(1000, 32))
    groups = group_labels(vectors, np.ones(1000, np.int64), 6)
    assert len({(a, b) for a, b in zip(groups.tolist(), truth.tolist(), strict=True)}) == 6
    apart = (np.arange(1000) % 2)[:, None]
    parted = group_labels(vectors, np.ones(1000, np.int64), 6, apart)
    assert all(len(set(apart[parted == group, 0])) == 1 for group in set(parted.tolist()))


def test_a_proposal_is_saved_and_read_again(tmp_path: Path) -> None:
    proposal = propose_tree(LABELS, depth=3, embedder=Letters(), wordnet=None)
    proposal.save(tmp_path / "proposal.json")
    assert TreeProposal.load(tmp_path / "proposal.json") == proposal
    tree = proposal.tree()
    tree.save(tmp_path / "tree.json")
    loaded = LabelTree.load(tmp_path / "tree.json")
    assert loaded == tree
    assert loaded.info[Node("label", "otter")].source == "text"
    assert 0.05 <= loaded.info[Node("label", "otter")].confidence <= 0.5
    (tmp_path / "proposal.json").write_text('{"schema": 9}')
    with pytest.raises(NewerFormat, match="schema 9, this Cairn reads up to 2"):
        TreeProposal.load(tmp_path / "proposal.json")
    with pytest.raises(NotFound, match="no proposal"):
        TreeProposal.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("004.Black_footed_Albatross", "black footed albatross"),
        ("PickupTruck", "pickup truck"),
        ("12 - sofa", "sofa"),
        ("HTMLPage", "html page"),
        ("inlet(s)", "inlets"),
        ("iPod", "ipod"),
        ("7up", "7up"),
        ("747", "747"),
        ("Crème_Brûlée", "crème brûlée"),
    ],
)
def test_labels_are_read_as_a_person_would_write_them(text: str, clean: str) -> None:
    assert clean_label(text) == clean


KNOWN = {"elephant", "pickup", "truck", "flowers", "station", "planet"}


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("elefhant", "elephant"),
        ("elehpant", "elephant"),
        ("elephantt", "elephant"),
        ("elphant", "elephant"),
        ("flowerz", "flowers"),
        ("planett", "planet"),
        ("elefant", None),  # two letters
        ("pikup", None),  # short
    ],
)
def test_one_slip_is_put_right(slip: str, meant: str | None) -> None:
    texts = ["pickup truck", "station", "elephant", slip]
    found = slips(texts, KNOWN.__contains__)
    assert found == ({slip: meant} if meant else {})
    assert put_right(f"big {slip}", found) == f"big {meant or slip}"


def test_names_and_other_languages_are_no_slips() -> None:
    assert slips(["Bahnhof", "stazione", "estacion", "station"], KNOWN.__contains__) == {}


def test_a_slip_is_said(embedder: SentenceEmbedder, wordnet: WordNet) -> None:
    proposal = propose_tree(
        ["crocodlie", "lizard", "oak tree", "pine tree"], sizes=[2], embedder=embedder, wordnet=wordnet
    )
    assert proposal.notes == ("read as slips: crocodlie for crocodile",)
    assert groups_of(proposal) == {frozenset({"crocodlie", "lizard"}), frozenset({"oak tree", "pine tree"})}


def test_wordnet_is_found_where_it_is_told_to_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_WORDNET", str(tmp_path))
    with pytest.raises(NotFound, match=r"no data\.noun lies"):
        find_wordnet()
    (tmp_path / "data.noun").write_text("  1 no data\n")
    assert find_wordnet() == tmp_path
    with pytest.raises(BrokenData, match="no whole WordNet"):
        WordNet(tmp_path)


def test_a_broken_zip_is_no_wordnet(tmp_path: Path) -> None:
    (tmp_path / "wordnet.zip").write_bytes(b"no zip")
    with pytest.raises(BrokenData, match="no whole WordNet"):
        WordNet(tmp_path / "wordnet.zip")


def test_wordnet_in_the_zip_of_nltk(tmp_path: Path, wordnet: WordNet) -> None:
    from zipfile import ZipFile

    if wordnet.place.suffix == ".zip":
        pytest.skip("it is a zip already")
    with ZipFile(tmp_path / "wordnet.zip", "w") as archive:
        for file in sorted(wordnet.place.iterdir()):
            archive.write(file, f"wordnet/{file.name}")
    zipped = WordNet(tmp_path / "wordnet.zip")
    assert zipped.senses("otter") == wordnet.senses("otter")
    assert zipped.record == wordnet.record
