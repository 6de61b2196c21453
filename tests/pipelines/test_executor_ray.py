"""Work as Ray tasks: what the local executor gives, also when a worker dies."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from ray_tasks import Noise, die_once
from test_executor import fail, square
from tiny import tiny_context, write_tree

from cairnhub.core.errors import CairnError
from cairnhub.hierarchies.proposal import text_vectors as embed
from cairnhub.pipelines.executors.local import LocalExecutor
from cairnhub.pipelines.executors.ray import RayExecutor
from cairnhub.pipelines.params import PerScale
from cairnhub.pipelines.settings.executor import Executor
from cairnhub.pipelines.sources.download_registry import fetch_all
from cairnhub.pipelines.sources.ledger import LEDGER
from cairnhub.pipelines.sources.registry import RegistryRow
from cairnhub.pipelines.stages import check, index, publish
from cairnhub.training.embedding import embed_blocks, untrained_encoder
from cairnhub.training.recipes.recipe import load_recipe

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


@pytest.fixture(scope="module")
def executor() -> Iterator[RayExecutor]:
    """Ray started once for all tests here; it is gone after them."""
    yield RayExecutor(2)
    ray.shutdown()


def test_a_cluster_that_does_not_answer_is_named():
    with pytest.raises(CairnError, match=r"no Ray cluster answers at executor.address '127.0.0.1:9'"):
        list(RayExecutor(2, "127.0.0.1:9").map(square, [1]))


def test_without_ray_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CairnError, match=r"the package ray is missing; .*\.\[ray\]"):
        list(RayExecutor(2).map(square, [1]))


def test_files_are_fetched_by_tasks_and_failures_told_together(executor, tmp_path):
    mirror, store = tmp_path / "mirror", tmp_path / "store"
    mirror.mkdir()
    for name in "abc":
        (mirror / name).write_text(name * 100)
    rows = [RegistryRow(name, name, 100, None) for name in "abc"]
    assert fetch_all(rows, store, str(mirror), executor=executor) == fetch_all(rows, store, str(mirror))
    damaged = [replace(row, size_bytes=99) for row in rows[:2]]
    with pytest.raises(CairnError, match=r"2 files could not be fetched:\n- a: .*\n- b: "):
        fetch_all([*damaged, rows[2]], tmp_path / "other", str(mirror), n_retries=0, executor=executor)
    assert (tmp_path / "other/c").read_text() == "c" * 100


def test_results_come_in_the_order_of_the_tasks(executor):
    assert list(executor.map(square, range(20))) == [number**2 for number in range(20)]
    assert list(executor.map(square, [])) == []


def test_errors_name_the_task(executor):
    with pytest.raises(CairnError, match=r"^3: this is wrong$"):
        list(executor.map(fail, [1, 3]))
    with pytest.raises(KeyError) as caught:
        list(executor.map(fail, [1, 4]))
    assert caught.value.__notes__ == ["while working on 4"]


@pytest.mark.long
def test_what_a_lost_worker_did_is_done_again(executor, tmp_path):
    markers = [tmp_path / name for name in "abc"]
    assert list(executor.map(die_once, markers)) == ["a", "b", "c"]


@pytest.mark.parametrize("dataset", ["grocery", "inat2018"])
def test_bytes_are_those_of_the_local_executor(executor, tmp_path, dataset):
    local, on_ray = (built(tmp_path / kind, dataset, kind) for kind in ("local", "ray"))
    assert on_ray == local


@pytest.mark.long
def test_vectors_of_images_and_texts_do_not_depend_on_the_executor(executor, monkeypatch):
    load = partial(untrained_encoder, load_recipe("small").network, 0)
    texts = [f"lake {i}" for i in range(20)]
    monkeypatch.setattr(embed, "_BLOCK_TEXTS", 8)
    images, vectors = [], []
    for kind in (LocalExecutor(1), LocalExecutor(2), executor):
        images.append(embed_blocks(Noise(), load, 2, partial(kind.map, on_gpu=True)).embeddings.numpy())
        vectors.append(embed.Embeddings.of(texts, embed.SentenceEmbedder(), kind.map).vectors)
    for found in (images, vectors):
        assert [each.tobytes() == found[0].tobytes() for each in found] == [True] * 3
    assert len(images[0]) == 70
    assert len(vectors[0]) == 20


def built(root: Path, dataset: str, kind: str) -> dict[str, bytes]:
    """What index, publish and check write."""
    context = tiny_context(root, dataset)
    setting = Executor(kind=kind, n_workers=2)
    executors = PerScale[Executor](sample=setting, full=setting)
    context = replace(context, params=context.params.model_copy(update={"executor": executors}))
    assert isinstance(context.executor, RayExecutor if kind == "ray" else LocalExecutor)
    index.run(context)
    write_tree(context)
    publish.run(context)
    check.run(context)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != LEDGER]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
