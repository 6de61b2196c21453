"""A repository of the Hugging Face hub that gets another commit while we push: nothing of it is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import FakeHub, Repository
from hub_toy import toy_card, write_toy
from huggingface_hub import HfApi, constants

from cairnhub.core.errors import Unreachable
from cairnhub.datasets_hub.hugging_face import HuggingFaceDestination
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.push import push, rollback

TO = "hf://org/toy"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two states of one dataset: their cards differ."""
    folders = [tmp_path_factory.mktemp(f"state{number}") / "toy" for number in range(2)]
    for number, folder in enumerate(folders):
        write_toy(folder, card=toy_card(title=f"Toy {number}"))
    return folders


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    hub = FakeHub()
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield hub
    hub.shutdown()


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Callable[[object, str, Callable[[], object]], None]:
    """Do something else once, before a method is called."""

    def arrange(owner: object, method: str, act: Callable[[], object]) -> None:
        plain, todo = getattr(owner, method), [act]

        def disturbed(*arguments: object, **options: object) -> object:
            if todo:
                todo.pop()()
            return plain(*arguments, **options)

        monkeypatch.setattr(owner, method, disturbed)

    return arrange


def edit(server: FakeHub) -> Repository:
    """Somebody writes a file there by the web page."""
    repository = server.repositories["org/toy"]
    repository.commit({"NOTES.md": b"mine"})
    return repository


@pytest.mark.parametrize("moment", ["altered", "upload", "switch"])
def test_what_others_commit_meanwhile_refuses_a_push(
    moment: str, server: FakeHub, two: list[Path], before: Callable[..., None]
) -> None:
    push(two[0], TO)
    before(HuggingFaceDestination, moment, lambda: edit(server))
    with pytest.raises(Unreachable, match=r"hf://org/toy: another push .* made meanwhile.*push again"):
        push(two[1], TO)
    repository = server.repositories["org/toy"]
    assert repository.at("main")[1]["NOTES.md"] == b"mine"
    assert "v2" not in repository.references
    assert describe(TO).card.title == "Toy 0"
    assert push(two[1], TO).version == "v2"
    assert describe(TO).card.title == "Toy 1"


def test_of_two_pushes_the_second_is_the_next_version(
    server: FakeHub, two: list[Path], before: Callable[..., None]
) -> None:
    before(HuggingFaceDestination, "switch", lambda: push(two[0], TO))
    with pytest.raises(Unreachable, match="push again"):
        push(two[1], TO)
    assert push(two[1], TO).version == "v2"
    assert [describe(TO, revision=name).card.title for name in ("v1", "v2")] == ["Toy 0", "Toy 1"]


def test_a_rollback_is_refused_likewise(
    server: FakeHub, two: list[Path], before: Callable[..., None]
) -> None:
    push(two[0], TO)
    before(HuggingFaceDestination, "switch", lambda: push(two[1], TO))
    with pytest.raises(Unreachable, match="made meanwhile"):
        rollback(TO, "v1")
    assert describe(TO).card.title == "Toy 1"


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_tag_is_of_the_commit_that_was_pushed(
    is_cut: bool, server: FakeHub, two: list[Path], before: Callable[..., None]
) -> None:
    if is_cut:  # a push was cut before its tag: the next one makes it
        server.mishaps = iter(["", "refused"]).__next__
        with pytest.raises(Unreachable):
            push(two[0], TO)
        server.mishaps = lambda: ""
    before(HfApi, "create_tag", lambda: edit(server))
    push(two[0], TO)
    repository = server.repositories["org/toy"]
    assert "NOTES.md" in repository.at("main")[1]
    assert "NOTES.md" not in repository.at("v1")[1]
