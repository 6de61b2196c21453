"""The project's report: it is made from tracked results alone, and the same results give the same page."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cairnhub.core.errors import CairnError
from cairnhub.pipelines.charts import interval_chart, line_chart, share_bar
from cairnhub.pipelines.report_data import links_in_git, read_summary
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


def test_it_opens_with_pictures_and_tells_one_story():
    summary = summary_of()
    (model,) = summary.models
    median = replace(model.queries[0], heading="Median by H-AP")
    page = report_page(replace(summary, models=(replace(model, queries=(median,)),)))
    header = page[page.index("<header>") : page.index("</header>")]
    assert header.count("<img") == 1
    assert "<img" not in report_page(summary)[: page.index("</header>")], "there is no such query"
    sections = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert sections == [
        "1. The data", "2. The trees", "3. Review", "4. Training", "5. Results", "6. Examples"
    ]  # fmt: skip


def test_what_the_benchmark_measures_stands_there():
    summary = summary_of()
    (model,) = summary.models
    answers = {"trained": {"all": 74.38, "private": 71.8}, "untrained": {"all": 7.5, "private": 7.5}}
    page = report_page(replace(summary, models=(replace(model, benchmark=answers),)))
    assert "mAP@100 in percent by the benchmark" in page
    assert re.search(r"<td>all</td>\s*<td class=\"number\">74.4</td><td class=\"number\">7.5</td>", page)
    assert "mAP@100" not in report_page(summary)
    assert read_summary(ROOT, links_in_git(ROOT)).models[0].benchmark["trained"]["all"] == pytest.approx(
        74.382
    )


def test_every_link_works_in_a_clone(tmp_path: Path):
    for folder in ("results", "benchmarks/results"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    run(tmp_path)
    page = tmp_path / "results/report/index.html"
    hrefs = re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8"))
    files = [href for href in hrefs if not href.startswith(("#", "data:"))]
    assert len(files) >= 7
    assert all((page.parent / href).resolve().is_file() for href in files)
    assert all(
        f'id="{href[1:]}"' in page.read_text(encoding="utf-8") for href in hrefs if href.startswith("#")
    )


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
    assert re.findall(r">([\d.]+)</text>", chart)[:7] == ["0", "0.2", "0.4", "0.6", "0.8", "1", "1.2"]
    (points,) = re.findall(r'points="([^"]+)"', chart)
    assert points == "46.0,14.3 388.0,176.3", "the axis ends above what it shows"
    assert re.findall(r'class="value">([^<]+)<', chart) == ["1.17", "0.04"]
    long = "AP of a level whose name nobody cuts"
    intervals = interval_chart("x", [(long, INTERVAL)])
    assert intervals.count("<circle") == 2
    assert f">{long}</text>" in intervals
    assert re.findall(r'class="value">([^<]+)<', intervals) == ["80.0", "20.0"]
    wide = [
        float(width) for width in re.findall(r'width="([\d.]+)"', share_bar("x", {"a": 3, "b": 1, "c": 0}))
    ]
    assert wide == [298.0, 98.0, 0.0]
