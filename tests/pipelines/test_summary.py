"""The project's report: it is made from tracked results alone, and the same results give the same page."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.charts import interval_chart, line_chart, share_bar
from cairnhub.pipelines.stages.summary import report_page, run
from tests.pipelines.toy_summary import INTERVAL, summary_of
from tests.project import ROOT


def test_the_page_tells_the_numbers():
    page = report_page(summary_of())
    text = " ".join(re.sub(r"<(style|title)>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL).split())
    assert "1,234 images, 5.0 MB" in text
    assert "6 of 1,240; in quarantine: truncated 3" in text
    assert "H-AP 80.0 75.0–85.0 20.0 15.0–25.0" in text
    assert "category by images 0.500 0.500 0.500 0.500 2 / 3" in text
    assert "ours 90.0 0" in text


def test_a_protocol_in_which_no_query_has_a_match_says_so():
    summary = summary_of()
    (model,) = summary.models
    none = replace(model.protocols[0], levels=(), values={"H-AP": {}, "AP landmark": {}})
    page = report_page(replace(summary, models=(replace(model, protocols=(none,)),)))
    assert "No query has another image of its labels to find" in page
    assert "No query has" not in report_page(summary)


def test_the_committed_page_is_that_of_the_committed_results(tmp_path: Path):
    for folder in ("results", "benchmarks/results"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "results/report/index.html").unlink()
    run(tmp_path)
    first = (tmp_path / "results/report/index.html").read_bytes()
    run(tmp_path)
    assert first == (tmp_path / "results/report/index.html").read_bytes()
    assert len(first) < 300_000
    assert first == (ROOT / "results/report/index.html").read_bytes(), "run `dvc repro summary`"


def test_a_result_of_another_version_is_named(tmp_path: Path):
    for folder in ("results", "benchmarks/results"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "results/check/sample/gldv2/report.json"
    content = json.loads(path.read_text())
    del content["published"]
    path.write_text(json.dumps(content))
    with pytest.raises(CairnError, match=r"gldv2/report\.json: published: Field required"):
        run(tmp_path)


def test_charts_have_round_ticks_and_stay_inside():
    chart = line_chart("a <b>", {"one & two": [(1, 1.17), (20, 0.04)]}, "epoch", "loss")
    assert 'aria-label="a &lt;b&gt;"' in chart
    assert "<title>one &amp; two</title>" in chart
    assert re.findall(r">([\d.]+)</text>", chart)[:6] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    (points,) = re.findall(r'points="([^"]+)"', chart)
    assert points == "46.0,10.0 388.0,176.1"
    assert interval_chart("x", [("AP", INTERVAL)]).count("<circle") == 2
    wide = [
        float(width) for width in re.findall(r'width="([\d.]+)"', share_bar("x", {"a": 3, "b": 1, "c": 0}))
    ]
    assert wide == [298.0, 98.0, 0.0]
