"""A line chart as a PNG, drawn with Pillow, so that benchmarks need no plotting library."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_COLOURS = ("#1f5fa8", "#c8501e", "#3a8f3a", "#7a4fa3", "#666666", "#b8860b")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 900, 560, 80, 50, 30, 70


def line_chart(
    path: Path,
    title: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    x_label: str,
    y_label: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Draw lines over a grid of five by five, with a legend; `marks` are labelled crosses."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)

    def at(x: float, y: float) -> tuple[float, float]:
        right, up = (x - x_range[0]) / (x_range[1] - x_range[0]), (y - y_range[0]) / (y_range[1] - y_range[0])
        return (
            _LEFT + right * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    for step in range(6):
        x = x_range[0] + step / 5 * (x_range[1] - x_range[0])
        y = y_range[0] + step / 5 * (y_range[1] - y_range[0])
        draw.line([at(x, y_range[0]), at(x, y_range[1])], fill="#dddddd")
        draw.line([at(x_range[0], y), at(x_range[1], y)], fill="#dddddd")
        draw.text((at(x, y_range[0])[0], _HEIGHT - _BOTTOM + 8), f"{x:g}", "black", font, anchor="ma")
        draw.text((_LEFT - 8, at(x_range[0], y)[1]), f"{y:.3g}", "black", font, anchor="rm")
    for place, (name, points) in enumerate(lines.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        draw.line([at(*point) for point in points], fill=colour, width=3, joint="curve")
        row = _HEIGHT - _BOTTOM - 24 * (len(lines) - place)
        draw.line([(_WIDTH - 330, row), (_WIDTH - 300, row)], fill=colour, width=3)
        draw.text((_WIDTH - 292, row), name, "black", font, anchor="lm")
    for name, point in (marks or {}).items():
        x, y = at(*point)
        draw.line([(x - 6, y), (x + 6, y)], fill="black", width=2)
        draw.line([(x, y - 6), (x, y + 6)], fill="black", width=2)
        draw.text((x + 10, y), name, "black", font, anchor="lm")
    draw.text((_WIDTH / 2, 22), title, "black", font, anchor="mm")
    draw.text((_WIDTH / 2, _HEIGHT - 22), x_label, "black", font, anchor="mm")
    draw.text((12, 22), y_label, "black", font, anchor="lm")
    image.save(path, optimize=True)
