"""`cairn tree ask`: answers of a language model kept in git and replayed offline, against a server on this machine."""

import json
import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cairnhub import __main__ as program
from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.voice.model_evidence import read_evidence
from cairnhub.pipelines import chat as chat_module
from cairnhub.pipelines import dataset_facts
from cairnhub.pipelines.chat import KEY, URL, Chat
from cairnhub.pipelines.cli import app
from cairnhub.pipelines.doctor.outputs import examine_decisions
from tests.pipelines.chat_server import Server, chatting
from tests.pipelines.table_project import TableProject, inside

SECRET = "sk-5f1c9e7a2b4d6810"
LABELS = [
    "otter",
    "seal",
    "beaver",
    "trout",
    "shark",
    "oak",
    "pine",
    "willow",
    "maple",
    "bus",
    "train",
    "bicycle",
]


def answer(prompt: str) -> str:
    """Names a group by the letters that its labels begin with, places a label in the first group offered."""
    lines = prompt.split("\n")
    if "Which of these groups" in prompt:
        return json.dumps({"answer": next(iter(json.loads(lines[1])))})
    return 'Well. {"answer": "the ' + "".join(label[0] for label in json.loads(lines[1])) + ' group"}'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> TableProject:
    """A table whose tree is proposed from its labels, as far as the proposal."""
    rows = [(f"photos/{label}_{i}.jpg", label, "train") for label in LABELS for i in range(2)]
    made = TableProject(
        tmp_path_factory.mktemp("asked"),
        rows,
        "path,fine,split",
        levels=["fine"],
        tree={"from": "text", "sizes": [4, 2], "pack": "none"},
    )
    path = made.root / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params |= {"tree_from_data": [], "tree_from_text": ["mine"], "train_on": []}
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    made.stage("fetch", "index", "embed", "cluster")
    return made


