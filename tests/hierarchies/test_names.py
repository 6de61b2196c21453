"""What names of places say: in nine scripts, by their endings, and by what other landmarks taught."""

import csv
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cairnhub.hierarchies.proposal.clean_text import words
from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.proposal.landmarks import texts_to_embed
from cairnhub.hierarchies.proposal.name_likeness import NameLikeness
from cairnhub.hierarchies.proposal.name_model import ABSTAIN_BELOW, Assignment, NameModel, fit
from tests.hierarchies.toy import ToyEmbedder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
IN_SCRIPTS = pd.read_csv(HERE / "names_in_scripts.tsv", sep="\t")
SCRIPTS = sorted(set(IN_SCRIPTS["script"]))
UNTAUGHT = fit([], [])


def assign(name: str, model: NameModel = UNTAUGHT) -> Assignment:
    (found,) = model.assign([name])
    return found


def test_there_are_nine_scripts_of_names() -> None:
    assert len(SCRIPTS) == 9
    assert len(IN_SCRIPTS) >= 67


@pytest.mark.parametrize("script", SCRIPTS)
def test_plain_names_in_each_script(script: str) -> None:
    table = IN_SCRIPTS[IN_SCRIPTS["script"] == script]
    found = UNTAUGHT.assign(table["name"].tolist())
    right = [answer.category == expected for answer, expected in zip(found, table["category"], strict=True)]
    wrong = [
        (name, answer.category)
        for name, answer, good in zip(table["name"], found, right, strict=True)
        if not good and answer.category
    ]
    assert len(table) >= 8
    assert not wrong
    assert np.mean(right) >= 0.9


def test_every_script_has_words_for_the_commonest_categories() -> None:
    with (ROOT / "hierarchies/proposal/script_words.tsv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    known = load_concepts().by_name
    for script in SCRIPTS:
        of_script = {row["category"]: row["words"].split("|") for row in rows if row["script"] == script}
        assert len(of_script) >= 25
        assert set(of_script) <= set(known)
        for category, listed in of_script.items():
            bare = [word.strip("*?") for word in listed]
            assert all(map(words, bare)), (script, category)
            assert len(set(bare)) == len(bare), (script, category)


def test_vowel_signs_belong_to_their_word() -> None:
    assert [len(words(name)) for name in ("लाल किला", "กำแพงเมือง", "မြစ်")] == [2, 1, 1]


def test_letters_with_strokes_are_plain() -> None:
    assert words("Pałac Kultury, Sarayı, Mølle, Đerdap") == ["palac", "kultury", "sarayi", "molle", "derdap"]


@pytest.mark.parametrize(("name", "bare"), [("الجامع", "جامع"), ("המוזיאון", "מוזיאון"), ("والقلعة", "قلعة")])
def test_articles_are_no_part_of_a_word(name: str, bare: str) -> None:
    in_names = load_concepts().in_names
    assert in_names.of_token(name) == in_names.of_token(bare) != {}


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("Burg Eltz", "castle"),
        ("Wartburg", "castle"),
        ("Wasserschloss Glatt", "castle"),
        ("Alte Brücke", "bridge"),
        ("Karlsbrücke", "bridge"),
        ("Erasmusbrug", "bridge"),
        ("Storebæltsbroen", "bridge"),
        ("Frauenkirche", "church"),
        ("Hallgrímskirkja", "church"),
        ("Storkyrkan", "church"),
        ("Chiemsee", "lake"),
        ("Kirkkojärvi", "lake"),
        ("Plitvička jezera", "lake"),
        ("Feldberg", "mountain"),
        ("Hallasan", "mountain"),
        ("Rheintal", "valley"),
        ("Geirangerfjorden", "coast"),
        ("Pałac Kultury i Nauki", "palace"),
        ("Topkapı Sarayı", "palace"),
        ("Doryuji", "buddhist temple"),
        ("Roter Sand (Leuchtturm)", "lighthouse"),
        ("Rathaus Heidelberg", "government building"),  # a town's ending says nothing beside a word
        ("Synagoge Augsburg", "synagogue"),
        ("Playa de la Concha", "coast"),  # the English word is another one
    ],
)
def test_endings_count_as_words(name: str, category: str) -> None:
    assert assign(name).category == category


@pytest.mark.parametrize("name", ["America On Wheels", "Neuschwanstein", "Susan", "Dobin", "Xyzzy"])
def test_endings_that_could_be_anything_give_no_answer(name: str) -> None:
    assert assign(name).category is None


def test_a_word_of_many_meanings_is_a_weak_sign() -> None:
    in_names = load_concepts().in_names
    assert in_names.of_token("город")["settlement"] < in_names.of_token("село")["settlement"]
    assert assign("Neuschwanstein").best == "castle"


TEMPLES = [
    f"{place} Temple"
    for place in ["Ako", "Boru", "Cima", "Dure", "Elo", "Faru", "Gomi", "Hata", "Ina", "Jote"]
]
OTHERS = [
    f"{place} {word}" for place in ["Ako", "Boru", "Cima", "Dure", "Elo"] for word in ["Bridge", "Museum"]
]
OTHER_CATEGORIES = ["bridge", "museum"] * 5


