"""How long a reviewer waits: the app's first page and each act, in a real headless browser.

    python benchmarks/review_app.py [--sample data/proposal/sample/gldv2/proposal.json]

Measures the sample's proposal, a drawn one of 80,000 landmarks and one of 5,000 types and 200,000 landmarks, half of
which have no type. `first_page_s` is from the start of the server's process until the first question and the tree are
on the page; `act_s` from key or click until the page shows the result, the median and the slowest of five;
`server_cpu_s` is the processor time of the server meanwhile. The load of other work is noted beside it. Needs
chromium and chromedriver. Writes results/review_app.json.
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

from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.proposal.model_record import ModelRecord
from cairnhub.hierarchies.proposal.propose import anchor_texts, place_groups, text_to_embed
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal, TypeEntry

RESULTS = Path(__file__).parent / "results"
N_REPEATS = 5
PATIENCE_S = 60
MODEL = ModelRecord("drawn", "0", "0" * 64)
SERVE = """
import sys
from pathlib import Path
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.app.server import listen, serve
from cairnhub.hierarchies.review.evidence import Reasoner
from cairnhub.hierarchies.review.session import Session
folder = Path(sys.argv[1])
address = listen()
print(address.url, flush=True)
session = Session(TreeProposal.load(folder / "proposal.json"), folder / "decisions.jsonl", "benchmark")
vectors = folder / "embeddings.parquet"
serve(ReviewApi(session, "benchmark", Reasoner(Embeddings.load(vectors) if vectors.is_file() else None)), address)
"""


def draw_proposal(n_types: int, n_landmarks: int, seed: int = 0) -> TreeProposal:
    """A proposal of the shape of GLDv2's: eighty categories, half the landmarks without a type."""
    rng = np.random.default_rng(seed)
    concepts = load_concepts().by_name
    names = sorted(concepts)
    categories = [GroupEntry("category", name, concepts[name].kind, 0.98) for name in names]
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
            landmarks.append(LabelEntry(name, entry.text, None, entry.confidence, "mined", n_images=images))
        else:
            category, second = rng.choice(names, 2, replace=False)
            confidence = round(float(rng.beta(5, 2)), 3)
            landmarks.append(
                LabelEntry(
                    name, None, str(category), confidence, "assigned", second=str(second), n_images=images
                )
            )
    levels = ("landmark", "category", "kind")
    return TreeProposal(levels, tuple(landmarks), place_groups(categories), tuple(types), (MODEL,))


def draw_embeddings(proposal: TreeProposal, seed: int = 0) -> Embeddings:
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


