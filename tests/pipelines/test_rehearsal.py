"""Mirrors of true cardinality: the upstream layout, the published counts, the same bytes each time; a rehearsal."""

import hashlib
import importlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from cairnhub.datasets_hub.duplicates import columns_of, find_duplicates, look
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.sources.readers import reader
from cairnhub.pipelines.sources.registered_counts import expected_counts
from tests.project import ROOT

MODULES = ("tiny_pictures", "mirror_parts", "mirror_gldv2", "mirror_others", "upstream_mirrors")


@pytest.fixture(scope="module")
def mirrors() -> dict[str, ModuleType]:
    """The modules of the benchmark."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return {name: importlib.import_module(name) for name in MODULES}


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("dataset", ["gldv2", "inat2018", "sop", "dyml_product"])
def test_a_mirror_is_read_as_upstream_and_made_alike_again(
    mirrors: dict[str, ModuleType], tmp_path: Path, dataset: str
) -> None:
    for name in ("one", "again"):
        plan = mirrors["mirror_parts"].Plan(tmp_path / name, 1 / 20_000, n_workers=1)
        mirrors["upstream_mirrors"].make(plan, dataset)
        mirrors["upstream_mirrors"].make(plan, dataset)  # goes on: all is there
    assert hashes(tmp_path / "one") == hashes(tmp_path / "again")
    source = reader(load_params(ROOT / "params.yaml"), dataset, "full")
    listing = source.list_images(tmp_path / "one")
    assert listing.quarantine.empty
    assert set(listing.unnamed) <= {"Stanford_Online_Products/Ebay_info.txt"}
    assert len(listing.images) > 40
    assert listing.images["image_id"].is_unique


def test_a_folder_with_another_mirror_is_refused(mirrors: dict[str, ModuleType], tmp_path: Path) -> None:
    make, plan_of = mirrors["upstream_mirrors"].make, mirrors["mirror_parts"].Plan
    make(plan_of(tmp_path, 1 / 50_000, n_workers=1), "sop")
    with pytest.raises(SystemExit, match="holds a mirror of"):
        make(plan_of(tmp_path, 1 / 50_000, seed=1, n_workers=1), "sop")


def test_the_whole_has_the_published_counts(mirrors: dict[str, ModuleType], tmp_path: Path) -> None:
    gldv2, plan = mirrors["mirror_gldv2"], mirrors["mirror_parts"].Plan(tmp_path)
    train = gldv2.Landmarks(plan, "train")
    counts, clean = expected_counts("gldv2", "full"), expected_counts("gldv2_clean", "full")
    assert {split: plan.part(number) for split, number in gldv2.IMAGES.items()} == {
        split: count["listed"] for split, count in counts.items()
    }
    assert (train.counts.sum(), len(train.counts)) == (counts["train"]["listed"], counts["train"]["landmark"])
    assert train.counts.min() >= 1
    kept = train.clean(plan)
    assert (sum(kept.values()), len(kept)) == (clean["train"]["images"], clean["train"]["landmark"])
    others = mirrors["mirror_others"]
    for edition, images in (("inat2018", others.INAT_IMAGES), ("sop", others.SOP_IMAGES)):
        assert images == {split: count["images"] for split, count in expected_counts(edition, "full").items()}
    of_inat = expected_counts("inat2018", "full")["train"]
    assert {
        rank: of_inat["species" if rank == "name" else rank] for rank in others.INAT_LABELS
    } == others.INAT_LABELS


def test_pictures_differ_to_the_eye_but_for_those_that_are_planted(mirrors: dict[str, ModuleType]) -> None:
    pictures, parts = mirrors["tiny_pictures"].TinyPictures(0), mirrors["mirror_parts"]
    images = [parts.picture_of(pictures, "train", number) for number in range(2000)]
    decoded = [Image.open(io.BytesIO(image)).convert("RGB") for image in images]
    assert max(map(len, images)) < 1024
    assert {side for picture in decoded for side in picture.size} == {16, 24}
    digests = np.array([hashlib.md5(image).digest() for image in images])
    gradients, layouts = columns_of([look(picture) for picture in decoded])
    pairs = find_duplicates(digests, gradients, layouts, np.zeros(len(images), np.int64))
    planted = [
        (place + 1000 * n, kind) for n in range(2) for place, kind in ((333, "identical"), (666, "alike"))
    ]
    assert sorted(zip(pairs["b"], pairs["kind"], strict=True)) == sorted(planted)
    assert (pairs["b"] - pairs["a"]).unique().tolist() == [1]


@pytest.mark.long
def test_a_rehearsal_of_a_thousandth(tmp_path: Path) -> None:
    """The benchmark itself, from mirror to report: every stage, exact counts, the duplicates that were planted."""
    benchmarks = tmp_path / "benchmarks"
    built = {"data", "models", ".venv"}
    shutil.copytree(
        ROOT, tmp_path / "copy", symlinks=True, ignore=lambda at, _: built if Path(at) == ROOT else set()
    )
    command = [sys.executable, "benchmarks/rehearsal.py", "--folder", str(benchmarks), "--fraction", "0.001"]
    done = subprocess.run(command, cwd=tmp_path / "copy", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads((tmp_path / "copy/benchmarks/results/rehearsal.json").read_text())["gldv2 1/1000"]
    assert run["published"]["listed"] == {"train": 4133, "index": 762, "test": 118}
    assert run["published"]["violations"] == 0
    assert sum(run["published"]["warnings"].values()) == 10
    assert list(run["stages"]) == [
        "fetch",
        "index",
        "embed",
        "cluster",
        "review",
        "publish",
        "check",
        "report",
    ]
    assert max(cost["peak_mb"] for cost in run["stages"].values()) < 3072
