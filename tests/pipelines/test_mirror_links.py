"""A local mirror is shared with the store: no second copy of its bytes, and no change there that goes unnoticed."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from test_odd_files import NAMES, indexed, project

from cairnhub.core.errors import CairnError, NoSpace
from cairnhub.core.hashing import sha256_of
from cairnhub.pipelines.context import Context, make_context
from cairnhub.pipelines.doctor.mirrors import examine_mirrors
from cairnhub.pipelines.doctor.store import examine_store, read_manifests
from cairnhub.pipelines.executors.local import HERE
from cairnhub.pipelines.sources import download
from cairnhub.pipelines.sources.download import Policy, fetch_row
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.mirror_links import share
from cairnhub.pipelines.sources.registry import RegistryRow
from cairnhub.pipelines.stages import fetch, index

CONTENT = b"photograph" * 1000


@pytest.fixture(autouse=True)
def _no_shared_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAIRN_STORE", raising=False)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder on a disk with hard links and without reflinks, which need no test of what a change does."""
    source = settled(tmp_path / "probe.jpg")
    if share(source, tmp_path / "shared.jpg") != "hard link":
        pytest.skip("this disk has reflinks, or no hard links")
    return tmp_path


def settled(path: Path, content: bytes = CONTENT) -> Path:
    """A file that was written a while ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (10**9, 10**9))
    return path


def row_of(path: Path) -> RegistryRow:
    return RegistryRow(path.name, path.name, path.stat().st_size, f"sha256:{sha256_of(path)}")


def own_photos(root: Path) -> Context:
    """A project of own photographs, taken a while ago."""
    context = project(root, ["photos"])
    for path in (root / "mirror").rglob("*.*"):
        os.utime(path, (10**9, 10**9))
    return context


def test_photos_are_the_mirrors_own_files_and_tables_are_not(here: Path) -> None:
    context = own_photos(here)
    indexed(context)
    for name in NAMES:
        assert (context.paths.store / name).samefile(here / "mirror" / name)
    assert not (context.paths.store / "labels.csv").samefile(here / "mirror/labels.csv")
    (found,) = examine_store(*read_manifests(here, context.params)[:1], context.params, HERE)
    assert "5 files" in found.found
    assert "4 of them" in found.found
    assert "are hard links" in found.found
    (mirror,) = examine_mirrors(here, context.params)
    assert f"{here / 'mirror'}: hard link" in mirror.found
    assert not mirror.is_problem


def test_what_changes_in_place_in_the_mirror_is_noticed(here: Path) -> None:
    context = own_photos(here)
    indexed(context)
    old, path = sha256_of(here / "mirror" / NAMES[0]), here / "mirror" / NAMES[0]
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, (10**9, 10**9))  # as if it had not been written
    with pytest.raises(
        CairnError, match=r"manifest\.json lists a file that .*0\.jpg.*as they are now"
    ) as told:
        index.run(context)
    assert old in str(told.value)
    assert len(indexed(context)) == 4


def test_a_file_that_takes_the_place_of_a_photo_leaves_the_stores_alone(here: Path) -> None:
    context = own_photos(here)
    indexed(context)
    kept = (context.paths.store / NAMES[0]).read_bytes()
    settled(here / "mirror/new.jpg").replace(here / "mirror" / NAMES[0])
    index.run(context)
    assert (context.paths.store / NAMES[0]).read_bytes() == kept


def test_copies_are_had_for_the_asking(here: Path) -> None:
    own_photos(here)
    raw = yaml.safe_load((here / "params.yaml").read_text())
    raw["fetch"]["sample"]["mirror_files"] = "copy"
    (here / "params.yaml").write_text(yaml.safe_dump(raw))
    context = make_context("mine", "sample", here)
    fetch.run(context)
    assert {(context.paths.store / name).stat().st_nlink for name in NAMES} == {1}
    (mirror,) = examine_mirrors(here, context.params)
    assert "copy, as params.yaml says" in mirror.found


def test_on_another_disk_it_is_copied(here: Path, other_disk: Path) -> None:
    source = settled(other_disk / "a.jpg")
    (file,) = fetch_all([row_of(source)], here / "store", str(other_disk), may_link=True)
    assert file.sha256 == sha256_of(source)
    assert (here / "store/a.jpg").stat().st_nlink == 1


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk than `tmp_path`."""
    place = Path("/dev/shm")
    if not place.is_dir() or place.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    with TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


