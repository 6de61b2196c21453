"""How long a reviewer waits: the app's first page and each act, in a real headless browser.

    python benchmarks/review_app.py [--sample data/cluster/sample/gldv2/proposal.json]

Measures the sample's proposal, a drawn one of 80,000 landmarks and one of 5,000 types and 200,000 landmarks, half of
which have no type. `start_s` is from the start of the process to the address printed, `first_page_s` from the start of
the process until the first question with the tree is on the page; `act_s` is from key or click to the next state of
the page, the median and the slowest of a few. Needs chromium and chromedriver. Writes results/review_app.json.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from hierarchies.build.concepts import load_concepts
from hierarchies.build.embed import Embeddings, ModelRecord
from hierarchies.build.proposal import CategoryEntry, LandmarkEntry, Proposal, TypeEntry
from hierarchies.build.propose import anchor_texts, text_to_embed

RESULTS = Path(__file__).parent / "results"
N_REPEATS = 5
MODEL = ModelRecord("drawn", "0", "0" * 64)
SERVE = """
import sys
from pathlib import Path
from hierarchies.build.embed import Embeddings
from hierarchies.build.proposal import Proposal
from hierarchies.review.app.api import Api
from hierarchies.review.app.server import listen, serve
from hierarchies.review.reasons import Reasoner
from hierarchies.review.session import Session
folder = Path(sys.argv[1])
address = listen()
print(address.url, flush=True)
session = Session(Proposal.load(folder / "proposal.json"), folder / "decisions.jsonl", "benchmark")
vectors = folder / "embeddings.parquet"
serve(Api(session, "benchmark", Reasoner(Embeddings.load(vectors) if vectors.is_file() else None)), address)
"""


def draw_proposal(n_types: int, n_landmarks: int, seed: int = 0) -> Proposal:
    """A proposal of the shape of GLDv2's: eighty categories, sizes by a power law, half the landmarks without a type."""
    rng = np.random.default_rng(seed)
    concepts = load_concepts().by_name
    names = sorted(concepts)
    categories = tuple(CategoryEntry(name, concepts[name].kind, 0.98) for name in names)
    types = []
    for i in range(n_types):
        category, second = rng.choice(names, 2, replace=False)
        near = [f"type {j:05d} of place" for j in rng.integers(0, n_types, 3)]
        confidence, weight = round(float(rng.beta(6, 1)), 3), float(rng.zipf(1.7) % 5000 + 1)
        text = f"type {i:05d} of place"
        types.append(
            TypeEntry(
                text, (text,), str(category), confidence, "drawn", str(second), tuple(near), "mined", weight
            )
        )
    landmarks = []
    for i in range(n_landmarks):
        images = int(rng.zipf(1.9) % 1000 + 1)
        name = f"Église Saint-Étienne de Lieu-dit {i:06d}"
        if i % 2:
            entry = types[int(rng.integers(n_types))]
            landmarks.append(LandmarkEntry(name, entry.text, None, entry.confidence, "mined", "", images))
        else:
            category, second = rng.choice(names, 2, replace=False)
            confidence = round(float(rng.beta(5, 2)), 3)
            landmarks.append(
                LandmarkEntry(name, None, str(category), confidence, "assigned", str(second), images)
            )
    return Proposal("anchored", MODEL, categories, tuple(types), tuple(landmarks))


def draw_embeddings(proposal: Proposal, seed: int = 0) -> Embeddings:
    """Unit vectors for all that the app looks up."""
    texts = sorted({*(text_to_embed(entry.text) for entry in proposal.types), *anchor_texts(load_concepts())})
    vectors = np.random.default_rng(seed).standard_normal((len(texts), 384)).astype(np.float32)
    return Embeddings(tuple(texts), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), MODEL)


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
    ):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def timed(driver: webdriver.Chrome, act: Callable[[], object], done: str) -> float:
    """Seconds from an act until a condition in the page holds."""
    start = time.perf_counter()
    act()
    while not driver.execute_script(f"return Boolean({done})"):
        if time.perf_counter() - start > 300:
            raise SystemExit(f"never came: {done}")
        time.sleep(0.005)
    return time.perf_counter() - start


