"""Types and names find their categories, in any order of rows, from words that no test tuned."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.agreement import agreement
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.proposal.clean_text import clean_type, head_noun
from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.proposal.landmarks import UNCLEAR, propose_landmarks, texts_to_embed
from cairnhub.hierarchies.proposal.model_record import MINILM
from cairnhub.hierarchies.proposal.name_model import fit
from cairnhub.hierarchies.proposal.propose import propose
from cairnhub.hierarchies.proposal.text_vectors import Embeddings, SentenceEmbedder
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.apply import apply_decisions
from tests.hierarchies.toy import PROPOSAL, ToyEmbedder

TOY = ToyEmbedder()
CONCEPTS = load_concepts()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Hindu temple (Shiva)", "hindu temple"),
        ("monument (1964- ", "monument"),
        ("Category:Water_towers", "water towers"),
        ("https://commons.wikimedia.org/wiki/Category:Ch%C3%A2teaux", "châteaux"),
        ("Q1386235", ""),
        ("(arch)  bridge", "bridge"),
        ("(gate)", "gate"),
    ],
)
def test_cleaning(text: str, clean: str) -> None:
    assert clean_type(text) == clean


def test_head_nouns() -> None:
    assert [head_noun(t) for t in ("Watch towers in Corsica", "churches", "glass", "Q5")] == [
        "tower",
        "church",
        "glass",
        "",
    ]


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("stone arch bridges in Iran", "bridge"),
        ("place of worship", "temple"),
        ("group of waterfalls", "waterfall"),
        ("bridge museum", "museum"),
        ("museum building", "museum"),
        ("fortified farm", "castle"),
        ("ruined windmill", "ruins"),
        ("Wallfahrtskirche", "church"),
        ("railway station above ground", "railway station"),
        ("blorp", None),
    ],
)
def test_words_of_types(text: str, category: str | None) -> None:
    evidence = CONCEPTS.of_type(text)
    assert (evidence.category if evidence else None) == category


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("Église Saint-Rémy de Reims", "church"),
        ("Dreifaltigkeitskirche (Ulm)", "church"),
        ("Itsukushima-jinja", "shinto shrine"),
        ("Château de Chenonceau", "castle"),
        ("Schloss Neuschwanstein", "castle"),
        ("Lago di Como", "lake"),
        ("Most Świętokrzyski", "bridge"),
        ("Süleymaniye Camii", "mosque"),
        ("Church of the Holy Lake", "church"),
        ("Bled (island)", "island"),
    ],
)
def test_words_of_names_in_many_languages(name: str, category: str) -> None:
    (found,) = fit([], []).assign([name])
    assert found.category == category


def test_a_name_that_says_nothing_gets_no_category() -> None:
    (found,) = fit([], []).assign(["Xyzzy"])
    assert found.category is None
    (voted,) = fit([], []).assign(["Xyzzy"], {"Xyzzy": {"lake": 2.0}})
    assert voted.category == "lake"


def test_typed_landmarks_teach_words() -> None:
    names = [
        f"{place} Gleeb" for place in ["Abrun", "Belfa", "Corto", "Danil", "Elmer", "Fosca", "Gondo", "Hilva"]
    ]
    assert fit([], []).assign(["Ivora Gleeb"])[0].best != "winery"
    assert fit(names, ["winery"] * len(names)).assign(["Ivora Gleeb"])[0].best == "winery"


TEXTS = ["Arch bridge", "arch  bridge", "lakes", "lake (glacial)", "zorp", "zorp mim", "Q77"]


def test_every_input_text_has_a_place_whatever_the_order() -> None:
    examples = {"Q77": ["Alte Warte", "Hohe Warte"]}
    first = propose(TEXTS, [1, 2, 3, 4, 5, 6, 7], TOY, examples=examples)
    backwards = propose(TEXTS[::-1], [7, 6, 5, 4, 3, 2, 1], TOY, examples=examples)
    assert first.to_json() == backwards.to_json()
    assert set(first.group_of) == set(TEXTS)
    assert first.group_of["arch  bridge"] == first.group_of["Arch bridge"] == "bridge"
    assert Node("category", "lake") in {
        node for node, parent in first.parent_of.items() if parent == "natural"
    }
    assert first.group_of["Q77"] == "tower"
    confidence = {entry.text: entry.confidence for entry in first.types}
    assert all(0 <= value <= 1 for value in confidence.values())
    assert confidence["zorp"] < 0.6


def test_superclasses_tell_what_words_do_not() -> None:
    proposal = propose(["zorp"], None, TOY, chains={"zorp": ["thing", "stone bridge", "structure"]})
    assert proposal.group_of["zorp"] == "bridge"
    assert proposal.types[0].why == "subclass of stone bridge"


def test_baselines_share_the_interface() -> None:
    texts = ["red ball", "red cube", "blue whale", "blue fish"]
    for method in ("linkage", "kmeans"):
        found = propose(texts, None, TOY, method=method, n_categories=2).group_of
        assert found["red ball"] == found["red cube"] != found["blue whale"] == found["blue fish"]
    with pytest.raises(CairnError, match="n_categories"):
        propose(texts, None, TOY, method="kmeans")


@pytest.mark.parametrize(
    ("texts", "weights", "message"),
    [([], None, "no types"), ([""], None, "a type must be"), ([None], None, "a type must be"),
     (["a"], [1, 2], "weights"), (["a"], [-1], "weights"), (["a"], [float("nan")], "weights")],
)  # fmt: skip
def test_bad_input(texts: list[str], weights: list[float] | None, message: str) -> None:
    with pytest.raises(CairnError, match=message):
        propose(texts, weights, TOY)


LANDMARKS = pd.DataFrame(
    {
        "landmark": ["Pont Neuf", "Tower Bridge", "Lac Léman", "Qwxz", "Hill House"],
        "type": ["arch bridge", "bascule bridge", None, "", "house"],
        "n_images": [5, 6, 7, 8, 9],
    }
)


def test_landmarks_go_through_to_a_tree() -> None:
    stored = Embeddings.of(texts_to_embed(LANDMARKS), TOY)
    proposal = propose_landmarks(LANDMARKS, stored)
    assert proposal.to_json() == propose_landmarks(LANDMARKS.iloc[::-1], stored).to_json()
    tree, report = apply_decisions(proposal, [])
    assert tree.path("Tower Bridge") == ("Tower Bridge", "bridge", "human-made")
    assert tree.path("Lac Léman") == ("Lac Léman", "lake", "natural")
    assert tree.path("Qwxz")[1] in UNCLEAR.values()
    assert report.pending[0].label == "Qwxz"
    assert {entry.label: entry.source for entry in proposal.labels}["Lac Léman"] == "assigned"


def test_landmarks_without_any_type() -> None:
    proposal = propose_landmarks(LANDMARKS.assign(type=None), TOY)
    assert apply_decisions(proposal, [])[0].path("Pont Neuf")[1] == "bridge"


def test_landmarks_need_unique_names() -> None:
    with pytest.raises(CairnError, match="disambiguate"):
        propose_landmarks(pd.concat([LANDMARKS, LANDMARKS]), TOY)
    with pytest.raises(CairnError, match="only in case"):
        propose_landmarks(pd.DataFrame({"landmark": ["A b", "a B"], "type": None}), TOY)


def test_proposals_come_back_and_broken_ones_are_refused(tmp_path: Path) -> None:
    PROPOSAL.save(tmp_path / "p.json")
    assert TreeProposal.load(tmp_path / "p.json") == PROPOSAL
    (tmp_path / "p.json").write_text(PROPOSAL.to_json()[:300])
    with pytest.raises(CairnError, match="not JSON"):
        TreeProposal.load(tmp_path / "p.json")


def test_embeddings_come_back_byte_for_byte(tmp_path: Path) -> None:
    stored = Embeddings.of(["b", "a", "b"], TOY)
    stored.save(tmp_path / "1.parquet")
    stored.save(tmp_path / "2.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()
    loaded = Embeddings.load(tmp_path / "1.parquet")
    assert loaded.model == TOY.model
    assert np.array_equal(loaded.encode(["b", "a"]), TOY.encode(["b", "a"]))
    with pytest.raises(CairnError, match="'c'"):
        loaded.encode(["c"])


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(CairnError, match=MINILM.sha256):
        SentenceEmbedder(tmp_path)
    with pytest.raises(CairnError, match="missing"):
        SentenceEmbedder(tmp_path / "nowhere")


def test_the_real_model_knows_related_texts() -> None:
    lake, pond, airport = SentenceEmbedder().encode(["lake", "pond", "airport"])
    assert lake @ pond > lake @ airport


@pytest.mark.shared
def test_agreement_with_published_labels(shared_dir: Path) -> None:
    table = pd.read_csv(shared_dir / "reference" / "gldv2_supercategories.tsv", sep="\t")
    texts, labels, seen = table["supercategory"], table["hierarchical_label"], table["seen"]
    found = propose(list(texts), list(seen)).group_of
    weighted = agreement([found[text] for text in texts], list(labels), list(seen))
    plain = agreement([found[text] for text in texts], list(labels))
    assert weighted.v_measure >= 0.94
    assert weighted.ari >= 0.95
    assert plain.v_measure >= 0.78 + 0.08
    assert plain.ari >= 0.52 + 0.2


@pytest.mark.shared
def test_names_alone_tell_most_categories(shared_dir: Path) -> None:
    table = pd.read_csv(shared_dir / "reference" / "gldv2_landmarks.tsv", sep="\t")
    evidence = [CONCEPTS.of_type(text) for text in table["supercategory"]]
    known = [i for i, found in enumerate(evidence) if found]
    names = [table["name"][i] for i in known]
    expected = [found.category for found in evidence if found]
    answered, right = 0, 0
    for fold in range(5):
        train = [i for i in range(len(names)) if i % 5 != fold]
        model = fit([names[i] for i in train], [expected[i] for i in train])
        for i, answer in zip(range(fold, len(names), 5), model.assign(names[fold::5]), strict=True):
            answered += answer.category is not None
            right += answer.category == expected[i]
    assert answered >= 0.6 * len(names)
    assert right >= 0.85 * answered