@pytest.fixture
def project(built: TableProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[TableProject]:
    """The same, nothing answered yet."""
    for name in (KEY, URL):
        monkeypatch.delenv(name, raising=False)
    proposal = built.at("data/proposal") / "proposal.json"
    before = proposal.read_bytes()
    yield built
    proposal.write_bytes(before)
    evidence_of(built).unlink(missing_ok=True)


def evidence_of(project: TableProject) -> Path:
    return project.root / "decisions/mine.evidence.jsonl"


def ask(project: TableProject, *arguments: str) -> str:
    with inside(project.root):
        asked = CliRunner().invoke(app, ["tree", "ask", "mine", *arguments])
    if asked.exception:
        raise asked.exception
    return asked.output


def test_answers_are_kept_and_replayed_offline_with_the_same_bytes(
    project: TableProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = project.at("data/proposal") / "proposal.json"
    before = TreeProposal.load(proposal)
    with chatting(answer, SECRET) as server:
        monkeypatch.setenv(KEY, SECRET)
        monkeypatch.setenv(URL, server.url)
        printed = ask(project, "--below", "0.6", "--model", "stand-in")
        again = ask(project, "--below", "0.6", "--model", "stand-in")
        assert all(question["temperature"] == 0 for question in server.questions)
    lines = read_evidence(evidence_of(project))
    assert f"{len(lines)} answers kept" in " ".join(printed.split())
    assert "nothing is left to ask" in again
    assert len(server.questions) == len(lines)
    assert {line.ask for line in lines} == {"name", "place"}

    monkeypatch.delenv(KEY)
    monkeypatch.delenv(URL)
    project.stage("cluster")  # the server is gone
    told = proposal.read_bytes()
    project.stage("cluster", "review")
    assert proposal.read_bytes() == told
    after = TreeProposal.load(proposal)
    after.check("it")
    assert any(group.why == "named by stand-in" for group in after.groups)
    placed = {line.label for line in lines if line.ask == "place"}
    assert {entry.label for entry in after.labels if entry.why == "stand-in says so"} == placed
    assert LabelTree.load(project.at("data/tree") / "tree.json").at_level("group") == [
        group.name for group in after.of_level("group")
    ]
    evidence_of(project).unlink()
    project.stage("cluster")
    assert TreeProposal.load(proposal) == before
    everything = [path.read_bytes() for path in project.root.rglob("*") if path.is_file()]
    assert not [content for content in everything if SECRET.encode() in content]
    assert SECRET not in printed + again


def test_only_labels_and_names_are_sent_and_nothing_unasked(project: TableProject) -> None:
    with chatting(answer) as server:
        ask(project, "--url", server.url)
        words = set(LABELS) | set(
            re.findall(r"\w+", (project.at("data/proposal") / "proposal.json").read_text("utf-8"))
        )
        for prompt in server.prompts:
            told = json.loads(prompt.split("\n")[1])
            listed = told if isinstance(told, list) else [*told, *chain.from_iterable(told.values())]
            assert set(listed) <= words
            assert "photos" not in prompt
            assert str(project.root) not in prompt
        n_requests = server.n_requests
        project.stage("cluster")
        assert server.n_requests == n_requests


def test_a_stopped_run_goes_on(project: TableProject) -> None:
    with chatting(answer) as server:
        ask(project, "--url", server.url, "--limit", "1")
        assert len(read_evidence(evidence_of(project))) == 1
        server.troubles = ["", "", "401"]  # the models, an answer, then it lets nobody in
        with pytest.raises(CairnError, match=r"401.*1 answers are kept, the next run goes on after them"):
            ask(project, "--url", server.url, "--below", "0.6")
        assert len(read_evidence(evidence_of(project))) == 2
        ask(project, "--url", server.url, "--below", "0.6")
        lines = read_evidence(evidence_of(project))
    assert len({(line.ask, line.level, line.label or line.members) for line in lines}) == len(lines) > 2
    assert len(server.questions) == len(lines)


@pytest.mark.parametrize(
    "said", [None, "", "no idea", '{"answer": "' + "long " * 40 + '"}', '{"answer": "\\u001b[2J"}']
)
def test_what_is_no_answer_is_counted_and_not_kept(
    project: TableProject, caplog: pytest.LogCaptureFixture, said: str | None
) -> None:
    with chatting(lambda _: said) as server:
        printed = ask(project, "--url", server.url, "--limit", "3")
    assert "0 answers kept" in printed
    assert "3 answers refused" in caplog.text
    assert not evidence_of(project).exists()
    assert len(server.questions) == 3


def test_a_server_that_sends_the_key_back_gets_nothing_kept(
    project: TableProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with (
        chatting(lambda _: json.dumps({"answer": SECRET}), SECRET) as server,
        pytest.raises(CairnError, match="do you trust this server") as raised,
    ):
        ask(project, "--url", server.url)
    assert SECRET not in str(raised.value)
    assert not evidence_of(project).exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say which endpoint to ask: --url http://localhost:8000/v1, or CAIRN_LLM_URL"),
        (("--url", "ftp://example.org/v1"), "say which endpoint"),
        (("--url", "http://[::1/v1"), "--url is no address"),
        (("--url", "http://localhost:99999/v1"), "is the address right"),
        (("--url", "http://me:secret@localhost/v1"), "put the key into CAIRN_LLM_KEY"),
        (("--url", "http://localhost/v1?key=secret"), "put the key into CAIRN_LLM_KEY"),
        (("--url", "http://127.0.0.1:9/v1"), "nothing answers there; does the server run"),
        (("--url", "http://localhost/v1", "--below", "0.9"), "--below is 0.9; give 0 to 0.6"),
        (("--url", "http://localhost/v1", "--scale", "full"), "no proposal for 'mine'"),
        (("--url", "http://localhost/v1", "--scale", "big"), "no scale 'big'"),
    ],
)
def test_a_mistake_is_one_line(
    project: TableProject, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["cairn", "tree", "ask", "mine", *arguments])
    with inside(project.root), pytest.raises(SystemExit) as stop:
        program.main()
    message = str(stop.value)
    assert message.startswith("error: ")
    assert words in message
    assert "secret" not in message
    assert "\n" not in message


def test_a_proposal_must_be_there(project: TableProject) -> None:
    proposal = project.at("data/proposal") / "proposal.json"
    proposal.rename(proposal.with_name("away"))
    try:
        with pytest.raises(CairnError, match="run `dvc repro cluster@sample-mine` first"):
            ask(project, "--url", "http://127.0.0.1:9/v1")
    finally:
        proposal.with_name("away").rename(proposal)


def test_help_says_what_is_sent() -> None:
    text = " ".join(re.sub(r"[│\s]+", " ", CliRunner().invoke(app, ["tree", "ask", "--help"]).output).split())
    assert "Sent to the endpoint: labels" in text
    assert "no images, no other files" in text
    assert "Example: cairn tree ask" in text


# ---- the endpoint -----------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    with chatting(lambda _: "fine", SECRET) as running:
        yield running


def chat_with(server: Server, key: str = SECRET, **more: float) -> tuple[Chat, list[float]]:
    waits: list[float] = []
    return Chat(server.url + "/", key, wait=waits.append, **more), waits  # type: ignore[arg-type]


def test_what_passes_is_waited_for(server: Server) -> None:
    chat, waits = chat_with(server)
    server.troubles = ["429", "500", "hang up"]
    assert chat.answer("how?", "stand-in") == "fine"
    assert waits == [7.0, 2.0, 4.0]
    assert server.questions[0]["messages"][-1] == {"role": "user", "content": "how?"}


@pytest.mark.parametrize(
    ("troubles", "words", "n_requests"),
    [
        (["503"] * 9, r"answers 503 .*overloaded.*4 times; try again later", 4),
        (["hang up"] * 9, "the connection broke, 4 times", 4),
        (["page"], "something else than OpenAI's protocol", 1),
        (["other protocol"], "something else than OpenAI's protocol", 1),
        (["redirect"], "answers 307 .*is the address right", 1),
        (["endless"], "more than 1,048,576 bytes", 1),
        (["400"], r"answers 400 .*\(overloaded\)", 1),
    ],
)
def test_what_lasts_is_one_line(server: Server, troubles: list[str], words: str, n_requests: int) -> None:
    chat, _ = chat_with(server)
    server.troubles = troubles
    with pytest.raises(CairnError, match=words) as raised:
        chat.answer("how?", "stand-in")
    assert server.n_requests == n_requests
    assert "\n" not in str(raised.value)


def test_a_slow_server_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_module, "_N_TRIES", 2)
    chat, _ = chat_with(server, timeout_s=0.2)
    server.troubles = ["slow", "slow"]
    with pytest.raises(CairnError, match=r"no answer within 0\.2 s, 2 times"):
        chat.answer("how?", "stand-in")


