"""The pictures of README and docs show the pages as they are."""

import json
import re

from PIL import Image

from tests.browser.pictures import IMAGES, PRINTS, fingerprints
from tests.project import ROOT


def test_no_picture_is_stale():
    assert json.loads(PRINTS.read_text(encoding="utf-8")) == fingerprints(), (
        "run `make repro`, then `make pictures` (`MIRROR=<grocery>` where grocery.jpg differs)"
    )


def test_every_picture_is_made_and_shown():
    made = set(fingerprints())
    assert {path.name for path in IMAGES.iterdir()} == {*made, PRINTS.name}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    shown = {
        name for page in pages for name in re.findall(r"images/([\w.-]+)\)", page.read_text(encoding="utf-8"))
    }
    assert shown <= made
    assert made - shown <= {"sample.jpg", "review.jpg"}


def test_the_film_is_small_and_some_ten_seconds_long():
    path = IMAGES / "review.webp"
    assert path.stat().st_size < 3_000_000
    with Image.open(path) as film:
        length = 0
        for frame in range(film.n_frames):
            film.seek(frame)
            film.load()
            length += film.info["duration"]
    assert 8_000 <= length <= 14_000
