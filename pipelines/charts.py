"""Charts as inline SVG, coloured by the page's style sheet; each says in words what it shows."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from markupsafe import Markup

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 400, 220, 46, 12, 10, 38
ROW_PX, HEAD_PX, VALUE_PX = 17, 18, 40  # of a dot, of the name above its dots, for values beside them
TEXT_PX = 12  # as the style sheet has it
Point = tuple[float, float]
Range = tuple[float, float]


def line_chart(
    label: str,
    lines: Mapping[str, Sequence[Point]],
    x_label: str,
    y_label: str,
    y_range: Range | None = None,
) -> Markup:
    """Lines over a common grid; the n-th has the class `c<n>`.

    Args:
        label: what the chart shows, for those who do not see it.
        lines: points by name, x ascending.
        x_label: below the axis.
        y_label: beside the axis.
        y_range: of the axis; by default from 0 to the tick at or above the largest value.
    """
    points = [point for line in lines.values() for point in line]
    x_range = (min(x for x, _ in points), max(x for x, _ in points))
    y_range = y_range or (0.0, _tick_above(max(y for _, y in points) or 1.0))
    svg = _svg(label, HEIGHT)
    for value in _ticks(*y_range):
        y = _scale(value, y_range, HEIGHT - BOTTOM, TOP)
        _line(svg, (LEFT, y), (WIDTH - RIGHT, y), "grid")
        _text(svg, f"{value:g}", LEFT - 6, y + 4, "end")
    for value in _ticks(*x_range):
        x = _scale(value, x_range, LEFT, WIDTH - RIGHT)
        _text(svg, f"{value:g}", x, HEIGHT - BOTTOM + 16, "middle")
    for i, (name, line) in enumerate(lines.items()):
        drawn = " ".join(
            f"{_scale(x, x_range, LEFT, WIDTH - RIGHT):.1f},{_scale(y, y_range, HEIGHT - BOTTOM, TOP):.1f}"
            for x, y in _corners(line)
        )
        ET.SubElement(
            ET.SubElement(svg, "polyline", {"class": f"line c{i}", "points": drawn}), "title"
        ).text = name
        if len(lines) == 1:  # what it begins and ends with stands beside its ends
            for (x, value), anchor, right, up in ((line[0], "start", 8, -4), (line[-1], "end", 0, 8)):
                left = _scale(x, x_range, LEFT, WIDTH - RIGHT) + right
                height = _scale(value, y_range, HEIGHT - BOTTOM, TOP)
                top = height - up if height - up > TEXT_PX else height + TEXT_PX + 4
                _text(svg, f"{value:.2f}", left, top, anchor).set("class", "value")
    _text(svg, x_label, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    _text(svg, y_label, 12, middle, "middle").set("transform", f"rotate(-90 12 {middle:g})")
    return _markup(svg)


def interval_chart(
    label: str, rows: Sequence[tuple[str, Mapping[str, tuple[float, float, float]]]]
) -> Markup:
    """Values from 0 to 100 with their intervals: a row per name, in it a dot per system, the n-th of class `c<n>`.

    Args:
        label: what the chart shows, for those who do not see it.
        rows: per name, by system: value, lower and upper end in percent.
    """
    height = TOP + BOTTOM + sum(HEAD_PX + ROW_PX * len(row) + 8 for _, row in rows)
    svg, left, right = _svg(label, height), 8, WIDTH - RIGHT - VALUE_PX
    for value in _ticks(0, 100):
        x = _scale(value, (0, 100), left, right)
        _line(svg, (x, TOP), (x, height - BOTTOM), "grid")
        _text(svg, f"{value:g}", x, height - BOTTOM + 16, "middle")
    top = float(TOP)
    for name, systems in rows:
        _text(svg, name, left, top + HEAD_PX - 5, "start").set("class", "name")
        top += HEAD_PX
        for i, (system, (value, low, high)) in enumerate(systems.items()):
            y = top + ROW_PX * (i + 0.5)
            x, start, end = (_scale(v, (0, 100), left, right) for v in (value, low, high))
            group = ET.SubElement(svg, "g", {"class": f"c{i}"})
            ET.SubElement(group, "title").text = f"{system}: {value:.1f} ({low:.1f} to {high:.1f})"
            _line(group, (start, y), (end, y), "whisker")
            ET.SubElement(group, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "5"})
            _text(svg, f"{value:.1f}", WIDTH - RIGHT, y + 4, "end").set("class", "value")
        top += ROW_PX * len(systems) + 8
        _line(svg, (0, top - 4), (WIDTH - RIGHT, top - 4), "grid")
    return _markup(svg)


def share_bar(label: str, shares: Mapping[str, int]) -> Markup:
    """One bar, cut in proportion; the n-th part has the class `c<n>`."""
    svg = _svg(label, 14)
    left, total = 0.0, sum(shares.values()) or 1
    for i, (name, share) in enumerate(shares.items()):
        wide = WIDTH * share / total
        part = ET.SubElement(
            svg,
            "rect",
            {
                "class": f"c{i % 10}",
                "x": f"{left:.1f}",
                "width": f"{max(0.0, wide - 2):.1f}",
                "height": "14",
                "rx": "3",
            },
        )
        ET.SubElement(part, "title").text = f"{name}: {share:,}"
        left += wide
    return _markup(svg)


def _svg(label: str, height: float) -> ET.Element:
    return ET.Element("svg", {"viewBox": f"0 0 {WIDTH} {height:g}", "role": "img", "aria-label": label})


def _markup(svg: ET.Element) -> Markup:
    return Markup(ET.tostring(svg, encoding="unicode"))


def _scale(value: float, values: Range, start: float, stop: float) -> float:
    low, high = values
    return start + (value - low) / ((high - low) or 1) * (stop - start)


def _ticks(low: float, high: float) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart), at most seven, within a range."""
    raw = ((high - low) or 1) / 6
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _tick_above(value: float) -> float:
    """The round value at which an axis from 0 ends, so that nothing is drawn above it."""
    ticks = _ticks(0, value)
    step = ticks[1] - ticks[0]
    return round(step * math.ceil(value / step - 1e-9), 10)


def _corners(line: Sequence[Point]) -> Iterator[Point]:
    """The points without those in the middle of a level stretch, which would only make the page longer."""
    for _, run in groupby(line, key=lambda point: point[1]):
        level = list(run)
        yield level[0]
        if len(level) > 1:
            yield level[-1]


def _line(parent: ET.Element, start: Point, end: Point, kind: str) -> None:
    (x1, y1), (x2, y2) = start, end
    ET.SubElement(
        parent,
        "line",
        {"class": kind, "x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"},
    )


def _text(parent: ET.Element, text: str, x: float, y: float, anchor: str) -> ET.Element:
    element = ET.SubElement(parent, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    element.text = text
    return element