@pytest.mark.parametrize("moment", ["hashing", "renaming"])
def test_a_kill_leaves_the_mirror_whole_and_the_next_run_goes_on(here: Path, moment: str) -> None:
    source, target = settled(here / "mirror/a.jpg"), here / "store/a.jpg"

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if not child:
        setattr(*((download, "_hash_file") if moment == "hashing" else (Path, "replace")), die)
        fetch_row(row_of(source), str(source), target, Policy(1, 0, lambda _: None), may_link=True)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert [path.name for path in target.parent.glob("*.link")] == ["a.jpg.link"]
    assert not target.exists()
    fetch_all([row_of(source)], target.parent, str(source.parent), may_link=True)
    assert sorted(path.name for path in target.parent.iterdir()) == [".verified.tsv", "a.jpg"]
    assert source.read_bytes() == target.read_bytes() == CONTENT
    assert source.stat().st_nlink == 2


def test_a_damaged_file_is_refused_and_stays_as_it_is(here: Path) -> None:
    row = row_of(settled(here / "mirror/a.jpg"))
    settled(here / "mirror/a.jpg", CONTENT[::-1])
    with pytest.raises(CairnError, match=r"a\.jpg gives other bytes"):
        fetch_all([row], here / "store", str(here / "mirror"), may_link=True)
    assert [*(here / "store").iterdir()] == []
    assert (here / "mirror/a.jpg").read_bytes() == CONTENT[::-1]


def test_what_is_written_while_it_is_verified_is_copied(here: Path) -> None:
    source, target = settled(here / "mirror/a.jpg"), here / "store/a.jpg"

    def grow(_: int) -> None:
        if source.stat().st_size == len(CONTENT):
            source.write_bytes(CONTENT + b"more")

    row = RegistryRow("a.jpg", "a.jpg", None, None)
    fetch_row(row, f"file://{source}", target, Policy(1, 0, grow, threading.Event()), may_link=True)
    assert target.read_bytes() == CONTENT + b"more"
    assert target.stat().st_nlink == 1


@pytest.mark.parametrize("name", ["a.csv", "new.jpg"])
def test_tables_and_files_just_written_are_copied(here: Path, name: str) -> None:
    source = settled(here / "mirror" / name)
    if name == "new.jpg":
        os.utime(source)
    fetch_all([row_of(source)], here / "store", str(here / "mirror"), may_link=True)
    assert (here / "store" / name).stat().st_nlink == 1


def test_a_disk_need_not_hold_twice_what_is_shared(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = settled(here / "mirror/a.jpg")
    usage = download.shutil.disk_usage(here)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage._replace(free=len(CONTENT) - 1))
    with pytest.raises(NoSpace):
        fetch_all([row_of(source)], here / "store", str(here / "mirror"))
    fetch_all([row_of(source)], here / "store", str(here / "mirror"), may_link=True)


def test_a_link_in_a_mirror_is_followed(here: Path) -> None:
    source = settled(here / "cache/0123.jpg")
    (here / "mirror").mkdir()
    (here / "mirror/a.jpg").symlink_to(source)
    fetch_all([row_of(here / "mirror/a.jpg")], here / "store", str(here / "mirror"), may_link=True)
    assert (here / "store/a.jpg").samefile(source)
    assert not (here / "store/a.jpg").is_symlink()


def test_shared_blocks_are_nobody_elses(tmp_path: Path) -> None:
    source, target = settled(tmp_path / "a.csv"), tmp_path / "b.csv"
    if share(source, target) != "reflink":
        pytest.skip("this disk has no reflinks")
    source.write_bytes(b"other")
    assert target.read_bytes() == CONTENT
