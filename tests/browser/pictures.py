"""The pictures of README and docs, made from the built sample: `make pictures`.

Each has a fingerprint in `docs/images/pictures.json`, over the pages' own files and the results that they show; a test
makes the fingerprints again, so that no picture goes stale.
"""

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from cairnhub.hierarchies.explorer import View, write_explorer
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.app.api import ReviewApi
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.hierarchies.review.session import Session
from cairnhub.pipelines.label_photos import LabelPhotos
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.site import write_site
from tests.browser.conftest import visit
from tests.browser.served import served
from tests.project import ROOT

IMAGES = ROOT / "docs/images"
PRINTS = IMAGES / "pictures.json"
DATASET = "gldv2"
SITE_PAGES = ("cairnhub/core/pages", "hierarchies/pages", "training/pages", "pipelines/pages")
REVIEW_PAGES = ("hierarchies/review/app/page",)
RESULTS = (
    f"results/evaluate/sample/{DATASET}/metrics.json",
    f"results/check/sample/{DATASET}/report.json",
)
REPORT = "results/report/index.html"


@dataclass(frozen=True)
class Shot:
    """A picture of a page of the site.

    Attributes:
        page: below `sample/<dataset>`, or from the top with `/`; `""` for the review app.
        place: what its address says.
        size: of the window, pixels.
        scheme: light or dark.
    """

    page: str
    place: str = ""
    size: tuple[int, int] = (1440, 900)
    scheme: str = "light"


SHOTS = {
    "retrieval.jpg": Shot("retrieval.html", "#query=&order=gained&k=9"),
    "tree.jpg": Shot("tree.html", "#node=category/waterfall&order=weak", (1280, 900)),
    "map.jpg": Shot("map.html"),
    "report.jpg": Shot("/index.html", size=(1440, 1000)),
    "report-phone.jpg": Shot("/index.html", size=(400, 860), scheme="dark"),
    "tree-dark.jpg": Shot("tree.html", "#node=category/bridge", (1280, 900), "dark"),
    "map-dark.jpg": Shot("map.html", "#node=category/bridge", scheme="dark"),
    "tree-phone.jpg": Shot("tree.html", "#node=category/bridge", (400, 860)),
    "retrieval-phone.jpg": Shot("retrieval.html", "#order=gained", (400, 860), "dark"),
    "retrieval-wide.jpg": Shot("retrieval.html", "#order=gained&k=24", (2200, 1000)),
}
FILM_SIZE, FILM_PX, FRAME_MS = (1180, 740), 1000, 1000
REVIEW_SHOTS = {
    "review.jpg": Shot("", size=FILM_SIZE),
    "review-wide.jpg": Shot("", "#level=type&label=lighthouse", (2200, 900)),
    "review-phone.jpg": Shot("", size=(400, 860), scheme="dark"),
    "wall.jpg": Shot("", "#view=wall&level=category&label=bridge", FILM_SIZE),
    "wall-wide.jpg": Shot("", "#view=wall", (2200, 1000), "dark"),
}
FROM_REVIEW = (*REVIEW_SHOTS, "review.webp")
FROM_MIRROR = "grocery.jpg"
"""Of photographs that are not in the sample: made where their mirror is given, by `MAKES_GROCERY`."""
MAKES_GROCERY = "benchmarks/first_picture.py"
ENTER, RIGHT = "\ue007", "\ue014"
SELECT = (" ", RIGHT, " ", RIGHT, " ")
"""Keys that select three photographs of the wall."""
ACTS = ("a", "/", "mill", ENTER, "r", "windmill", ENTER)
"""Keys of the film, a frame each: accept, then look for a group and give it another name."""


def fingerprints() -> dict[str, str]:
    """By picture, SHA-256 (hex) of what it shows: files of the pages and results."""
    made: dict[str, tuple[str, ...]] = dict.fromkeys(SHOTS, SITE_PAGES)
    made |= dict.fromkeys(FROM_REVIEW, REVIEW_PAGES)
    made |= {
        "review.webp": (*REVIEW_PAGES, "hierarchies/pages"),
        "sample.jpg": (),
    }  # the film ends at the tree
    made[FROM_MIRROR] = ()
    shown = {
        "report.jpg": (REPORT,),
        "report-phone.jpg": (REPORT,),
        FROM_MIRROR: (MAKES_GROCERY, "benchmarks/grocery.py", "training/recipes/photos.yaml"),
    }
    return {name: _fingerprint(folders, shown.get(name, RESULTS)) for name, folders in sorted(made.items())}