def test_landmarks_teach_what_a_known_word_turns_out_to_mean() -> None:
    model = fit(TEMPLES + OTHERS, ["buddhist temple"] * len(TEMPLES) + OTHER_CATEGORIES)
    assert assign("Kelo Temple").best == "temple"
    assert assign("Kelo Temple", model).best == "buddhist temple"
    assert assign("Kelo Bridge", model).best == "bridge"


def test_landmarks_that_contradict_each_other_teach_nothing() -> None:
    pool = ["church", "lake", "tower", "market", "zoo", "castle", "mill", "house", "park", "gate"]
    names = [*TEMPLES, *OTHERS, *(f"Gleeb {place}" for place in "abcdefghij")]
    categories = [*pool, *OTHER_CATEGORIES, *pool]
    model = fit(names, categories)
    assert [assign(name, model).best for name in ("Kelo Temple", "Kelo Bridge")] == ["temple", "bridge"]
    assert model.trust == 0
    assert np.array_equal(model.turned_out, np.eye(len(model.categories)))


def test_a_name_that_says_nothing_is_not_lifted_by_calibration() -> None:
    model = fit(TEMPLES + OTHERS, ["buddhist temple"] * len(TEMPLES) + OTHER_CATEGORIES)
    assert assign("Xyzzy").confidence < 0.1
    assert assign("Kelo Bridge", model).confidence > 0.8
    assert assign("Xyzzy", model).confidence < ABSTAIN_BELOW


def test_the_order_of_landmarks_changes_nothing() -> None:
    typed = list(zip(TEMPLES + OTHERS, ["buddhist temple"] * len(TEMPLES) + OTHER_CATEGORIES, strict=True))
    asked = ["Kelo Temple", "Alte Brücke", "Xyzzy", "東京駅"]
    first = fit(*map(list, zip(*typed, strict=True))).assign(asked)
    random.Random(3).shuffle(typed)
    assert fit(*map(list, zip(*typed, strict=True))).assign(asked[::-1]) == first[::-1]


def test_names_are_embedded_where_a_landmark_has_no_type() -> None:
    table = pd.DataFrame({"landmark": ["Pont Neuf", "Qwxz"], "type": ["bridge", None]})
    assert {"Pont Neuf", "Qwxz"} <= set(texts_to_embed(table))
    assert not {"Pont Neuf", "Qwxz"} & set(texts_to_embed(table.assign(type="bridge")))


def test_likeness_of_a_name_that_says_what_it_is() -> None:
    likeness = NameLikeness.by(ToyEmbedder())
    ((lake, own, harbour),) = likeness.cosines(["lake"], ["lake", "of our own", "harbour"])
    everything = likeness.cosines(["lake"], list(likeness.place))
    assert lake == everything.max() > harbour
    assert own == pytest.approx(everything.mean())
    assert likeness.cosines([], ["lake"]).shape == (0, 1)


Learn = Callable[[list[str], list[str]], NameModel]


@pytest.fixture(scope="module")
def typed(shared_dir: Path) -> list[tuple[str, str]]:
    """Names of real landmarks with the category that the words of their type tell."""
    table = pd.read_csv(shared_dir / "reference" / "gldv2_landmarks.tsv", sep="\t").sort_values("name")
    evidence = [load_concepts().of_type(text) for text in table["supercategory"]]
    return [(name, found.category) for name, found in zip(table["name"], evidence, strict=True) if found]


def _held_out(typed: list[tuple[str, str]], learn: Learn) -> tuple[list[Assignment], list[bool]]:
    """Answers from models that have not seen the name, and whether their best guess is right."""
    answers, right = [], []
    for fold in range(5):
        train = [pair for i, pair in enumerate(typed) if i % 5 != fold]
        model = learn([name for name, _ in train], [category for _, category in train])
        answers += model.assign([name for name, _ in typed[fold::5]])
        right += [category for _, category in typed[fold::5]]
    return answers, [answer.best == category for answer, category in zip(answers, right, strict=True)]


@pytest.mark.shared
def test_teaching_raises_the_share_of_right_answers(typed: list[tuple[str, str]]) -> None:
    _, taught = _held_out(typed, fit)
    _, untaught = _held_out(typed, lambda names, categories: UNTAUGHT)
    assert np.mean(taught) > np.mean(untaught) + 0.02


@pytest.mark.shared
def test_confidence_says_how_many_are_right(typed: list[tuple[str, str]]) -> None:
    answers, right = _held_out(typed, fit)
    confidence = np.array([answer.confidence for answer in answers])
    answered = confidence >= ABSTAIN_BELOW
    assert answered.mean() >= 0.85
    assert confidence[answered].mean() == pytest.approx(np.array(right)[answered].mean(), abs=0.04)
    assert np.array(right)[~answered].mean() < ABSTAIN_BELOW