def test_a_key_is_asked_for_and_never_shown(server: Server) -> None:
    with pytest.raises(CairnError, match=r"401 .*set CAIRN_LLM_KEY to a key that it takes"):
        chat_with(server, "")[0].answer("how?", "stand-in")
    wrong = "sk-another-one"
    with pytest.raises(
        CairnError, match=r"401 .*provided: \*\*\*.*does not take the CAIRN_LLM_KEY that is set"
    ) as raised:
        chat_with(server, wrong)[0].answer("how?", "stand-in")
    assert wrong not in str(raised.value)
    assert wrong not in repr(chat_with(server, wrong)[0])
    for odd in ("sk-ä", "sk-a\nX-Other: b"):
        with pytest.raises(CairnError, match="holds characters that no key has") as raised:
            chat_with(server, odd)
        assert odd not in str(raised.value)


def test_no_other_key_is_looked_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert chat_with(server)[0].answer("how?", "stand-in") == "fine"


def test_a_model_that_is_not_there_is_named(server: Server) -> None:
    with pytest.raises(CairnError, match=r"404 .*is there a model 'gpt'"):
        chat_with(server)[0].answer("how?", "gpt")


def test_the_only_model_is_taken(server: Server) -> None:
    assert chat_with(server)[0].only_model() == "stand-in"
    server.models = ("a", "b")
    with pytest.raises(CairnError, match="serves 2 models: 'a', 'b'; name one by --model"):
        chat_with(server)[0].only_model()


# ---- the graph and the doctor ------------------------------------------------------------------------------------


def test_evidence_is_a_dependency_of_those_that_have_some(tmp_path: Path) -> None:
    none = dataset_facts._evidence(tmp_path, "mine")
    assert none.name == "none.jsonl"
    assert read_evidence(none) == []
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions/mine.evidence.jsonl").touch()
    assert dataset_facts._evidence(tmp_path, "mine") == tmp_path / "decisions/mine.evidence.jsonl"
    assert dataset_facts._evidence(tmp_path, "other") == none


def test_the_doctor_reads_evidence_as_such(project: TableProject) -> None:
    with chatting(answer) as server:
        ask(project, "--url", server.url, "--limit", "2")
    (found,) = examine_decisions(project.root)
    assert (found.what, found.found, found.verdict) == ("decisions mine.evidence", "2", "ok")
    evidence_of(project).write_text("{}\n", encoding="utf-8")
    (found,) = examine_decisions(project.root)
    assert "mine.evidence.jsonl:1" in found.found
    assert found.is_problem
