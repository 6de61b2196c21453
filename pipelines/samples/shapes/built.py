"""Shapes of what people built: one function per category; proportions and colours come from each class."""

from random import Random

from cairnhub.pipelines.samples.shapes.canvas import (
    BASE,
    BRICK,
    DARK,
    PLASTER,
    ROOF,
    STONE,
    VIVID,
    WOOD,
    Canvas,
    Colour,
    Point,
    arc,
    shade,
    tone,
)


def bridge(canvas: Canvas, style: Random) -> None:
    """Deck over water: arches below, a truss above, or towers with cables."""
    stone, water = tone(style, STONE, BRICK, VIVID[:6]), (0.56, 0.45, 0.68)
    n_arches, rise, kind = (
        style.randint(2, 5),
        style.uniform(0.3, 0.55),
        style.choice(("arch", "truss", "cable")),
    )
    deck = BASE + style.uniform(0.42, 0.6)
    canvas.rect(-1.6, BASE - 0.6, 1.6, BASE + 0.06, water)
    for y in (-0.08, -0.2, -0.32):
        canvas.line([(-0.9 - y, BASE + y), (0.2 - y, BASE + y)], 0.02, shade(water, 1.2))
    if kind == "arch":
        canvas.rect(-1.15, BASE, 1.15, deck, stone)
        width = 2.2 / n_arches
        for number in range(n_arches):
            x = -1.1 + width * (number + 0.5)
            canvas.sector(x, BASE, width * 0.4, (deck - BASE) * 0.85, 0, 180, (0.56, 0.3, 0.85))
            canvas.rect(x - width * 0.4, BASE - 0.02, x + width * 0.4, BASE + 0.06, water)
    else:
        for x in (-0.6, 0.6):
            canvas.rect(x - 0.06, BASE - 0.05, x + 0.06, deck, shade(stone, 0.75))
    canvas.rect(-1.25, deck - 0.03, 1.25, deck + 0.07, shade(stone, 0.85))
    if kind == "truss":
        top, bays = deck + rise * 0.7, n_arches * 2
        canvas.line([(-0.95, deck), (-0.75, top), (0.75, top), (0.95, deck)], 0.05, stone)
        for bay in range(bays):
            x = -0.75 + 1.5 * bay / bays
            canvas.line([(x, top), (x + 0.75 / bays, deck), (x + 1.5 / bays, top)], 0.035, stone)
    if kind == "cable":
        for x in (-0.6, 0.6):
            canvas.rect(x - 0.045, deck, x + 0.045, deck + rise + 0.12, stone)
            for reach in range(1, n_arches + 1):
                for side in (-1, 1):
                    tip = (x + side * 0.55 * reach / n_arches, deck)
                    canvas.line([(x, deck + rise + 0.1), tip], 0.018, shade(stone, 0.8))


def church(canvas: Canvas, style: Random) -> None:
    """Nave with a gable, one or two towers with spires, a cross on each."""
    wall, roof = tone(style, STONE, PLASTER, BRICK, WOOD), tone(style, ROOF)
    n_towers, height, spire = style.choice((1, 1, 2)), style.uniform(0.75, 1.05), style.uniform(0.25, 0.55)
    nave, onion, windows = style.uniform(0.42, 0.6), style.random() < 0.3, style.randint(2, 4)
    canvas.rect(-0.65, BASE, 0.65, BASE + nave, wall)
    canvas.polygon(
        [(-0.72, BASE + nave), (0.72, BASE + nave), (0.5, BASE + nave + 0.26), (-0.5, BASE + nave + 0.26)],
        roof,
    )
    for number in range(windows):
        x = -0.5 + (number + 0.5) / windows
        _arched(canvas, x, BASE + 0.14, 0.055, nave * 0.5, DARK)
    for x in (-0.4, 0.4) if n_towers == 2 else (style.choice((-0.45, 0.0, 0.45)),):
        canvas.rect(x - 0.17, BASE, x + 0.17, BASE + height, shade(wall, 0.92))
        _arched(canvas, x, BASE + height - 0.26, 0.06, 0.18, DARK)
        top = BASE + height
        if onion:
            canvas.ellipse(x, top + 0.08, 0.19, 0.15, roof)
            canvas.polygon(
                [(x - 0.09, top + 0.16), (x + 0.09, top + 0.16), (x, top + 0.2 + spire * 0.6)], roof
            )
            top += 0.2 + spire * 0.6
        else:
            canvas.polygon([(x - 0.2, top), (x + 0.2, top), (x, top + spire)], roof)
            top += spire
        canvas.line([(x, top - 0.02), (x, top + 0.14)], 0.03, DARK)
        canvas.line([(x - 0.06, top + 0.08), (x + 0.06, top + 0.08)], 0.03, DARK)
    _arched(canvas, 0, BASE, 0.1, 0.24, (0.07, 0.6, 0.3))


