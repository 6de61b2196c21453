"""Publishing: only what changed travels, readers see whole versions, the licence is kept."""

import errno
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from fsspec.core import url_to_fs
from hub_toy import (
    N_IMAGES,
    content,
    publish_killed,
    publish_to_s3_killed,
    toy_card,
    toy_partitions,
    toy_row,
    toy_tree,
    write_toy,
)
from huggingface_hub import HfApi
from huggingface_hub.errors import LocalEntryNotFoundError
from typer.testing import CliRunner

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.dataset_diff import diff_datasets
from cairnhub.datasets_hub.destinations import FolderDestination, open_destination
from cairnhub.datasets_hub.hugging_face import HuggingFaceDestination
from cairnhub.datasets_hub.loader import describe, list_datasets, load_dataset, load_tree
from cairnhub.datasets_hub.location import Location
from cairnhub.datasets_hub.push import push, rollback
from cairnhub.datasets_hub.s3_uploads import upload_checked
from cairnhub.datasets_hub.storage_errors import explained
from cairnhub.datasets_hub.versions import read_history
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.cli import app


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy dataset with one image replaced by another, at the end of the last split."""
    folder = tmp_path_factory.mktemp("changed") / "toy"
    row = replace(toy_row("test", 59), image_id="new", leaf="leaf 5: Škocjan <b>5</b>")
    write_toy(folder, partitions=toy_partitions(test_59=row))
    return folder


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_versions_travel_by_difference_and_come_back(
    hub: Path, changed: Path, tmp_path: Path, place: str, request: pytest.FixtureRequest
) -> None:
    options = request.getfixturevalue("s3") if place == "s3" else None
    to = "s3://hub/versions/toy" if place == "s3" else str(tmp_path / "public" / "toy")
    plan = push("toy", to, hub=hub, dry_run=True, storage_options=options)
    assert len(plan.sent) == len(describe("toy", hub=hub).stats.files) + 2  # and two pictures
    assert open_destination(to, options).sizes_bytes() == {}

    first = push("toy", to, hub=hub, message="First | <b>", storage_options=options)
    assert (first.version, first.switched, first.sent) == ("v1", True, plan.sent)
    again = push("toy", to, hub=hub, storage_options=options)
    assert (again.version, again.switched, again.sent) == ("v1", False, {})

    second = push(changed, to, storage_options=options)
    assert second.version == "v2"
    assert {path.split("-")[0] for path in second.sent} == {"data/test"}
    assert second.changes == (
        "images added: 1 (new)",
        "images removed: 1 (test-0059)",
    )
    assert load_dataset(to, "test", storage_options=options)[-1]["image_id"] == "new"
    old = load_dataset(to, "test", revision="v1", storage_options=options)
    assert old[-1]["image_id"] == "test-0059"
    assert check_dataset(to, storage_options=options).ok

    rollback(to, "v1", storage_options=options)
    assert describe(to, storage_options=options).version == "v1"
    assert load_dataset(to, "test", storage_options=options)[-1]["image_id"] == "test-0059"
    third = push(changed, to, storage_options=options)
    assert (third.version, third.switched, third.sent) == ("v2", True, {})
    changelog = open_destination(to, options).read_text("CHANGELOG.md") or ""
    assert "## v2" in changelog
    assert "First \\| &lt;b&gt;" in changelog
    if place == "folder":
        command = ["datasets", "diff", to, to, "--revision-before", "v1", "--revision-after", "v2"]
        assert "images added: 1 (new)" in CliRunner().invoke(app, command).output
    with pytest.raises(CairnError, match="no version 'v7'; there are: v1, v2"):
        rollback(to, "v7", storage_options=options)


@pytest.mark.long
@pytest.mark.slow
def test_killed_anywhere_then_again_gives_the_same_bytes(
    hub: Path, changed: Path, tmp_path: Path, run_killed: Callable[..., bool]
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    push("toy", before, hub=hub)
    shutil.copytree(before, after)
    push(changed, after)
    for step in count(1):
        target = tmp_path / f"target-{step}"
        shutil.copytree(before, target)
        if not run_killed(publish_killed, changed, target, step):
            break
        seen = describe(target)
        assert seen.version in ("v1", "v2")
        assert seen.tree() == toy_tree()
        last = list(load_dataset(target, "test", streaming=True))[-1]
        assert last["image_id"] == ("test-0059" if seen.version == "v1" else "new")
        push(changed, target)
        assert content(target) == content(after), f"other bytes after step {step}"
    assert step > 10


@pytest.mark.long
@pytest.mark.slow
def test_killed_on_the_way_to_s3_then_again_gives_the_same_files(
    hub: Path, changed: Path, s3: dict[str, object], run_killed: Callable[..., bool]
) -> None:
    def files(to: str) -> dict[str, str | None]:
        target = open_destination(to, s3)
        sizes = target.sizes_bytes()
        texts = {path: target.read_text(path) or "" for path in sizes if path.endswith((".md", ".json"))}
        return {path: texts.get(path, str(sizes[path])).replace(to, "<here>") for path in sizes}

    push("toy", "s3://hub/killed/after", hub=hub, storage_options=s3)
    push(changed, "s3://hub/killed/after", storage_options=s3)
    for call in count(2, 6):
        to = f"s3://hub/killed/{call}"
        push("toy", to, hub=hub, storage_options=s3)
        if not run_killed(publish_to_s3_killed, changed, to, s3, call):
            break
        seen = describe(to, storage_options=s3)
        last = list(load_dataset(to, "test", streaming=True, storage_options=s3))[-1]
        assert (seen.version, last["image_id"]) in (("v1", "test-0059"), ("v2", "new"))
        assert seen.tree() == toy_tree()
        push(changed, to, storage_options=s3)
        assert files(to) == files("s3://hub/killed/after")
    assert call > 15


def test_a_hub_in_the_cloud_is_listed(hub: Path, s3: dict[str, object]) -> None:
    push("toy", "s3://hub/whole/sample/toy", hub=hub, storage_options=s3)
    (found,) = list_datasets(hub="s3://hub/whole", storage_options=s3)
    assert found.card.name == "toy"
    assert load_tree("toy", hub="s3://hub/whole", storage_options=s3) == toy_tree()


def test_an_upload_that_arrives_altered_is_removed(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderDestination, "_sha256", lambda *_: "0" * 64)
    with pytest.raises(CairnError, match="arrived altered"):
        push("toy", tmp_path / "toy", hub=hub)
    assert content(tmp_path / "toy") == {}


def _alter(folder: Path) -> None:
    shard = next((folder / "data").glob("test-*"))
    raw = bytearray(shard.read_bytes())
    raw[1000] ^= 1
    shard.write_bytes(raw)


def _remove(folder: Path) -> None:
    next((folder / "data").glob("test-*")).unlink()


def _wrong_tree(folder: Path) -> None:
    tree = folder / "tree.json"
    tree.write_text(tree.read_text().replace("middle 7", "middle seven"))


def _lead_out(folder: Path) -> None:
    stats = folder / "stats.json"
    stats.write_text(stats.read_text().replace("data/test-", "../data/test-"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_alter, "was altered since it was built"),
        (_remove, "is missing; build the dataset again"),
        (_wrong_tree, "another tree"),
        (_lead_out, "leads out of the dataset"),
    ],
)
def test_a_broken_dataset_is_not_published(
    hub: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    shutil.copytree(hub / "sample" / "toy", tmp_path / "toy")
    damage(tmp_path / "toy")
    with pytest.raises(CairnError, match=message):
        push(tmp_path / "toy", tmp_path / "public")
    assert not (tmp_path / "public").exists()


def test_the_licence_gate_keeps_images_at_home(tmp_path: Path, s3: dict[str, object]) -> None:
    write_toy(tmp_path / "toy", card=toy_card(redistributable=False, licence="Research only"))
    with pytest.raises(CairnError, match=r"'Research only'.*nothing was sent.*--private.*--labels-only"):
        push(tmp_path / "toy", "s3://hub/gate/toy", storage_options=s3)
    assert open_destination("s3://hub/gate/toy", s3).sizes_bytes() == {}
    outside = push(tmp_path / "toy", "s3://hub/gate/toy", labels_only=True, storage_options=s3)
    assert not outside.with_images
    there = open_destination("s3://hub/gate/toy", s3)
    assert sum(there.sizes_bytes().values()) < 0.5 * sum(
        len(raw) for raw in content(tmp_path / "toy").values()
    )
    assert not [path for path in there.sizes_bytes() if path.startswith("assets/samples")]
    test = load_dataset("s3://hub/gate/toy", "test", storage_options=s3)
    assert test.num_rows == N_IMAGES["test"]
    assert test[7]["path"].endswith("0007.jpg")
    assert "image" not in test.column_names
    assert load_tree("s3://hub/gate/toy", storage_options=s3) == toy_tree()
    assert check_dataset("s3://hub/gate/toy", storage_options=s3).ok
    inside = push(tmp_path / "toy", tmp_path / "local")
    assert inside.with_images


def test_ones_own_images_travel(tmp_path: Path, s3: dict[str, object]) -> None:
    write_toy(tmp_path / "toy", card=toy_card(redistributable=False, licence="mine"))
    write_toy(tmp_path / "others", card=toy_card(redistributable=False, licence="Research only"))
    for name, said in (("toy", {}), ("others", {"private": True})):
        assert push(tmp_path / name, f"s3://hub/own/{name}", storage_options=s3, **said).with_images
        assert load_dataset(f"s3://hub/own/{name}", "test", storage_options=s3)[3]["image"].size == (48, 36)


def test_the_command_refuses_what_may_not_travel_in_one_line(
    tmp_path: Path, s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy(tmp_path / "toy", card=toy_card(redistributable=False, licence="unknown"))
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(s3["endpoint_url"]))
    command = ["push", str(tmp_path / "toy"), "--to", "s3://hub/refused/toy"]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1
    assert isinstance(refused.exception, CairnError)
    assert "\n" not in str(refused.exception)
    assert open_destination("s3://hub/refused/toy", s3).sizes_bytes() == {}
    assert CliRunner().invoke(app, [*command, "--private"]).exit_code == 0
    assert describe("s3://hub/refused/toy", storage_options=s3).stats.with_images


def test_a_large_file_goes_in_parts(
    tmp_path: Path, s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairnhub.datasets_hub.s3_uploads.PART_BYTES", 5 * 2**20)
    raw = np.random.default_rng(0).bytes(12 * 2**20)
    name = f"data/large-{hashlib.sha256(raw).hexdigest()[:16]}.bin"
    (tmp_path / "data").mkdir()
    (tmp_path / name).write_bytes(raw)
    target = open_destination("s3://hub/large", s3)
    read_back: list[str] = []
    monkeypatch.setattr(FolderDestination, "_sha256", lambda _, where: read_back.append(where) or "")
    target.upload(tmp_path, [name])
    assert not read_back
    filesystem, where = url_to_fs(f"s3://hub/large/{name}", **s3)
    assert filesystem.cat_file(where) == raw
    (tmp_path / name).write_bytes(raw[1:])  # not what its name says: it does not stay
    with pytest.raises(CairnError, match="arrived altered"):
        target.upload(tmp_path, [name])
    assert target.sizes_bytes() == {}


@pytest.mark.parametrize("n_bytes", [1000, 11 * 2**20])
@pytest.mark.parametrize("tells", ["checksum", "md5", "nothing"])
def test_what_s3_says_of_a_file_is_compared(
    tmp_path: Path, s3: dict[str, object], monkeypatch: pytest.MonkeyPatch, n_bytes: int, tells: str
) -> None:
    """A server that gets other bytes, and one that says nothing to tell them by."""
    monkeypatch.setattr("cairnhub.datasets_hub.s3_uploads.PART_BYTES", 5 * 2**20)
    path = tmp_path / "file"
    path.write_bytes(b"a" * n_bytes)
    filesystem, _ = url_to_fs("s3://hub/told", **s3)
    damage = False

    class Wire:
        split_path = staticmethod(filesystem.split_path)

        def call_s3(self, method: str, **arguments: object) -> dict[str, object]:
            if damage and isinstance(arguments.get("Body"), bytes):
                arguments["Body"] = b"b" + arguments["Body"][1:]
                arguments.pop("ChecksumSHA256")
                arguments["ChecksumAlgorithm"] = "SHA256"
            reply = filesystem.call_s3(method, **arguments)
            hidden = {"checksum": (), "md5": ("ChecksumSHA256",), "nothing": ("ChecksumSHA256", "ETag")}[
                tells
            ]
            return {key: value for key, value in reply.items() if key not in hidden or method[:6] != "put_ob"}

    where = f"hub/told/{tells}-{n_bytes}"
    arrived = upload_checked(Wire(), path, where)
    assert (
        arrived == (hashlib.sha256(path.read_bytes()).hexdigest() if tells != "nothing" else None)
        or n_bytes > 5e6
    )
    filesystem.rm_file(where)
    damage = True
    if tells == "nothing" and n_bytes < 5e6:
        assert upload_checked(Wire(), path, where) is None
        return
    with pytest.raises(CairnError, match="arrived altered"):
        upload_checked(Wire(), path, where)
    filesystem.invalidate_cache()
    assert not filesystem.exists(where)


def test_a_server_that_says_nothing_is_read_back(
    hub: Path, s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cairnhub.datasets_hub.destinations.upload_checked", lambda *given: upload_checked(*given) and None
    )
    read_back: list[str] = []
    read = FolderDestination._sha256

    def counted(destination: FolderDestination, where: str) -> str:
        read_back.append(where)
        return read(destination, where)

    monkeypatch.setattr(FolderDestination, "_sha256", counted)
    sent = push("toy", "s3://hub/silent/toy", hub=hub, storage_options=s3).sent
    assert sorted(read_back) == sorted(f"hub/silent/toy/{path}" for path in sent)


def test_the_snippet_of_the_card_says_where_it_lies(
    hub: Path, s3: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    push("toy", "s3://hub/snippet/toy", hub=hub, storage_options=s3)
    readme = open_destination("s3://hub/snippet/toy", s3).read_text("README.md") or ""
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(s3["endpoint_url"]))
    found: dict[str, Any] = {}
    exec(readme.split("```python\n")[1].split("```")[0], found)
    assert found["test"].num_rows == N_IMAGES["test"]
    assert found["images"]["train"].num_rows == N_IMAGES["train"]
    assert found["nodes"]["train"].num_rows == len(toy_tree().nodes())


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("s3://no-such-bucket/toy", "bucket"),
        ("hf://toy", "hf://org/name"),
        ("s9://hub/toy", "s9:// is not known"),
        ("s3://hub/../toy", r"without `\.\.`"),
        ("", "give a folder"),
    ],
)
def test_bad_targets_are_named(hub: Path, s3: dict[str, object], to: str, message: str) -> None:
    with pytest.raises(CairnError, match=message):
        push("toy", to, hub=hub, storage_options=s3)


def test_what_lies_at_the_target_is_not_overwritten(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My project\n")
    with pytest.raises(CairnError, match=r"README\.md of something else"):
        push("toy", tmp_path, hub=hub)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    own = hub / "sample" / "toy"
    for inside in (own, own / "deeper"):
        with pytest.raises(CairnError, match="the folder of the dataset itself"):
            push("toy", inside, hub=hub)
    shutil.copytree(own, tmp_path / "copied")
    assert push("toy", tmp_path / "copied", hub=hub).version == "v1"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EROFS, "Read-only file system"),
        NotADirectoryError("x"),
        aiohttp.ClientError("unplugged"),
    ],
)
def test_errors_of_storage_name_the_place(error: Exception) -> None:
    with pytest.raises(CairnError, match=r"^hf://org/toy: .*check the network"), explained("hf://org/toy"):
        raise error
    with pytest.raises(KeyError), explained("hf://org/toy"):
        raise KeyError("a bug of ours")


def test_a_history_that_cannot_be_read_is_not_an_empty_one(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unplugged(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("cannot find the file on the Hub; check your connection")

    monkeypatch.setattr(HuggingFaceDestination, "_seen", lambda _: "0" * 40)
    monkeypatch.setattr(HfApi, "hf_hub_download", unplugged)
    with pytest.raises(CairnError, match=r"hf://org/toy: cannot find the file.*check the network"):
        push("toy", "hf://org/toy", hub=hub)


def test_no_permission_on_the_bucket(hub: Path, s3: dict[str, object]) -> None:
    import requests

    # moto checks rights from the first request on that follows this one.
    url = str(s3["endpoint_url"])
    requests.post(f"{url}/moto-api/reset-auth", data="0", timeout=10)
    try:
        with pytest.raises(CairnError, match="no permission"):
            push("toy", "s3://hub/forbidden/toy", hub=hub, storage_options=s3)
        with pytest.raises(CairnError, match="no permission"):
            load_dataset("s3://hub/forbidden/toy", storage_options=s3)
    finally:
        requests.post(f"{url}/moto-api/reset-auth", data="inf", timeout=10)


def test_no_server_at_all(hub: Path) -> None:
    options = {"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:9", "max_concurrency": 1}
    options["config_kwargs"] = {"retries": {"max_attempts": 0}}
    with pytest.raises(CairnError, match="endpoint"):
        push("toy", "s3://hub/toy", hub=hub, storage_options=options)


def test_a_full_disk_at_the_target(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cairnhub.datasets_hub.destinations.shutil.copyfileobj", full)
    with pytest.raises(CairnError, match="disk is full"):
        push("toy", tmp_path / "toy", hub=hub)
    assert content(tmp_path / "toy") == {}


def test_difference_per_level(hub: Path, tmp_path: Path) -> None:
    table = toy_tree().table()
    table.loc[table["middle"] == "middle 3", "coarse"] = toy_tree().at_level("coarse")[-1]
    moved = LabelTree.from_table(table, ["fine", "middle", "coarse"])
    write_toy(tmp_path / "moved", tree=moved)
    lines = str(diff_datasets(hub / "sample" / "toy", tmp_path / "moved")).splitlines()
    assert lines[0].startswith("middle labels moved: 1 (middle 3: <script>")
    relabelled = [line for line in lines if line.startswith("images with another coarse")]
    assert relabelled
    assert not diff_datasets(hub / "sample" / "toy", hub / "sample" / "toy")


def test_history_that_is_no_history(tmp_path: Path) -> None:
    (tmp_path / "versions.json").write_text('[{"name": "v1"}]')
    with pytest.raises(CairnError, match=r"versions\.json"):
        read_history(open_destination(tmp_path))
    assert Location(str(tmp_path)).is_local
