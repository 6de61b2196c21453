"""Parts of a dataset: what they keep, that they grow, and that only the difference is fetched."""

import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import Params, validate
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.settings.sources import GLDv2Source, GLDv2Subset, Subset
from cairnhub.pipelines.sources.fetching import fetch
from cairnhub.pipelines.sources.formats.gldv2.reader import GLDv2
from cairnhub.pipelines.sources.formats.sop import SOP
from cairnhub.pipelines.sources.readers import subset_of
from cairnhub.pipelines.sources.subset import kept_protocols, reduce
from cairnhub.pipelines.stages import index
from tests.project import ROOT


def gldv2_part(drawn: Path, **subset):
    part = GLDv2Subset.model_validate(subset)
    source = GLDv2(GLDv2Source(format="gldv2"), part)
    return reduce(source.list_images(drawn / "gldv2"), part, "landmark", source.card().protocols)


def sop_part(drawn: Path, **subset):
    part = Subset.model_validate(subset)
    return reduce(SOP().list_images(drawn / "sop"), part, "product", SOP().card().protocols)


# ---- what it keeps ----------------------------------------------------------------------------------------


def test_the_whole_is_left_alone(drawn):
    listing = SOP().list_images(drawn / "sop")
    assert reduce(listing, Subset(), "product", ()) is listing


def test_at_most_n_images_per_label_grow_without_exchange(drawn):
    parts = [set(sop_part(drawn, max_images_per_label=n).images["image_id"]) for n in (2, 3, 4)]
    assert parts[0] < parts[1] < parts[2]
    listing = sop_part(drawn, max_images_per_label=2)
    assert set(listing.images.groupby(["split", "product"]).size()) == {2}
    assert listing.excluded["train"] == {"more than 2 of its product": 30}
    assert listing.counts()["train"] == {"listed": 60, "indexed": 30, "quarantined": 0, "excluded": 30}


def test_labels_are_included_and_excluded_by_level(drawn):
    whole = SOP().list_images(drawn / "sop").images
    listing = sop_part(drawn, include={"category": ["mug", "lamp"]}, exclude={"product": ["mug 13"]})
    kept = whole["category"].isin(["mug", "lamp"]) & (whole["product"] != "mug 13")
    assert set(listing.images["image_id"]) == set(whole.loc[kept, "image_id"])
    assert listing.excluded["train"] == {"its category is not included": 36, "its product is excluded": 4}
    assert sum(count["listed"] for count in listing.counts().values()) == len(whole)


def test_one_image_per_label_leaves_nothing_to_find_within_a_split(drawn):
    with pytest.raises(CairnError, match=r"no image in split test.*nothing to find in the subset"):
        sop_part(drawn, max_images_per_label=1)
    assert set(sop_part(drawn, max_images_per_label=1, splits=["train"]).images["split"]) == {"train"}


def test_protocols_of_absent_splits_are_dropped(drawn):
    images = sop_part(drawn, splits=["train"]).images
    assert kept_protocols(SOP().card().protocols, images) == ()


def test_landmarks_with_a_type_only(drawn):
    listing = gldv2_part(drawn, only_typed=True)
    assert (listing.images["type"] != "").all()
    assert listing.excluded["train"]["its landmark has no type"] > 0


def test_tars_of_a_subset_and_queries_that_find_nothing(drawn):
    whole = gldv2_part(drawn).counts()
    listing = gldv2_part(drawn, n_archives={"train": 1, "index": 1, "test": 1}, max_images_per_label=2)
    images = listing.images
    assert set(images["archive"]) == {f"{split}/images_000.tar" for split in ("train", "index", "test")}
    assert listing.quarantine.empty
    gallery = set(images.loc[images["split"] == "index", "landmark"])
    assert set(images.loc[images["split"] == "test", "landmark"]) <= gallery
    counts = listing.counts()
    for split in ("train", "index", "test"):
        assert counts[split]["listed"] == whole[split]["listed"]
        assert "in none of the tars of the subset" in listing.excluded[split]


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        ({"splits": ["indx"]}, r"subset\.splits: no split 'indx'; splits are test, train"),
        ({"include": {"kind": ["natural"]}}, r"no labels 'kind' here; there are product, category"),
        ({"include": {"category": ["mugs"]}}, r"no image has category 'mugs'; did you mean 'mug'"),
        ({"exclude": {"category": ["bicycle", "chair", "kettle", "lamp", "mug"]}}, "leaves no image in split"),
    ],
)  # fmt: skip
def test_a_faulty_subset_is_told(drawn, subset, message):
    with pytest.raises(CairnError, match=message):
        sop_part(drawn, **subset)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"format": "sop", "subset": {"full": {"n_archives": {"train": 1}}}}, "n_archives: unknown key"),
        ({"format": "gldv2", "subset": {"full": {"n_archives": {"train": 0}}}}, "greater than or equal to 1"),
        ({"format": "gldv2", "files": "inat2018"}, "'inat2018' is no dataset of format 'gldv2'"),
        ({"format": "gldv2", "files": "hgldv2"}, "'hgldv2' has no files of its own"),
        ({"format": "gldv2", "subset": {"sample": {"only_type": True}}}, "unknown key; did you mean 'only_typed'"),
    ],
)  # fmt: skip
def test_a_faulty_declaration_is_named(source, message):
    with pytest.raises(CairnError, match=message):
        params(mine=source)