def mosque(canvas: Canvas, style: Random) -> None:
    """A dome over a prayer hall between minarets."""
    wall, dome = tone(style, STONE, PLASTER), tone(style, VIVID[2:6], ROOF[1:3], STONE)
    n_minarets, rise, hall = style.choice((1, 2, 2, 4)), style.uniform(0.26, 0.46), style.uniform(0.34, 0.5)
    tall, arches = style.uniform(0.95, 1.3), style.choice((3, 5))
    places = {1: (0.72,), 2: (-0.75, 0.75), 4: (-0.88, -0.6, 0.6, 0.88)}[n_minarets]
    for x in places:
        canvas.rect(x - 0.06, BASE, x + 0.06, BASE + tall, shade(wall, 0.9))
        canvas.rect(x - 0.1, BASE + tall * 0.75, x + 0.1, BASE + tall * 0.75 + 0.05, shade(wall, 0.75))
        canvas.polygon([(x - 0.08, BASE + tall), (x + 0.08, BASE + tall), (x, BASE + tall + 0.22)], dome)
    top = BASE + hall
    canvas.rect(-0.36, top, 0.36, top + 0.1, shade(wall, 0.85))
    canvas.sector(0, top + 0.08, 0.36, rise + 0.1, 0, 180, dome)
    canvas.line([(0, top + rise + 0.15), (0, top + rise + 0.3)], 0.03, (0.13, 0.7, 0.85))
    for x in (-0.5, 0.5):
        canvas.sector(x, top, 0.14, rise * 0.5, 0, 180, dome)
    canvas.rect(-0.66, BASE, 0.66, top, wall)
    for number in range(arches):
        x = -0.6 + 1.2 * (number + 0.5) / arches
        _arched(canvas, x, BASE, 0.38 / arches, hall * 0.6, shade(dome, 0.5))


def pagoda(canvas: Canvas, style: Random) -> None:
    """Buddhist temple: stacked storeys with curved eaves."""
    wall, roof = tone(style, WOOD, PLASTER, VIVID[:2]), tone(style, ROOF, VIVID[3:5])
    storeys, width, shrink = style.choice((1, 2, 3, 4, 5)), style.uniform(0.55, 0.8), style.uniform(0.76, 0.9)
    storey, y = style.uniform(1.05, 1.3) / (storeys + 1.0), BASE + 0.08
    canvas.rect(-width * 1.05, BASE, width * 1.05, y, STONE[2])
    for number in range(storeys):
        half = width * shrink**number
        canvas.rect(-half * 0.7, y, half * 0.7, y + storey * 0.6, wall)
        for part in (-0.45, 0.0, 0.45):
            canvas.rect(half * part - 0.05, y, half * part + 0.05, y + storey * 0.45, shade(wall, 0.55))
        eaves, ridge = y + storey * 0.5, y + storey * (1.05 if number < storeys - 1 else 1.35)
        swing = [(half * 1.12, eaves + 0.07), (half * 0.6, eaves + storey * 0.3), (half * 0.4, ridge)]
        canvas.polygon([(-half * 0.6, eaves), (half * 0.6, eaves), *swing, *_mirrored(swing)], roof)
        y = ridge - storey * 0.05
    canvas.line([(0, y), (0, y + 0.16)], 0.035, (0.13, 0.7, 0.8))


