"""Two push to one place at once: one of them is refused, and readers see one dataset, not two mixed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hub_toy import toy_card, toy_partitions, toy_row, write_toy

from cairnhub.core.errors import CairnError, Unreachable
from cairnhub.core.files import lock_folder
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.destinations import FolderDestination, open_destination
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.push import push, rollback
from cairnhub.datasets_hub.versions import read_history


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three states of one dataset: rows, card and licence differ."""
    folders = []
    for number in range(3):
        folder = tmp_path_factory.mktemp(f"state{number}") / "toy"
        row = replace(toy_row("test", 59), image_id=f"new {number}")
        write_toy(
            folder,
            partitions=toy_partitions(test_59=row),
            card=toy_card().model_copy(update={"title": f"Toy {number}"}),
        )
        folders.append(folder)
    return folders


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something else once, while a push sends its files."""
    upload, todo = FolderDestination.upload, [act]

    def slowly(self: FolderDestination, folder: Path, paths: Sequence[str]) -> None:
        upload(self, folder, paths)
        if todo:
            todo.pop()()

    monkeypatch.setattr(FolderDestination, "upload", slowly)


def seen(to: str, options: dict[str, object]) -> tuple[str | None, str]:
    found = describe(to, storage_options=options)
    return found.version, found.card.title


def test_on_s3_the_second_is_refused_and_becomes_the_next_version(
    three: list[Path], s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    to = "s3://hub/two/toy"
    push(three[0], to, storage_options=s3)
    between(monkeypatch, lambda: push(three[1], to, storage_options=s3))
    with pytest.raises(CairnError, match="another push is under way, or was made meanwhile"):
        push(three[2], to, storage_options=s3)
    assert seen(to, s3) == ("v2", "Toy 1")
    assert check_dataset(to, storage_options=s3).ok
    assert push(three[2], to, storage_options=s3).version == "v3"
    assert seen(to, s3) == ("v3", "Toy 2")
    assert [version.name for version in read_history(open_destination(to, s3))] == ["v1", "v2", "v3"]


def test_on_s3_the_first_version_has_one_author(
    three: list[Path], s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    to = "s3://hub/first/toy"
    between(monkeypatch, lambda: push(three[0], to, storage_options=s3))
    with pytest.raises(CairnError, match="another push"):
        push(three[1], to, storage_options=s3)
    assert seen(to, s3) == ("v1", "Toy 0")


def test_in_a_folder_the_second_waits_for_another_time(three: list[Path], tmp_path: Path) -> None:
    to = tmp_path / "toy"
    push(three[0], to)
    with lock_folder(to), pytest.raises(CairnError, match="another push is under way"):
        push(three[1], to)
    assert seen(str(to), {}) == ("v1", "Toy 0")
    assert push(three[1], to).version == "v2"


def test_a_push_that_was_cut_is_finished_before_another(
    three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "toy"
    push(three[0], to)
    with monkeypatch.context() as cut:
        cut.setattr(FolderDestination, "switch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            push(three[1], to)
    assert seen(str(to), {}) == ("v1", "Toy 0")
    with pytest.raises(CairnError, match="v2 is being pushed, or that push was cut"):
        push(three[2], to)
    assert push(three[1], to).version == "v2"
    assert push(three[2], to).version == "v3"
    assert seen(str(to), {}) == ("v3", "Toy 2")


def test_a_rollback_waits_for_another_time(three: list[Path], tmp_path: Path) -> None:
    to = tmp_path / "toy"
    push(three[0], to)
    push(three[1], to)
    with lock_folder(to), pytest.raises(CairnError, match="another push is under way"):
        rollback(to, "v1")
    assert seen(str(to), {}) == ("v2", "Toy 1")
    rollback(to, "v1")
    assert seen(str(to), {}) == ("v1", "Toy 0")


def test_on_s3_a_rollback_is_refused_in_the_middle_of_a_push(
    three: list[Path], s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    to = "s3://hub/back/toy"
    push(three[0], to, storage_options=s3)
    claim, refused = FolderDestination.claim, []

    def then_back(self: FolderDestination, path: str, text: str, before: str | None) -> None:
        claim(self, path, text, before)
        monkeypatch.setattr(FolderDestination, "claim", claim)
        with pytest.raises(CairnError, match="v2 is being pushed") as error:
            rollback(to, "v1", storage_options=s3)
        refused.append(error)

    monkeypatch.setattr(FolderDestination, "claim", then_back)
    push(three[1], to, storage_options=s3)
    assert refused
    assert seen(to, s3) == ("v2", "Toy 1")


def test_a_version_whose_readme_is_not_there_yet_keeps_others_out(
    three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    to = "memory://two/toy"
    push(three[0], to)
    write, seen_at = FolderDestination._write, []

    def then_another(self: FolderDestination, path: str, text: str) -> None:
        if path.endswith("README.md"):
            with pytest.raises(CairnError, match="v2 is being pushed"):
                push(three[2], to)
            seen_at.append(path)
        write(self, path, text)

    with monkeypatch.context() as slow:
        slow.setattr(FolderDestination, "_write", then_another)
        push(three[1], to)
    assert seen_at == ["README.md", "versions/v2/README.md"]
    assert seen(to, {}) == ("v2", "Toy 1")


@pytest.fixture
def at_v2(three: list[Path], tmp_path: Path) -> str:
    """An object store with two versions, the second of which is seen."""
    to = f"memory://{tmp_path.name}/toy"
    for folder in three[:2]:
        push(folder, to)
    return to


def after_claim(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once, when a place has been claimed."""
    claim = FolderDestination.claim

    def then(self: FolderDestination, path: str, text: str, before: str | None) -> None:
        claim(self, path, text, before)
        monkeypatch.setattr(FolderDestination, "claim", claim)
        act()

    monkeypatch.setattr(FolderDestination, "claim", then)