def measure(
    driver: webdriver.Chrome, folder: Path, names: list[str]
) -> dict[str, float | dict[str, list[float]]]:
    start = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-c", SERVE, folder], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = re.search(r"http://\S+", server.stdout.readline())[0]
        start_s = time.perf_counter() - start
        driver.get(url)
        timed(
            driver,
            lambda: None,
            "document.querySelector('body.ready h1') && document.querySelector('#tree .category')",
        )
        first_page_s = time.perf_counter() - start
        reload_s = timed(driver, driver.refresh, "document.querySelector('body.ready h1')")
        peak_mb = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1]) / 1024
        acts = measure_acts(driver, names)
        return {
            "start_s": round(start_s, 2),
            "first_page_s": round(first_page_s, 2),
            "reload_s": round(reload_s, 2),
            "peak_mb": round(peak_mb),
            "act_s": acts,
        }
    finally:
        os.kill(server.pid, signal.SIGINT)
        server.wait(30)


def measure_acts(driver: webdriver.Chrome, names: list[str]) -> dict[str, list[float]]:
    """Median and slowest, per act."""

    def press(*keys: str) -> None:
        for key in keys:
            ActionChains(driver).send_keys(key).perform()

    def changed() -> str:
        """Every act draws a new heading."""
        driver.execute_script("document.querySelector('h1').dataset.old = 1")
        return "document.querySelector('h1:not([data-old])')"

    saveable = "document.querySelector('#act-dialog button.primary:enabled')"
    closed = "!document.querySelector('dialog[open]')"
    found: dict[str, list[float]] = {}

    def note(name: str, act: Callable[[], object], done: str) -> None:
        found.setdefault(name, []).append(timed(driver, act, done))

    for repeat in range(N_REPEATS):
        note("accept", lambda: press("a"), changed())
        note("skip", lambda: press("s"), changed())
        note("preview of a move", lambda: press("1"), saveable)
        note("move", lambda: press(Keys.ENTER), changed())
        note("undo", lambda: press("u"), changed())
        press("n")
        for name, key, fill in (("rename", "r", f"renamed {repeat}"), ("merge", "g", f"{'bcdhl'[repeat]}")):
            press(key)
            timed(driver, lambda: None, "document.querySelector('#act-dialog[open] input')")
            keys = (fill,) if name == "rename" else (fill, Keys.ENTER)
            note(f"preview of a {name}", lambda keys=keys: press(*keys), saveable)
            count = "document.querySelector('#toast').textContent"
            driver.execute_script("document.querySelector('#toast').replaceChildren()")
            note(name, lambda: press(Keys.ENTER), f"{closed} && {count}.includes('{name.title()[:5]}')")
        press("/")
        note(
            "search",
            lambda: press(names[repeat * 7 + 3][-12:]),
            "document.querySelectorAll('#found li[role]').length",
        )
        note("open what was found", lambda: press(Keys.ENTER), changed())
        driver.execute_script("document.querySelector('#search').value = ''")
        note(
            "open a category",
            lambda: driver.find_elements(By.CSS_SELECTOR, "#tree .category .name")[repeat].click(),
            changed(),
        )
        driver.execute_script("scrollTo(0, 0)")
        toggle = driver.find_elements(By.CSS_SELECTOR, "#tree .toggle")[repeat]
        note("unfold a category", toggle.click, f"document.querySelectorAll('.members').length > {repeat}")
        note("back to the next question", lambda: press("n"), changed())
    return {name: [round(statistics.median(times), 3), round(max(times), 3)] for name, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=Path, default=Path("data/cluster/sample/gldv2/proposal.json"))
    sample = Proposal.load(parser.parse_args().sample)
    proposals = {
        "sample": sample,
        "2,000 types, 80,000 landmarks": draw_proposal(2_000, 80_000),
        "5,000 types, 200,000 landmarks": draw_proposal(5_000, 200_000),
    }
    results = {}
    with browser() as driver, tempfile.TemporaryDirectory() as temporary:
        for name, proposal in proposals.items():
            folder = Path(temporary) / name.replace(" ", "_")
            proposal.save(folder / "proposal.json")
            draw_embeddings(proposal).save(folder / "embeddings.parquet")
            results[name] = measure(driver, folder, [landmark.name for landmark in proposal.landmarks])
            print(name, json.dumps(results[name], indent=1))
    content = {
        "browser": driver.capabilities["browserVersion"],
        "n_cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "act_s_is": "median and slowest of five, seconds, from key to page",
        "results": results,
    }
    (RESULTS / "review_app.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