def shrine(canvas: Canvas, style: Random) -> None:
    """Shinto shrine: a torii before a low hall."""
    gate, roof = tone(style, VIVID[:2], WOOD, STONE[2:3]), tone(style, ROOF, WOOD)
    span, height, second = style.uniform(0.5, 0.72), style.uniform(0.75, 1.0), style.random() < 0.4
    canvas.rect(-0.34, BASE, 0.34, BASE + 0.3, tone(style, WOOD))
    canvas.polygon([(-0.52, BASE + 0.28), (0.52, BASE + 0.28), (0.3, BASE + 0.52), (-0.3, BASE + 0.52)], roof)
    for scale, colour in ((0.62, shade(gate, 0.8)), (1.0, gate)) if second else ((1.0, gate),):
        half, top, beam = span * scale, BASE + height * scale, 0.075 * scale
        for side in (-1, 1):
            canvas.line([(side * half * 0.95, BASE - 0.04), (side * half * 0.8, top)], beam * 1.4, colour)
        canvas.rect(-half * 1.05, top - 3.4 * beam, half * 1.05, top - 2.3 * beam, colour)
        lintel = [(half, top), (half * 1.4, top + beam * 1.6), (half, top + beam * 1.4)]
        canvas.polygon([*lintel, *_mirrored(lintel)], shade(colour, 0.7))
        canvas.rect(-0.06 * scale, top - 3.4 * beam, 0.06 * scale, top, shade(colour, 0.6))


def castle(canvas: Canvas, style: Random) -> None:
    """Curtain wall with merlons between towers."""
    wall, roof = tone(style, STONE, BRICK), tone(style, ROOF)
    n_towers, height, low = style.choice((2, 3, 3, 4)), style.uniform(0.75, 1.1), style.uniform(0.34, 0.5)
    pointed, flag = style.random() < 0.55, tone(style, VIVID)
    canvas.ellipse(0, BASE - 0.1, 1.05, 0.2, (0.25, 0.4, 0.5))
    canvas.rect(-0.78, BASE, 0.78, BASE + low, wall)
    _merlons(canvas, -0.78, 0.78, BASE + low, wall, 8)
    for number in range(n_towers):
        x, tall = -0.74 + 1.48 * number / (n_towers - 1), height * style.uniform(0.7, 1.0)
        canvas.rect(x - 0.17, BASE - 0.02, x + 0.17, BASE + tall, shade(wall, 0.88))
        for slit in (0.35, 0.65):
            canvas.rect(x - 0.025, BASE + tall * slit, x + 0.025, BASE + tall * slit + 0.12, DARK)
        if pointed:
            canvas.polygon([(x - 0.22, BASE + tall), (x + 0.22, BASE + tall), (x, BASE + tall + 0.38)], roof)
        else:
            _merlons(canvas, x - 0.19, x + 0.19, BASE + tall, shade(wall, 0.88), 3)
        if number == n_towers // 2:
            top = BASE + tall + (0.36 if pointed else 0.1)
            canvas.line([(x, top), (x, top + 0.24)], 0.02, DARK)
            canvas.polygon([(x, top + 0.24), (x + 0.2, top + 0.18), (x, top + 0.12)], flag)
    _arched(canvas, 0.12, BASE, 0.11, 0.26, DARK)


def museum(canvas: Canvas, style: Random) -> None:
    """Columns under a pediment, or a modern box with a wing of glass; banners tell of the exhibition."""
    wall, banner = tone(style, STONE, PLASTER, BRICK), tone(style, VIVID)
    columns, height, classical = style.choice((4, 5, 6, 8)), style.uniform(0.5, 0.68), style.random() < 0.6
    for step in range(3):
        canvas.rect(
            -0.95 + step * 0.05,
            BASE + step * 0.05,
            0.95 - step * 0.05,
            BASE + step * 0.05 + 0.05,
            shade(wall, 0.95 - 0.1 * (step % 2)),
        )
    low, top = BASE + 0.15, BASE + 0.15 + height
    canvas.rect(-0.82, low, 0.82, top, shade(wall, 0.62))
    for number in range(columns):
        x = -0.74 + 1.48 * number / (columns - 1)
        canvas.rect(x - 0.055, low, x + 0.055, top, wall)
    canvas.rect(-0.88, top, 0.88, top + 0.09, wall)
    if classical:
        canvas.polygon([(-0.92, top + 0.09), (0.92, top + 0.09), (0, top + 0.42)], wall)
        canvas.polygon([(-0.62, top + 0.13), (0.62, top + 0.13), (0, top + 0.34)], shade(wall, 0.78))
    else:
        canvas.rect(-0.5, top + 0.09, 0.88, top + 0.36, shade(wall, 0.88))
        canvas.rect(-0.42, top + 0.15, 0.8, top + 0.28, (0.55, 0.4, 0.75))
    for x in (-0.4, 0.4):
        canvas.rect(x - 0.08, low + height * 0.3, x + 0.08, top - 0.03, banner)


