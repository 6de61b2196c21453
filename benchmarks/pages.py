"""How long a browser takes to show the pages: of the sample, of 200,000 leaves, of 50,000 images, maps of a million.

    python benchmarks/pages.py [--leaves 200000] [--points 50000] [--many 200000 1000000] [--runs 3]

Each page is opened by a fresh headless chromium, with nothing in its cache; `first_page_s` runs from the start of the
navigation to the frame after the page's own script has drawn it, the slowest of the runs. Then acts on the large page,
each up to the next frame. `first_page_cpu_s` is the processor time of the page's main thread until then, and
`load_before` the load of the machine: other work makes pages late. The large tree has made-up names, three levels,
three splits, a confidence and a source for each leaf, and photos up to the budget of a page; beside itself with some
leaves moved for the comparison. The map and
the retrieval page have made-up results of as many images as points, 1,000 labels and noise for pictures; `--many` are
maps of so many points, clustered by label; `frame_ms` from frame to frame while one is dragged. Needs chromium and
chromedriver. Writes results/pages.json.
"""

import argparse
import io
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from cairnhub.datasets_hub.thumbnails import BUDGET_BYTES
from cairnhub.hierarchies.explorer import View, write_explorer
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.map_page import render_map_page
from cairnhub.training.page_data import Sheets, pictured
from cairnhub.training.retrieval_page import render_retrieval_page
from tests.training.toy_results import toy_results

ROOT = Path(__file__).parents[1]
LEVELS = ["landmark", "category", "kind"]
N_CATEGORIES, PHOTO_BYTES = 120, 2_600
WORDS = (
    "alte",
    "bay",
    "burg",
    "castle",
    "east",
    "grand",
    "island",
    "kirche",
    "lac",
    "mont",
    "museum",
    "neue",
)
DRAWN = """
const done = arguments[0], twice = act => requestAnimationFrame(() => requestAnimationFrame(act));
const isBusy = () => document.querySelector("[aria-busy]");
const wait = () => isBusy() ? requestAnimationFrame(wait) : twice(() => done(performance.now()));
wait();
"""
ACTS = {
    "open the largest category": "panes[0].outline.toggle(panes[0].outline.lines[1].id)",
    "search": "byId('query').value = 'castle'; filter()",
    "search one letter": "byId('query').value = 'a'; filter()",
    "order by confidence": "byId('order').value = 'doubt'; byId('order').onchange({target: byId('order')})",
    "choose a leaf": "panes[0].enter(panes[0].tree.size - 1); panes[0].outline.activate(panes[0].outline.active)",
}
MAP_ACTS = {
    "lasso half": "go({ lasso: '0,0,0.5,0,0.5,1,0,1' })",
    "zoom": "zoom(3)",
    "colour by the finest level": "go({ colours: 'level:landmark', lasso: '' })",
    "search": "go({ search: 'label 99' })",
    "hover": "hover(pointAt(300, 300), 300, 300)",
}
PAN = """
const done = arguments[0], times = [];
go({ search: '' });
view = { x: .5, y: .5, zoom: 2 };
function step(now) {
  times.push(now);
  if (times.length > 31) return done(times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b));
  view.x += .002;
  draw();
  requestAnimationFrame(step);
}
requestAnimationFrame(step);
"""
LIST_ACTS = {
    "order by gain": "go({ order: 'gained' })",
    "only siblings": "go({ kind: 'sibling' })",
    "search": "go({ search: 'label 99', kind: 'all' })",
    "another query": "go({ query: 'image-77' })",
}


def large_view(n_leaves: int, n_moved: int, seed: int = 0) -> View:
    """A tree whose categories differ much in size; `n_moved` leaves stand in another category."""
    rng = random.Random(seed)
    rows, info = [], {}
    for i in range(n_leaves):
        name = f"{' '.join(rng.choices(WORDS, k=3)).title()} {i}"
        category = int(rng.paretovariate(0.7)) % N_CATEGORIES
        rows.append((name, (category + (i < n_moved)) % N_CATEGORIES))
        info[Node("landmark", name)] = NodeInfo(confidence=rng.random(), source="mined", status="proposed")
    frame = pd.DataFrame(
        [(name, f"category {c}", ("natural", "human-made")[c % 2]) for name, c in rows], columns=LEVELS
    )
    tree = LabelTree.from_table(frame, LEVELS).with_info(info)
    counts = {
        split: {leaf: rng.randint(0, 60) for leaf in tree.leaves} for split in ("train", "index", "test")
    }
    return View(f"{n_leaves:,} leaves", tree, counts)