def cut_rollback(to: str, monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
    """Begin a rollback to v1."""

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(FolderDestination, "switch", cut)
        with pytest.raises(KeyboardInterrupt):
            rollback(to, "v1", storage_options=options)


@pytest.mark.parametrize("number", [1, 2])
def test_a_push_waits_for_a_rollback(
    number: int, at_v2: str, three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def push_meanwhile() -> None:
        with pytest.raises(Unreachable, match="rollback to v1 is under way there, or was cut") as error:
            push(three[number], at_v2)
        refused.append(error)

    rollback(at_v2, "v1")
    after_claim(monkeypatch, push_meanwhile)
    rollback(at_v2, "v1")
    assert refused
    assert seen(at_v2, {}) == ("v1", "Toy 0")
    assert push(three[number], at_v2).version == f"v{number + 1}"
    assert seen(at_v2, {}) == (f"v{number + 1}", f"Toy {number}")
    assert check_dataset(at_v2).ok


def test_on_s3_a_rollback_overtakes_a_push_that_sends_its_files(
    three: list[Path], s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    to = "s3://hub/overtakes/toy"
    for folder in three[:2]:
        push(folder, to, storage_options=s3)

    def begin_rollback() -> None:
        cut_rollback(to, monkeypatch, **s3)

    rollback(to, "v1", storage_options=s3)
    between(monkeypatch, begin_rollback)
    with pytest.raises(Unreachable, match="another push is under way"):
        push(three[1], to, storage_options=s3)  # what is in the history already
    assert seen(to, s3) == ("v1", "Toy 0")


def test_a_rollback_that_was_cut_is_finished_by_the_same(
    at_v2: str, three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = open_destination(at_v2).read_text("versions.json")
    cut_rollback(at_v2, monkeypatch)
    with pytest.raises(
        Unreachable, match=r"a rollback to v1 is under way there, or was cut: .* run it again"
    ):
        rollback(at_v2, "v2")
    rollback(at_v2, "v1")
    assert seen(at_v2, {}) == ("v1", "Toy 0")
    assert open_destination(at_v2).read_text("versions.json") == written


def test_a_push_that_was_cut_at_its_very_end_is_finished(
    at_v2: str, three: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = open_destination(at_v2).read_text("versions.json")
    rollback(at_v2, "v1")
    write = FolderDestination._write

    def until_the_end(self: FolderDestination, path: str, text: str) -> None:
        if path == "versions.json" and "under_way" not in text:
            raise KeyboardInterrupt
        write(self, path, text)

    with monkeypatch.context() as killed:
        killed.setattr(FolderDestination, "_write", until_the_end)
        with pytest.raises(KeyboardInterrupt):
            push(three[1], at_v2)
    assert seen(at_v2, {}) == ("v2", "Toy 1")
    assert push(three[1], at_v2).switched
    assert open_destination(at_v2).read_text("versions.json") == written
    assert not push(three[1], at_v2).switched