def stadium(canvas: Canvas, style: Random) -> None:
    """An oval of stands around a pitch, seen from above, with floodlights."""
    shell, seats = tone(style, PLASTER, STONE, BRICK), tone(style, VIVID)
    wide, deep, masts = style.uniform(0.85, 1.0), style.uniform(0.36, 0.5), style.choice((0, 2, 4))
    sand, y = style.random() < 0.3, BASE + 0.34
    for number in range(masts):
        x = -0.8 + 1.6 * number / max(1, masts - 1)
        canvas.line([(x, y), (x, y + 0.85)], 0.03, DARK)
        canvas.rect(x - 0.11, y + 0.82, x + 0.11, y + 0.94, (0.14, 0.2, 0.97))
    canvas.ellipse(0, y - 0.16, wide, deep, shade(shell, 0.8))
    canvas.ellipse(0, y, wide, deep, shell)
    canvas.ellipse(0, y - 0.01, wide * 0.9, deep * 0.86, seats)
    for number in range(12):
        rim = arc(0, y - 0.01, wide * 0.9, deep * 0.86, number * 30, number * 30 + 1, steps=1)
        canvas.line([rim[0], (rim[0][0] * 0.6, y + (rim[0][1] - y) * 0.55)], 0.02, shade(seats, 0.7))
    pitch: Colour = (0.11, 0.5, 0.85) if sand else (0.3, 0.6, 0.62)
    canvas.ellipse(0, y - 0.03, wide * 0.6, deep * 0.52, pitch)
    canvas.line(arc(0, y - 0.03, wide * 0.2, deep * 0.22, 0, 360), 0.02, (0.0, 0.0, 0.97))
    if not sand:
        canvas.line([(0, y - 0.03 - deep * 0.5), (0, y - 0.03 + deep * 0.5)], 0.02, (0.0, 0.0, 0.97))


def theatre(canvas: Canvas, style: Random) -> None:
    """A rounded front with rows of lit arches and a lantern roof."""
    wall, roof, light = tone(style, PLASTER, STONE), tone(style, ROOF, VIVID[3:5]), (0.13, 0.55, 0.98)
    storeys, bays, dome = style.choice((2, 3)), style.choice((5, 6, 7)), style.random() < 0.5
    width, storey = style.uniform(0.72, 0.9), style.uniform(0.27, 0.34)
    for level in range(storeys):
        half, low = width * (1 - 0.09 * level), BASE + level * storey
        canvas.rect(-half, low, half, low + storey, shade(wall, 1 - 0.08 * (level % 2)))
        for bay in range(bays):
            x = -half + 2 * half * (bay + 0.5) / bays
            _arched(canvas, x, low + 0.03, half * 0.55 / bays, storey * 0.72, light if level else DARK)
        canvas.rect(-half - 0.04, low + storey - 0.04, half + 0.04, low + storey, shade(wall, 0.7))
    top, half = BASE + storeys * storey, width * 0.8
    if dome:
        canvas.sector(0, top, half, 0.34, 0, 180, roof)
        canvas.rect(-0.1, top + 0.3, 0.1, top + 0.44, wall)
    else:
        canvas.polygon(
            [(-half, top), (half, top), (half * 0.45, top + 0.34), (-half * 0.45, top + 0.34)], roof
        )
        for x in (-0.3, 0.3):
            canvas.ellipse(x, top + 0.4, 0.07, 0.09, (0.13, 0.7, 0.85))