class Reviewer:
    """A person at the page, with a stop-watch.

    Args:
        driver: the browser.
        names: landmarks to search for.
        pid: of the server.
    """

    SAVEABLE = "document.querySelector('#act-dialog button.primary:enabled')"
    FIELD = "document.querySelector('#act-dialog[open] input')"
    CLOSED = "!document.querySelector('dialog[open]')"
    FOUND = "document.querySelectorAll('#found li[role]').length"

    def __init__(self, driver: webdriver.Chrome, names: list[str], pid: int) -> None:
        self.driver, self.names, self.pid = driver, names, pid
        self.seconds: dict[str, list[float]] = {}
        self.cpu_seconds: dict[str, list[float]] = {}

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def until(self, done: str) -> None:
        """Wait for a condition in the page."""
        start = time.perf_counter()
        while not self.driver.execute_script(f"return Boolean({done})"):
            if time.perf_counter() - start > PATIENCE_S:
                shown = self.driver.execute_script("return document.body.innerText")
                raise SystemExit(f"never came: {done}; the page shows:\n{shown[:2000]}")
            time.sleep(0.005)

    def time(self, name: str, act: Callable[[], object], done: str = "") -> None:
        """Time an act until the page has changed: every act draws a new heading, unless another sign is given."""
        self.driver.execute_script("document.querySelector('h1').dataset.old = 1")
        start, cpu_start = time.perf_counter(), cpu_s(self.pid)
        act()
        self.until(done or f"{self.CLOSED} && document.querySelector('h1:not([data-old])')")
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)
        self.cpu_seconds.setdefault(name, []).append(cpu_s(self.pid) - cpu_start)

    def decide(self, turn: int) -> None:
        """Acts on the questions that come first."""
        self.time("accept", lambda: self.press("a"))
        self.time("skip", lambda: self.press("s"))
        self.time("preview of a move", lambda: self.press("1"), self.SAVEABLE)
        self.time("move", lambda: self.press(Keys.ENTER))
        self.time("undo", lambda: self.press("u"))
        self.press("n")
        for name, key, typed in (
            ("rename", "r", [f"renamed {turn}"]),
            ("merge", "g", ["bcdhl"[turn], Keys.ENTER]),
        ):
            self.press(key)
            self.until(self.FIELD)
            self.time(f"preview of a {name}", lambda typed=typed: self.press(*typed), self.SAVEABLE)
            self.time(name, lambda: self.press(Keys.ENTER))

    def look(self, turn: int) -> None:
        """Search, and the tree."""
        self.press("/")
        self.time("search", lambda: self.press(self.names[turn * 7 + 3][-12:]), self.FOUND)
        self.time("open what was found", lambda: self.press(Keys.ENTER))
        category = self.driver.find_elements(By.CSS_SELECTOR, "#tree .group .line .name")[turn]
        self.time("open a category", category.click)
        toggle = self.driver.find_elements(By.CSS_SELECTOR, "#tree .toggle[aria-expanded=false]")[turn]
        n_open = len(self.driver.find_elements(By.CSS_SELECTOR, "#tree .members"))
        unfolded = f"document.querySelectorAll('#tree .members').length > {n_open}"
        self.time("unfold a category", toggle.click, unfolded)
        self.time("next question", lambda: self.press("n"))

    def results(self) -> dict[str, dict[str, list[float]]]:
        """Median and slowest, per act: until the page shows it, and processor time of the server."""
        found = {"act_s": self.seconds, "server_cpu_s": self.cpu_seconds}
        return {
            which: {
                name: [round(statistics.median(times), 3), round(max(times), 3)]
                for name, times in seconds.items()
            }
            for which, seconds in found.items()
        }


def cpu_s(pid: int) -> float:
    """Processor time that a process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(driver: webdriver.Chrome, folder: Path, names: list[str]) -> dict[str, object]:
    """Start the app in a process of its own, and review."""
    start = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-c", SERVE, folder], stdout=subprocess.PIPE, text=True)
    reviewer = Reviewer(driver, names, server.pid)
    try:
        url = server.stdout.readline().strip()
        driver.get(url)
        reviewer.until("document.querySelector('body.ready h1') && document.querySelector('#tree .group')")
        first_page_s, first_page_cpu_s = time.perf_counter() - start, cpu_s(server.pid)
        reload = time.perf_counter()
        driver.refresh()
        reviewer.until("document.querySelector('body.ready h1')")
        reload_s = time.perf_counter() - reload
        for turn in range(N_REPEATS):
            reviewer.decide(turn)
            reviewer.look(turn)
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
        return {
            "first_page_s": round(first_page_s, 2),
            "first_page_server_cpu_s": round(first_page_cpu_s, 2),
            "reload_s": round(reload_s, 2),
            "server_peak_mb": int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024,
        } | reviewer.results()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=Path, default=Path("data/proposal/sample/gldv2/proposal.json"))
    sample = TreeProposal.load(parser.parse_args().sample)
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
            results[name] = measure(driver, folder, [entry.label for entry in proposal.labels])
            print(name, json.dumps(results[name], indent=1))
    content = {
        "browser": driver.capabilities["browserVersion"],
        "n_cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "results": results,
    }
    (RESULTS / "review_app.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
