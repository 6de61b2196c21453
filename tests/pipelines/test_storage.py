"""Files that travel between machines without a shared disk."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import tiny_context, write_tree

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.local_splits import LocalSplits
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.executors.storage import Changes, Storage, put_all, run_with_files
from cairnhub.pipelines.image_vectors import ImageEmbedder, View
from cairnhub.pipelines.params import PerScale
from cairnhub.pipelines.settings.executor import Executor
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.ledger import LEDGER
from cairnhub.pipelines.sources.registry import RegistryRow
from cairnhub.pipelines.stages import check, index, publish
from cairnhub.training.models import ModelDescription, save_model, untrained_model
from cairnhub.training.recipes.recipe import load_recipe
from tests.project import ROOT

START_S = 60


@pytest.fixture(params=["folder", "s3"])
def storage(request, tmp_path, monkeypatch) -> Storage:
    if request.param == "folder":
        return Storage(str(tmp_path / "storage"))
    options = request.getfixturevalue("s3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", options["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options["secret"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return Storage(f"s3://hub/between/{tmp_path.name}")


def test_a_file_comes_back_as_it_was(storage, tmp_path):
    path = tmp_path / "here/x.tar"
    path.parent.mkdir()
    path.write_bytes(b"one")
    file = storage.put(path)
    assert storage.put(path) == file
    path.unlink()
    storage.get(file)
    assert path.read_bytes() == b"one"
    assert file.is_here()

    path.write_bytes(b"other")
    assert not file.is_here()
    storage.put(path)
    storage.get(file)
    assert path.read_bytes() == b"one"


def test_what_the_driver_does_not_have_nobody_has(storage, tmp_path):
    missing = storage.put(tmp_path / "x.tar")
    (tmp_path / "x.tar").write_text("an old copy")
    storage.get(missing)
    assert not (tmp_path / "x.tar").exists()


def test_a_storage_that_lost_a_file_is_named(storage, tmp_path):
    path = tmp_path / "x.tar"
    path.write_text("one")
    file = replace(storage.put(path), mtime_ns=1)
    with pytest.raises(CairnError, match=r"x\.tar is not there for .*Every machine must reach the same"):
        storage.get(file)
    assert path.read_text() == "one"


def test_a_full_disk_is_named_with_its_machine(storage, small_disk, tmp_path):
    path = small_disk / "x.tar"
    path.write_bytes(b"x" * 200_000)
    file = storage.put(path)
    path.unlink()
    (small_disk / "filler").write_bytes(b"x" * 250_000)
    with pytest.raises(
        CairnError, match=rf"{socket.gethostname()}: the disk of .*x\.tar is full; free some space"
    ):
        storage.get(file)
    assert sorted(small_disk.iterdir()) == [small_disk / "filler"]


def test_storage_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(CairnError, match=r"^ftps://a: ftps:// is not known; use a path, s3://"):
        Storage("ftps://a").put(tmp_path / "x")


def test_without_a_bucket_the_message_says_so(s3, monkeypatch, tmp_path):
    (tmp_path / "x").write_text("x")
    for name, value in (
        ("ENDPOINT_URL", s3["endpoint_url"]),
        ("ACCESS_KEY_ID", "k"),
        ("SECRET_ACCESS_KEY", "s"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(CairnError, match=r"s3://no-such-bucket/a.*does the bucket exist"):
        Storage("s3://no-such-bucket/a").put(tmp_path / "x")


class Copies:
    """A task that copies a file into a file of its own."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target

    def reads(self) -> list[Path]:
        return [self.source, *self.writes()]

    def writes(self) -> list[Path]:
        return sorted(self.target.parent.glob(f"{self.target.name}*"))


def copy(task: Copies) -> int:
    assert not task.writes(), "an earlier run's file was taken for one of this"
    task.target.parent.mkdir(exist_ok=True)
    shutil.copy(task.source, task.target)
    return task.target.stat().st_size


def test_a_worker_hands_over_what_it_made_and_forgets_what_a_killed_one_left(storage, tmp_path):
    task = Copies(tmp_path / "source", tmp_path / "out/copy")
    task.source.write_text("content")
    files = put_all(task, storage)
    task.source.unlink()
    task.target.parent.mkdir()
    task.target.with_name("copy-half").write_text("left by a killed worker")
    found, changes = run_with_files(copy, task, files, storage)
    assert found == 7
    assert [(file.path, file.size_bytes) for file in changes.written] == [(task.target, 7)]
    assert not task.writes()
    changes.repeat(storage)
    assert task.target.read_text() == "content"


