"""A small vector canvas: every picture of the samples is drawn on one.

Two random sources keep apart what belongs to a class and what belongs to a photograph of it: shapes ask a
generator seeded by the class (same proportions, same colours in every picture), the canvas asks one seeded by
the image (viewpoint, light, backdrop). Coordinates are in the unit frame: x and y in [-1, 1], y upwards;
objects stand on `BASE`.
"""

import colorsys
import io
import math
from collections.abc import Sequence
from random import Random

from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = tuple[float, float, float]  # hue, saturation, value, each in [0, 1]

BASE = -0.62  # where things stand
IMAGE_SIDE_PX = 96
OVERSAMPLING = 3
JPEG_QUALITY = 85


class Canvas:
    """One picture: the frame seen from a random viewpoint, in a random light.

    Attributes:
        view: the generator of this image; backdrops draw from it, shapes must not.
    """

    def __init__(self, view: Random, mirrored: bool = False) -> None:
        self.view = view
        self._side = IMAGE_SIDE_PX * OVERSAMPLING
        self._image = Image.new("RGB", (self._side, self._side))
        self._draw = ImageDraw.Draw(self._image)
        self._light = (view.uniform(-0.025, 0.025), view.uniform(0.75, 1.15), view.uniform(0.72, 1.08))
        warmth = view.uniform(-0.07, 0.07)
        self._gain = (1 + warmth, 1.0, 1 - warmth)
        self._matrix = (1.0, 0.0, 0.0, 1.0)
        self._shift = (0.0, 0.0)
        self._mirrored = mirrored and view.random() < 0.5

    def choose_viewpoint(self) -> None:
        """Scale, turn, shear and shift whatever is drawn from now on."""
        scale = self.view.uniform(0.74, 1.06)
        angle = math.radians(self.view.uniform(-4, 4))
        shear = self.view.uniform(-0.08, 0.08)
        width = scale * self.view.uniform(0.86, 1.05) * (-1 if self._mirrored else 1)
        cos, sin = math.cos(angle), math.sin(angle)
        self._matrix = (width * cos, scale * (shear - sin), width * sin, scale * cos)
        self._shift = (self.view.uniform(-0.16, 0.16), self.view.uniform(-0.12, 0.08))

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._pixel(point) for point in points], fill=self._rgb(colour))

    def rect(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Fill the box between two corners."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, turn: float = 0.0) -> None:
        """Fill an ellipse with centre (x, y) and radii (rx, ry), turned anticlockwise by `turn` degrees."""
        self.polygon(arc(x, y, rx, ry, 0, 360, turn), colour)

    def sector(
        self, x: float, y: float, rx: float, ry: float, start: float, end: float, colour: Colour
    ) -> None:
        """Fill what the chord between two angles cuts off an ellipse; degrees, 0 = right, 90 = up."""
        self.polygon(arc(x, y, rx, ry, start, end), colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a polyline, `width` in units of the frame."""
        pixels = max(1, round(width * self._side / 2 * abs(self._matrix[3])))
        self._draw.line([self._pixel(p) for p in points], self._rgb(colour), pixels, joint="curve")

    def jpeg(self) -> bytes:
        """The finished picture as JPEG bytes."""
        buffer = io.BytesIO()
        self._image.reduce(OVERSAMPLING).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=2)
        return buffer.getvalue()

    def _pixel(self, point: Point) -> tuple[int, int]:
        a, b, c, d = self._matrix
        x = a * point[0] + b * (point[1] - BASE) + self._shift[0]
        y = c * point[0] + d * (point[1] - BASE) + BASE + self._shift[1]
        return round((x + 1) * self._side / 2), round((1 - y) * self._side / 2)

    def _rgb(self, colour: Colour) -> tuple[int, int, int]:
        hue, saturation, value = colour
        shift, chroma, brightness = self._light
        rgb = colorsys.hsv_to_rgb(
            (hue + shift) % 1, min(1.0, saturation * chroma), min(1.0, value * brightness)
        )
        red, green, blue = (
            min(255, round(255 * part * gain)) for part, gain in zip(rgb, self._gain, strict=True)
        )
        return red, green, blue


def arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, turn: float = 0.0, steps: int = 28
) -> list[Point]:
    """Points along an ellipse's arc between two angles in degrees."""
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    points = []
    for step in range(steps + 1):
        angle = math.radians(start + (end - start) * step / steps)
        dx, dy = rx * math.cos(angle), ry * math.sin(angle)
        points.append((x + dx * cos - dy * sin, y + dx * sin + dy * cos))
    return points


def shade(colour: Colour, by: float) -> Colour:
    """The same colour, darker (`by` < 1) or lighter (`by` > 1)."""
    return colour[0], colour[1], min(1.0, colour[2] * by)


STONE: tuple[Colour, ...] = ((0.11, 0.25, 0.8), (0.09, 0.35, 0.72), (0.6, 0.06, 0.66), (0.12, 0.12, 0.9))
BRICK: tuple[Colour, ...] = ((0.02, 0.55, 0.66), (0.04, 0.5, 0.55), (0.07, 0.55, 0.75))
PLASTER: tuple[Colour, ...] = ((0.13, 0.4, 0.92), (0.0, 0.03, 0.95), (0.55, 0.22, 0.88), (0.97, 0.25, 0.9))
ROOF: tuple[Colour, ...] = ((0.02, 0.65, 0.58), (0.6, 0.15, 0.38), (0.42, 0.35, 0.5), (0.07, 0.5, 0.4))
WOOD: tuple[Colour, ...] = ((0.07, 0.6, 0.45), (0.06, 0.5, 0.3), (0.09, 0.5, 0.6))
VIVID: tuple[Colour, ...] = (
    (0.0, 0.8, 0.8),
    (0.08, 0.85, 0.92),
    (0.15, 0.8, 0.92),
    (0.36, 0.65, 0.6),
    (0.5, 0.6, 0.7),
    (0.6, 0.75, 0.75),
    (0.76, 0.45, 0.65),
    (0.92, 0.5, 0.85),
    (0.0, 0.0, 0.93),
    (0.6, 0.2, 0.22),
)
DARK: Colour = (0.62, 0.3, 0.22)


def tone(style: Random, *palettes: Sequence[Colour]) -> Colour:
    """One colour of the palettes, a little moved."""
    hue, saturation, value = style.choice([colour for palette in palettes for colour in palette])
    return (
        (hue + style.uniform(-0.02, 0.02)) % 1,
        min(1.0, max(0.0, saturation + style.uniform(-0.08, 0.08))),
        min(1.0, value * style.uniform(0.88, 1.08)),
    )
