"""`cairn review`: sample photos, and what the command says where something is missing."""

import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from cairnhub import __main__ as program
from cairnhub.core.errors import CairnError
from cairnhub.pipelines import cli
from cairnhub.pipelines.label_photos import LARGE_PX, THUMBNAIL_PX, LabelPhotos
from tests.odd_images import photo, turned
from tests.project import ROOT


def picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> LabelPhotos:
    """Ten photos of one landmark, a broken one and a missing file of others, in two row groups."""
    contents = [picture(900, 600)] * 10 + [b"no picture"]
    (tmp_path / "store").mkdir()
    (tmp_path / "store/images.tar").write_bytes(b"".join(contents))
    sizes = [len(content) for content in contents]
    rows = [
        ("many" if i < 10 else "broken", "images.tar", f"{i}.jpg", sum(sizes[:i]), size)
        for i, size in enumerate(sizes)
    ]
    rows += [("gone", "gone.tar", "x.jpg", 0, 10), ("streamed", "all.tar.gz", "y.jpg", -1, 10)]
    rows = rows[::-1]
    frame = pd.DataFrame(rows, columns=["landmark", "archive", "member", "offset", "size_bytes"])
    (tmp_path / "index").mkdir()
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "index/images.parquet", row_group_size=5)
    return LabelPhotos(tmp_path / "index", "landmark", tmp_path / "store")


def test_photos_are_all_there_small_or_large(photos: LabelPhotos) -> None:
    found = [photos.photo("many", nth) for nth in range(12)]
    assert sum(photo is not None for photo in found) == photos.count("many") == 10
    large = photos.photo("many", 9, large=True)
    assert large is not None
    assert THUMBNAIL_PX < max(Image.open(io.BytesIO(large)).size) <= LARGE_PX
    assert Image.open(io.BytesIO(found[0])).size == (THUMBNAIL_PX, THUMBNAIL_PX * 2 // 3)
    assert found[0] is photos.photo("many", 0)  # kept


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_photo_taken_upright_is_shown_upright(tmp_path: Path, orientation: int) -> None:
    upright = photo(0, (600, 900))
    content = turned(upright, orientation)
    (tmp_path / "images.tar").write_bytes(content)
    row = {
        "landmark": "x",
        "archive": "images.tar",
        "member": "a.jpg",
        "offset": 0,
        "size_bytes": len(content),
    }
    pd.DataFrame([row]).to_parquet(tmp_path / "images.parquet")
    shown = LabelPhotos(tmp_path, "landmark", tmp_path).photo("x", 0)
    assert shown is not None
    small = Image.open(io.BytesIO(shown))
    assert small.size == (THUMBNAIL_PX * 2 // 3, THUMBNAIL_PX)
    meant = np.asarray(upright.resize(small.size), dtype=int)
    assert np.abs(np.asarray(small, dtype=int) - meant).mean() < 8


@pytest.mark.parametrize("landmark", ["broken", "gone", "streamed", "unheard of"])
def test_a_missing_photo_is_none(photos: LabelPhotos, landmark: str) -> None:
    assert photos.photo(landmark, 0) is None


def test_no_index_no_photos(tmp_path: Path) -> None:
    assert LabelPhotos(tmp_path, "landmark", tmp_path).photo("many", 0) is None


@pytest.mark.parametrize("face", [(), ("--app", "--no-open")])
def test_a_dataset_without_a_proposal_is_told_what_to_run(face, tmp_path: Path, monkeypatch) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CairnError, match="dvc repro cluster@sample-gldv2"):
        CliRunner().invoke(cli.app, ["review", "gldv2", *face], catch_exceptions=False)
    with pytest.raises(CairnError, match="nowhere"):
        CliRunner().invoke(cli.app, ["review", "nowhere", *face], catch_exceptions=False)
    assert list(tmp_path.glob("hierarchies/**/*.jsonl")) == []


def test_without_its_packages_the_app_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "cairnhub.hierarchies.review.app.server", raising=False)
    monkeypatch.setattr(sys, "argv", ["cairn", "review", "gldv2", "--app"])
    with pytest.raises(SystemExit, match=r"uvicorn is missing.*\.\[review\]"):
        program.main()