def test_what_a_task_leaves_or_removes_of_its_own_is_left_or_removed_here(storage, tmp_path):
    task = Copies(tmp_path / "source", tmp_path / "out/copy")
    task.target.parent.mkdir()
    kept, piece = task.target, task.target.with_name("copy.part")
    for path in (task.source, kept, piece):
        path.write_text("content")
    files = put_all(task, storage)
    _, changes = run_with_files(lambda _: piece.unlink(), task, files, storage)
    assert changes == Changes(removed=(piece,))
    assert kept.exists()
    piece.write_text("content")
    changes.repeat(storage)
    assert not piece.exists()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Address of a Ray cluster: this machine, where no task runs, and one that sees nothing in `tmp_path / "disk"`."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    disk = tmp_path / "disk"
    disk.mkdir()
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    hide = f'mount -t tmpfs none "{disk}" && exec "$@"'
    hidden = [*unshare, "sh", "-c", hide, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*hidden, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody make a mount of their own")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats",
             "--object-store-memory=100000000"]  # fmt: skip
    host, port = address.split(":")
    head = [
        *start,
        "--head",
        f"--node-ip-address={host}",
        f"--port={port}",
        "--num-cpus=0",
        "--include-dashboard=false",
    ]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    nodes = []
    try:
        for command in (head, [*hidden, *start, f"--address={address}", "--num-cpus=2"]):
            nodes.append(
                subprocess.Popen(
                    command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
                )
            )
            wait_for_nodes(address, len(nodes))
        yield address
    finally:
        ray.shutdown()
        for node in reversed(nodes):
            os.killpg(node.pid, signal.SIGKILL)
            node.wait(30)


def wait_for_nodes(address: str, n_nodes: int) -> None:
    import ray

    end = time.monotonic() + START_S
    while True:
        try:
            ray.init(address, log_to_driver=False)
            if len([node for node in ray.nodes() if node["Alive"]]) == n_nodes:
                return
        except ConnectionError:
            pass
        finally:
            ray.shutdown()
        assert time.monotonic() < end, f"no {n_nodes} nodes after {START_S} s"
        time.sleep(0.5)


@pytest.mark.long
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("storage", ["s3"], indirect=True)
def test_machines_without_a_shared_disk_make_the_same_bytes(storage, tmp_path, cluster):
    local = built(tmp_path / "local", Executor(kind="local", n_workers=1))
    elsewhere = built(
        tmp_path / "disk", Executor(kind="ray", n_workers=2, address=cluster, storage=storage.uri)
    )
    assert list(elsewhere) == list(local)
    assert [name for name in local if elsewhere[name] != local[name]] == []


def built(root: Path, setting: Executor) -> dict[str, bytes]:
    """What fetch, index, publish, check and the embedding of images write."""
    for dataset in ("grocery", "inat2018"):
        context = tiny_context(root, dataset)
        executors = PerScale[Executor](sample=setting, full=setting)
        context = replace(context, params=context.params.model_copy(update={"executor": executors}))
        fetch(context)
        index.run(context)
        write_tree(context)
        publish.run(context)
        check.run(context)
        embed(context)
    shard = next((context.paths.hub / "data").iterdir())
    content = shard.read_bytes()
    shard.unlink()
    with pytest.raises(CairnError, match="file missing"):  # though a worker may have read it before
        check.run(context)
    shard.write_bytes(content)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != LEDGER]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def fetch(context: Context) -> None:
    """Take the store for a mirror; what came is verified, so that the mirror is needed no more."""
    store, mirror = context.paths.store, context.paths.root / "mirror"
    shutil.move(store, mirror)
    files = (path for path in sorted(mirror.rglob("*")) if path.is_file() and path.name != LEDGER)
    names = [path.relative_to(mirror).as_posix() for path in files]
    rows = [RegistryRow(name, name, None, None) for name in names]
    found = fetch_all(rows, store, str(mirror), executor=context.executor)
    shutil.rmtree(mirror)
    assert fetch_all(rows, store, str(mirror), executor=context.executor) == found


def embed(context: Context) -> None:
    """The vectors of a split by a model that lies beside the data."""
    recipe = load_recipe("small")
    description = ModelDescription("small", recipe.network, ("fine", "coarse"), "f" * 64, 0)
    context.paths.model.mkdir(parents=True)
    save_model(context.paths.model, untrained_model(recipe.network, 0), description)
    splits = LocalSplits(context.paths.shards, LabelTree.load(context.paths.hub_tree))
    embedder = ImageEmbedder(context.paths.model, splits, 2, context.executor.map)
    vectors = embedder.embedded(View("train")).embeddings.numpy()
    (context.paths.root / f"{context.dataset}.vectors").write_bytes(vectors.tobytes())