def test_the_documented_declaration_is_valid():
    (block,) = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs/sources.md").read_text(encoding="utf-8"), re.DOTALL
    )
    declared = params(**yaml.safe_load(block)["sources"])
    part = subset_of(declared, "gldv2", "full")
    assert not part.is_whole
    assert subset_of(declared, "gldv2", "sample").is_whole


# ---- fetching the difference ------------------------------------------------------------------------------


def params(**sources: object) -> Params:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["sources"] |= sources
    return validate(Params, raw, "params.yaml")


class Server:
    """A server of the official layout that notes which files were asked for."""

    def __init__(self, folder: Path) -> None:
        self.requested: list[str] = []
        requested = self.requested

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                requested.append(self.path.lstrip("/"))
                super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def take(self) -> set[str]:
        """What was asked for since the last call; nothing twice."""
        names = set(self.requested)
        assert len(names) == len(self.requested)
        self.requested.clear()
        return names

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server(drawn / "gldv2")
    yield running
    running.close()


def full_context(tmp_path: Path, server: Server, dataset: str = "gldv2", **subset: object) -> Context:
    source = {"format": "gldv2", "subset": {"full": subset}}
    raw = params(gldv2=source).model_dump()
    raw["fetch"]["full"]["mirrors"] = {"gldv2": server.url}
    declared = validate(Params, raw, "params.yaml")
    return Context(dataset, "full", declared, Paths(tmp_path, "full", dataset, declared.files_of(dataset)))


def tars(**counts: int) -> set[str]:
    return {f"{split}/images_{n:03d}.tar" for split, count in counts.items() for n in range(count)}


def hash_files(names: set[str]) -> set[str]:
    return {"md5sum/" + name.replace("/", "/md5.").replace(".tar", ".txt") for name in names}


def test_a_declared_subset_is_fetched_and_a_larger_one_adds_the_difference(tmp_path, server):
    small = full_context(tmp_path, server, splits=["index", "test"], n_archives={"index": 1, "test": 1})
    fetch(small)
    first = server.take()
    assert {name for name in first if name.endswith(".tar")} == tars(index=1, test=1)
    assert hash_files(tars(index=1, test=1)) <= first
    assert "metadata/train.csv" not in first
    assert {file["hash"][:4] for file in manifest(small) if file["name"].endswith(".tar")} == {"md5:"}
    index.run(small)
    assert server.take() == set()

    large = full_context(tmp_path, server, n_archives={"train": 2, "index": 2, "test": 1})
    fetch(large)
    added = tars(train=2, index=2) - tars(index=1)
    tables = {f"metadata/{name}.csv" for name in ("train", "train_attribution", "train_clean")}
    assert server.take() == added | hash_files(added) | tables
    index.run(large)
    images = pd.read_parquet(large.paths.index / "images.parquet")
    assert set(images["archive"]) == tars(train=2, index=2, test=1)

    fetch(small)
    index.run(small)
    assert server.take() == set()
    assert set(pd.read_parquet(small.paths.index / "images.parquet")["split"]) == {"index", "test"}

    larger = full_context(tmp_path, server, n_archives={"train": 2, "index": 2, "test": 2})
    index.run(larger)  # it was not fetched before: index sees that the manifest lacks something
    assert server.take() == {"test/images_001.tar", "md5sum/test/md5.images_001.txt"}


def test_another_dataset_on_the_same_files_downloads_nothing(tmp_path, server):
    part = {"n_archives": {"train": 1, "index": 1, "test": 1}}
    fetch(full_context(tmp_path, server, **part))
    server.take()
    context = full_context(tmp_path, server, "hgldv2", **part)
    source = context.params.sources["hgldv2"].model_copy(
        update={"subset": context.params.sources["gldv2"].subset}
    )
    context.params.sources["hgldv2"] = source
    fetch(context)
    assert server.take() == set()
    index.run(context)
    assert {"gallery", "query", "train"} == set(
        pd.read_parquet(context.paths.index / "images.parquet")["split"]
    )


def manifest(context: Context) -> list[dict[str, str]]:
    return json.loads(context.paths.manifest.read_text(encoding="utf-8"))["files"]
