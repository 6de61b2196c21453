"""The picture at the top of the README: photographs, their tree, and what a trained head finds.

    python benchmarks/first_picture.py --mirror <folder with images.tar and labels.csv>

The Grocery Store Dataset: a head on EfficientNet-Lite0, trained by recipe `photos`, searches the test split, whose
photographs it has not seen. A row per query; below each answer stands what it is, and its frame says how much of
the path it shares with the query. Queries are the first of their classes. Writes docs/images/grocery.jpg.
"""

import argparse
from pathlib import Path
from textwrap import wrap

import numpy as np
import torch
from grocery import LEVELS, Photos, kept
from PIL import Image, ImageDraw, ImageFont

from cairnhub.training.data import to_square
from cairnhub.training.embedding import frozen_encoder
from cairnhub.training.encoders import projection_encoder
from cairnhub.training.loop import train
from cairnhub.training.recipes.recipe import load_recipe

PICTURE = Path(__file__).parents[1] / "docs/images/grocery.jpg"
QUERIES = ("Royal-Gala", "Bravo-Apple-Juice", "Regular-Tomato", "Arla-Natural-Yoghurt")
RANKS = (0, 3, 10, 25, 60, 150, 400)
"""Places in the list that are shown."""
SIDE, GAP, TITLE, LEGEND, PATH = 132, 10, 56, 40, 172
CAPTION = 18
"""Letters in a line below a picture."""
COLOURS = {3: "#1a7f37", 2: "#7aa116", 1: "#d29922", 0: "#b0b0b0"}
SHARED = {3: "the same class", 2: "the same kind", 1: "the same department", 0: "nothing"}


class Raw(Photos):
    """Pictures in place of tensors."""

    def show(self, index: int) -> Image.Image:
        """The picture, square."""
        opened = self.archive.extractfile(self.members[self.paths[index]])
        assert opened is not None
        square = to_square(Image.open(opened).convert("RGB"), SIDE)
        return Image.fromarray(square.permute(1, 2, 0).numpy())

    def name(self, index: int, level: int) -> str:
        """Its label on a level, 0 the finest."""
        return Path(self.paths[index]).parts[1:-1][-1 - level].replace("-", " ")


def draw(images: Raw, vectors: np.ndarray) -> None:
    """A row per query: its path, the query, and answers from further and further down its list."""
    font, small = (ImageFont.load_default(size) for size in (15, 12))
    cell = SIDE + GAP
    width, height = GAP + cell * (1 + len(RANKS)) + PATH, LEGEND + len(QUERIES) * (SIDE + TITLE) + GAP
    page = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(page)
    left = GAP
    for depth, said in SHARED.items():
        pen.rectangle([left, 14, left + 14, 28], fill=COLOURS[depth])
        pen.text((left + 20, 13), said, "black", small)
        left += 34 + int(pen.textlength(said, small))
    for row, query in enumerate(QUERIES):
        asked = next(i for i in range(len(images)) if images.name(i, 0) == query.replace("-", " "))
        order = np.argsort(-(vectors @ vectors[asked]), kind="stable")
        answers = order[order != asked]
        top = LEGEND + row * (SIDE + TITLE)
        steps = range(len(LEVELS))
        for step, level in enumerate(reversed(steps)):
            pen.text((GAP + 10 * step, top + 40 + 22 * step), images.name(asked, level), "black", font)
        _put(page, images.show(asked), GAP + PATH, top, "black", 2)
        pen.text((GAP + PATH, top + SIDE + 8), "asked", "black", small)
        for place, rank in enumerate(RANKS, 1):
            found = int(answers[rank])
            shared = int((images.labels[found] == images.labels[asked]).sum())
            x = GAP + PATH + place * cell
            _put(page, images.show(found), x, top, COLOURS[shared], 5)
            caption = "\n".join(wrap(f"{rank + 1}. {images.name(found, 0)}", CAPTION))
            pen.text((x, top + SIDE + 8), caption, "black", small)
    page.save(PICTURE, quality=88)


def _put(page: Image.Image, picture: Image.Image, x: int, y: int, colour: str, width: int) -> None:
    page.paste(picture, (x, y))
    ImageDraw.Draw(page).rectangle([x, y, x + SIDE - 1, y + SIDE - 1], outline=colour, width=width)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mirror", type=Path, required=True)
    mirror = parser.parse_args().mirror
    torch.set_num_threads(1)
    recipe = load_recipe("photos")
    side = recipe.network.decoded_side_px
    images = {split: Photos(mirror, split, side) for split in ("train", "test")}
    encoder = frozen_encoder(recipe.network)
    features = {split: kept(f"features_{split}", encoder, images[split]) for split in images}
    model = train(recipe, images["train"], 0, 0, features=features["train"]).model
    with torch.inference_mode():
        vectors = projection_encoder(model)(features["test"])
    draw(Raw(mirror, "test", side), vectors.numpy())


if __name__ == "__main__":
    main()