def browser() -> webdriver.Chrome:
    """A fresh one, without a cache."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def first_page(page: Path, n_runs: int) -> dict[str, float]:
    """Seconds until the page is drawn, and processor time of its main thread, of the slowest of some runs."""
    times = []
    for _ in range(n_runs):
        driver = browser()
        try:
            driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
            driver.get(page.as_uri())
            drawn = driver.execute_async_script(DRAWN) / 1000
            metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
            busy = next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")
            times.append((drawn, busy))
        finally:
            driver.quit()
    drawn, busy = max(times)
    return {"first_page_s": round(drawn, 3), "first_page_cpu_s": round(busy, 3)}


def acts_s(page: Path, acts: dict[str, str]) -> dict[str, float]:
    """Seconds that each act takes up to the next frame."""
    driver, times = browser(), {}
    try:
        driver.get(page.as_uri())
        driver.execute_async_script(DRAWN)
        for name, script in acts.items():
            driver.execute_script(f"window.started = performance.now(); {script}")
            times[name] = round(
                (driver.execute_async_script(DRAWN) - driver.execute_script("return started")) / 1000, 3
            )
    finally:
        driver.quit()
    return times


def noise_pictures(n: int, seed: int = 0) -> Iterator[bytes]:
    """JPEG files of smooth noise, forty of them again and again."""
    rng, files = np.random.default_rng(seed), []
    for _ in range(40):
        out = io.BytesIO()
        noise = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        noise.resize((64, 64), Image.Resampling.BICUBIC).save(out, "JPEG")
        files.append(out.getvalue())
    return islice(cycle(files), n)


def pan_ms(page: Path) -> dict[str, float]:
    """Time from frame to frame while the map is dragged, milliseconds."""
    driver = browser()
    try:
        driver.get(page.as_uri())
        driver.execute_async_script(DRAWN)
        times = driver.execute_async_script(PAN)
    finally:
        driver.quit()
    return {"median": round(times[len(times) // 2], 1), "slowest": round(times[-1], 1)}


def large_map(folder: Path, n_points: int, n_runs: int) -> dict[str, object]:
    """A map of clustered points."""
    results, tree = toy_results([f"label {i}" for i in range(1_000)], n_points // 1_000, n_points // 5)
    rng, n = np.random.default_rng(0), len(results.image_ids)
    near = rng.random((1_000, 2))[results.labels[:, 0]] + rng.normal(0, 0.02, (n, 2))
    results = replace(results, places=near.clip(0, 1).astype(np.float32))
    page = folder / "large.html"
    start = time.perf_counter()
    sheets = Sheets.of(noise_pictures(len(pictured(n))), n)
    page.write_text(render_map_page(results, tree, sheets), encoding="utf-8")
    written = {"written_s": round(time.perf_counter() - start, 2)}
    return written | measure(page, n_runs) | {"acts_s": acts_s(page, MAP_ACTS), "frame_ms": pan_ms(page)}


def result_pages(folder: Path, n_points: int, n_runs: int) -> dict[str, object]:
    """The map and the retrieval page of made-up results."""
    results, tree = toy_results([f"label {i}" for i in range(1_000)], n_points // 1_000, n_points // 5)
    n = len(results.image_ids)
    sheets = Sheets.of(noise_pictures(n), n)
    measured: dict[str, object] = {}
    for name, render, acts in (
        ("map", render_map_page, MAP_ACTS),
        ("retrieval", render_retrieval_page, LIST_ACTS),
    ):
        page = folder / f"{name}.html"
        page.write_text(render(results, tree, sheets), encoding="utf-8")
        measured[f"{n} images, {name}"] = measure(page, n_runs) | {"acts_s": acts_s(page, acts)}
    return measured


def measure(page: Path, n_runs: int) -> dict[str, float]:
    return {"size_mb": round(page.stat().st_size / 1e6, 2)} | first_page(page, n_runs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--leaves", type=int, default=200_000)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--many", type=int, nargs="*", default=[200_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    pages = [*sorted(ROOT.glob("data/report/sample/*/tree.html")), ROOT / "results/report/index.html"]
    result: dict[str, object] = {"load_before": round(os.getloadavg()[0], 1)}
    result |= {str(page.relative_to(ROOT)): measure(page, arguments.runs) for page in pages if page.is_file()}
    with tempfile.TemporaryDirectory() as folder:
        page, rng = Path(folder) / "page.html", random.Random(1)
        view, other = (large_view(arguments.leaves, n_moved) for n_moved in (0, 500))
        shown = view.tree.leaves[:: max(1, len(view.tree) * PHOTO_BYTES // BUDGET_BYTES)]
        photos = {leaf: [rng.randbytes(PHOTO_BYTES)] for leaf in shown[: BUDGET_BYTES // PHOTO_BYTES]}
        for name, beside in (("one tree", None), ("two trees", other)):
            start = time.perf_counter()
            write_explorer(page, name, view, photos, beside)
            written = {"written_s": round(time.perf_counter() - start, 2)}
            result[f"{arguments.leaves} leaves, {name}"] = (
                written | measure(page, arguments.runs) | {"acts_s": acts_s(page, ACTS)}
            )
        result |= result_pages(Path(folder), arguments.points, arguments.runs)
        for n_points in arguments.many:
            result[f"{n_points} images, map"] = large_map(Path(folder), n_points, arguments.runs)
    text = json.dumps(result, indent=1)
    (ROOT / "benchmarks/results/pages.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