def lighthouse(canvas: Canvas, style: Random) -> None:
    """A banded tower on a rock in the sea, a lantern on top."""
    band, sea = tone(style, VIVID[:5], VIVID[5:6]), (0.55, 0.5, 0.66)
    bands, height, foot, keeper = (
        style.choice((0, 3, 4, 5, 6)),
        style.uniform(1.0, 1.25),
        style.uniform(0.2, 0.3),
        style.random() < 0.5,
    )
    white, top = (0.1, 0.05, 0.95), style.uniform(0.11, 0.16)
    canvas.rect(-1.6, BASE - 0.6, 1.6, BASE + 0.1, sea)
    canvas.ellipse(0, BASE - 0.04, 0.8, 0.2, (0.08, 0.25, 0.45))
    if keeper:
        canvas.rect(0.15, BASE, 0.6, BASE + 0.24, white)
        canvas.polygon([(0.1, BASE + 0.24), (0.65, BASE + 0.24), (0.38, BASE + 0.42)], band)
    for number in range(max(1, bands)):
        a, b = number / max(1, bands), (number + 1) / max(1, bands)
        left, right = foot + (top - foot) * a, foot + (top - foot) * b
        colour = band if number % 2 == 0 else white
        canvas.polygon(
            [
                (-left, BASE + height * a),
                (left, BASE + height * a),
                (right, BASE + height * b),
                (-right, BASE + height * b),
            ],
            colour,
        )
    lamp = BASE + height
    canvas.rect(-top * 1.4, lamp, top * 1.4, lamp + 0.05, DARK)
    canvas.rect(-top * 0.7, lamp + 0.05, top * 0.7, lamp + 0.2, (0.14, 0.6, 1.0))
    canvas.sector(0, lamp + 0.2, top * 0.9, 0.13, 0, 180, shade(band, 0.7))
    canvas.rect(-0.05, BASE + 0.05, 0.05, BASE + 0.2, DARK)


def windmill(canvas: Canvas, style: Random) -> None:
    """A cap mill with four sails."""
    body, sail = tone(style, WOOD, BRICK, PLASTER), tone(style, PLASTER, ROOF, VIVID[:2])
    height, reach, gallery = style.uniform(0.75, 0.95), style.uniform(0.55, 0.72), style.random() < 0.5
    turn, foot = canvas.view.uniform(0, 90), style.uniform(0.3, 0.42)
    hub = (0.0, BASE + height)
    canvas.polygon([(-foot, BASE), (foot, BASE), (0.18, BASE + height), (-0.18, BASE + height)], body)
    canvas.sector(0, BASE + height - 0.02, 0.24, 0.24, 0, 180, shade(sail, 0.6))
    for x, y in ((-0.08, 0.3), (0.09, 0.5), (0.0, 0.62)):
        canvas.rect(x - 0.04, BASE + y * height, x + 0.04, BASE + y * height + 0.09, DARK)
    if gallery:
        canvas.rect(-foot * 1.15, BASE + height * 0.28, foot * 1.15, BASE + height * 0.32, DARK)
    for blade in range(4):
        tip = arc(*hub, reach, reach, turn + blade * 90, turn + blade * 90 + 14, steps=1)
        inner = arc(*hub, reach * 0.2, reach * 0.2, turn + blade * 90, turn + blade * 90 + 30, steps=1)
        canvas.polygon([inner[0], tip[0], tip[1], inner[1]], sail)
        canvas.line([hub, tip[0]], 0.035, DARK)
    _arched(canvas, 0, BASE, 0.08, 0.2, DARK)


def _arched(canvas: Canvas, x: float, y: float, half: float, height: float, colour: Colour) -> None:
    canvas.rect(x - half, y, x + half, y + height - half, colour)
    canvas.sector(x, y + height - half, half, half, 0, 180, colour)


def _merlons(canvas: Canvas, left: float, right: float, y: float, colour: Colour, count: int) -> None:
    step = (right - left) / (2 * count - 1)
    for number in range(count):
        x = left + 2 * number * step
        canvas.rect(x, y - 0.01, x + step, y + 0.09, colour)


def _mirrored(points: list[Point]) -> list[Point]:
    return [(-x, y) for x, y in reversed(points)]