def _fingerprint(folders: tuple[str, ...], results: tuple[str, ...]) -> str:
    files = [path for folder in folders for path in sorted((ROOT / folder).iterdir()) if path.is_file()]
    digest = hashlib.sha256()
    for path in (*files, *(ROOT / result for result in results)):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def make_pictures(mirror: str | None) -> None:
    """Write all pictures and their fingerprints; of the grocery photographs only where their mirror is given."""
    IMAGES.mkdir(exist_ok=True)
    paths = Paths(ROOT, "sample", DATASET)
    shutil.copyfile(next((paths.hub / "assets").glob("samples-*.jpg")), IMAGES / "sample.jpg")
    with tempfile.TemporaryDirectory() as folder, _chromium() as browser:
        site = Path(folder) / "site"
        write_site(ROOT, site)
        for name, shot in SHOTS.items():
            page = site / (shot.page[1:] if shot.page.startswith("/") else f"sample/{DATASET}/{shot.page}")
            _look(browser, shot.size, shot.scheme)
            _save(_shot(browser, page.as_uri() + shot.place), IMAGES / name)
        _film(browser, paths, Path(folder))
    prints = fingerprints()
    if mirror:
        subprocess.run([sys.executable, ROOT / MAKES_GROCERY, "--mirror", mirror], check=True)
    else:
        prints[FROM_MIRROR] = json.loads(PRINTS.read_text(encoding="utf-8"))[FROM_MIRROR]
    PRINTS.write_text(json.dumps(prints, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _chromium() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver") or "")
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def _look(browser: Any, size: tuple[int, int], scheme: str) -> None:
    window = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def _shot(browser: Any, address: str) -> Image.Image:
    browser.get("about:blank")
    visit(browser, address)
    return _seen(browser)


def _seen(browser: Any, pause_s: float = 0.7) -> Image.Image:
    time.sleep(pause_s)  # pictures decode, panels settle
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


def _save(image: Image.Image, path: Path) -> None:
    image.save(path, "JPEG", quality=82, optimize=True, progressive=True)


def _film(browser: Any, paths: Paths, folder: Path) -> None:
    """Pictures of the review app, and, as an animation, the way from the first question to the rebuilt tree."""
    proposal, file = TreeProposal.load(paths.proposal), folder / f"{DATASET}.jsonl"
    photos = LabelPhotos(paths.index, proposal.levels[0], paths.store)
    with served(ReviewApi(Session(proposal, file, "you"), DATASET, photos=photos)) as url:
        for name, shot in REVIEW_SHOTS.items():
            _look(browser, shot.size, shot.scheme)
            seen = _shot(browser, url + shot.place)
            if name == "wall.jpg":
                browser.switch_to.active_element.send_keys(*SELECT)
                seen = _seen(browser)
            _save(seen, IMAGES / name)
        _look(browser, FILM_SIZE, "light")
        frames = [_shot(browser, url)]
        for keys in ACTS:
            browser.switch_to.active_element.send_keys(keys)
            frames.append(_seen(browser, 1.0))
    tree, _ = apply_decisions(proposal, read_decisions(file))
    counts = {"images": {entry.label: entry.n_images for entry in proposal.labels}}
    page = folder / "rebuilt.html"
    leaves = {label: [photo] for label in tree.leaves if (photo := photos.photo(label, 0))}
    write_explorer(page, "The tree, rebuilt", View(DATASET, tree, counts), leaves)
    frames += [_shot(browser, page.as_uri() + "#node=category/windmill")] * 2
    small = [
        frame.resize((FILM_PX, FILM_PX * frame.height // frame.width), Image.Resampling.LANCZOS)
        for frame in frames
    ]
    small[0].save(
        IMAGES / "review.webp",
        save_all=True,
        append_images=small[1:],
        duration=FRAME_MS,
        loop=0,
        quality=70,
        method=6,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", help="folder with images.tar and labels.csv of the Grocery Store Dataset")
    make_pictures(parser.parse_args().mirror)
