"""`sources.gldv2.vectors`: what a network sees in the photographs of landmarks reaches the proposal."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from cairnhub.core.errors import NotFound
from cairnhub.pipelines.context import Context, make_context
from cairnhub.pipelines.dataset_facts import facts
from cairnhub.pipelines.stage_graph import STAGES
from cairnhub.pipelines.stages.cluster import photo_vectors
from tests.project import ROOT

CLUSTER = next(stage for stage in STAGES if stage.name == "cluster")


def context(root: Path, vectors: str | None) -> Context:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["sources"]["gldv2"]["vectors"] = vectors
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    return make_context("gldv2", "sample", root)


def test_vectors_of_photographs_become_one_per_landmark(tmp_path: Path):
    vectors = [[3.0, 0.0], [0.0, 1.0], [0.0, 2.0]]
    pq.write_table(
        pa.table({"label": ["Tour A", "Tour A", "Pont B"], "vector": vectors}), tmp_path / "photos.parquet"
    )
    read = photo_vectors(context(tmp_path, "photos.parquet"), ["Pont B", "Lac C", "Tour A"])
    assert read is not None
    assert np.array_equal(read, [[0, 1], [0, 0], [1, 1]])


def test_without_them_nothing_is_read(tmp_path: Path):
    assert photo_vectors(context(tmp_path, None), ["Pont B"]) is None


def test_the_graph_depends_on_the_file(tmp_path: Path):
    params = context(tmp_path, "photos.parquet").params
    assert facts(CLUSTER, params, tmp_path, "sample", "gldv2")["vectors"] == tmp_path / "photos.parquet"
    with pytest.raises(NotFound, match=r"photos\.parquet: no such file"):
        photo_vectors(context(tmp_path, "photos.parquet"), ["Pont B"])
