"""Shapes of nature: each brings its own ground, in greens, blues and earth."""

from random import Random

from cairnhub.pipelines.samples.shapes.canvas import BASE, STONE, Canvas, Colour, shade, tone

ROCK: tuple[Colour, ...] = ((0.08, 0.2, 0.5), (0.62, 0.12, 0.55), (0.05, 0.35, 0.5), (0.11, 0.3, 0.62))
GRASS: tuple[Colour, ...] = ((0.25, 0.5, 0.55), (0.32, 0.5, 0.45), (0.18, 0.45, 0.6))
WATER: tuple[Colour, ...] = ((0.54, 0.55, 0.7), (0.58, 0.6, 0.6), (0.48, 0.45, 0.68), (0.6, 0.35, 0.55))
SNOW: Colour = (0.58, 0.05, 0.98)


def mountain(canvas: Canvas, style: Random) -> None:
    """One to three snowy peaks over forest."""
    rock, forest = tone(style, ROCK), tone(style, GRASS)
    peaks, snow = style.choice((1, 2, 3)), style.uniform(0.2, 0.45)
    for number in range(peaks):
        x = 0.0 if peaks == 1 else -0.55 + 1.1 * number / (peaks - 1)
        height, half = (
            style.uniform(0.9, 1.4) * (1 if number == peaks // 2 else 0.8),
            style.uniform(0.5, 0.85),
        )
        lean = style.uniform(-0.16, 0.16)
        top = (x + lean, BASE + height)
        canvas.polygon([(x - half, BASE), (x + half, BASE), top], shade(rock, 1.0 - 0.1 * number))
        canvas.polygon([(x + half * 0.15, BASE), (x + half, BASE), top], shade(rock, 0.75))
        left = (top[0] + (x - half - top[0]) * snow, top[1] - height * snow)
        right = (top[0] + (x + half - top[0]) * snow, top[1] - height * snow)
        middle = (top[0] + lean * 0.3, top[1] - height * snow * 0.6)
        canvas.polygon([left, top, right, middle], SNOW)
    canvas.ellipse(0, BASE - 0.05, 1.5, 0.18, forest)
    _conifers(canvas, style, forest, style.randint(4, 8), BASE - 0.08)


def volcano(canvas: Canvas, style: Random) -> None:
    """A broad cone with a crater; some smoke, some glow."""
    rock, slope = tone(style, ROCK), style.uniform(0.85, 1.1)
    height, crater, active = style.uniform(0.7, 1.05), style.uniform(0.16, 0.3), style.random() < 0.6
    top, snow = BASE + height, style.random() < 0.5
    if active:
        for puff in range(4):
            drift = canvas.view.uniform(-0.06, 0.1)
            grey: Colour = (0.05, 0.08, 0.6 + 0.07 * puff)
            canvas.ellipse(
                drift * puff * 1.5, top + 0.1 + 0.13 * puff, 0.1 + 0.05 * puff, 0.1 + 0.03 * puff, grey
            )
    for side, tint in ((-1, 1.0), (1, 0.8)):
        outline = [
            (0.0, BASE - 0.1),
            (side * slope, BASE - 0.1),
            (side * slope * 0.5, BASE + height * 0.35),
            (side * crater, top),
            (0.0, top),
        ]
        canvas.polygon(outline, shade(rock, tint))
    if snow:
        canvas.polygon(
            [
                (-crater, top),
                (crater, top),
                (crater * 1.7, top - 0.2),
                (0.1, top - 0.12),
                (-0.05, top - 0.24),
                (-crater * 1.7, top - 0.2),
            ],
            SNOW,
        )
    canvas.ellipse(0, top, crater, 0.05, (0.03, 0.85, 0.85) if active else shade(rock, 0.45))
    canvas.ellipse(0, BASE - 0.12, 1.5, 0.12, tone(style, GRASS))


def lake(canvas: Canvas, style: Random) -> None:
    """Water between shores under hills that it mirrors."""
    water, hill = tone(style, WATER), tone(style, GRASS, ROCK)
    hills, shore = style.choice((2, 3, 4)), style.uniform(0.1, 0.25)
    horizon = BASE + 0.42
    spots = [
        (style.uniform(-0.9, 0.9), style.uniform(0.3, 0.6), style.uniform(0.16, 0.5)) for _ in range(hills)
    ]
    for number, (x, rx, ry) in enumerate(spots):
        canvas.sector(x, horizon, rx, ry, 0, 180, shade(hill, 0.8 + 0.12 * number))
    canvas.rect(-1.7, BASE - 0.7, 1.7, horizon, water)
    for number, (x, rx, ry) in enumerate(spots):
        mirrored = (water[0], water[1], water[2] * (0.72 + 0.06 * number))
        canvas.sector(x, horizon, rx, ry * 0.55, 180, 360, mirrored)
    for y in (0.3, 0.16, 0.04, -0.1):
        x = canvas.view.uniform(-0.7, 0.3)
        canvas.line([(x, BASE + y), (x + 0.5, BASE + y)], 0.018, shade(water, 1.3))
    canvas.ellipse(style.choice((-0.9, 0.9)), BASE - 0.16, 0.75, shore, tone(style, GRASS))
    if style.random() < 0.5:
        canvas.ellipse(style.uniform(-0.3, 0.3), horizon - 0.12, 0.17, 0.06, shade(hill, 0.7))
    _conifers(canvas, style, shade(hill, 0.7), style.randint(1, 4), BASE - 0.12)


def waterfall(canvas: Canvas, style: Random) -> None:
    """Water over a cliff into a pool."""
    rock, moss = tone(style, ROCK), tone(style, GRASS)
    height, strands, width = style.uniform(0.85, 1.25), style.choice((1, 1, 2, 3)), style.uniform(0.14, 0.36)
    steps = style.choice((1, 1, 2))
    canvas.polygon(
        [
            (-1.5, BASE - 0.1),
            (1.5, BASE - 0.1),
            (1.5, BASE + height),
            (0.8, BASE + height * 1.06),
            (-0.8, BASE + height),
            (-1.5, BASE + height * 1.1),
        ],
        rock,
    )
    for _ in range(7):
        x = style.uniform(-1.0, 1.0)
        canvas.line(
            [(x, BASE + height * style.uniform(0.5, 0.95)), (x + 0.05, BASE + 0.1)], 0.04, shade(rock, 0.75)
        )
    canvas.ellipse(-0.85, BASE + height, 0.6, 0.14, moss)
    canvas.ellipse(0.9, BASE + height, 0.6, 0.14, moss)
    for strand in range(strands):
        x = 0.0 if strands == 1 else -0.4 + 0.8 * strand / (strands - 1)
        half = width / strands
        for step in range(steps):
            high, low = BASE + height * (1 - step / steps), BASE + height * (1 - (step + 1) / steps)
            wide = half * (1 + 0.5 * step)
            canvas.polygon(
                [
                    (x - wide, high + 0.02),
                    (x + wide, high + 0.02),
                    (x + wide * 1.2, low),
                    (x - wide * 1.2, low),
                ],
                SNOW,
            )
            canvas.line([(x - wide * 0.2, high), (x, low)], 0.03, (0.55, 0.2, 0.85))
            canvas.ellipse(x, low + 0.02, wide * 1.6, 0.06, SNOW)
    canvas.ellipse(0, BASE - 0.14, 1.1, 0.2, tone(style, WATER))
    canvas.ellipse(0, BASE - 0.03, 0.5, 0.07, SNOW)


def island(canvas: Canvas, style: Random) -> None:
    """Land in the sea: a beach, a hill, trees."""
    water, hill = tone(style, WATER), tone(style, GRASS, ROCK[:1])
    width, height, bumps = style.uniform(0.6, 0.9), style.uniform(0.25, 0.55), style.choice((1, 2, 3))
    canvas.rect(-1.7, BASE - 0.7, 1.7, BASE + 0.38, water)
    y = BASE + 0.16
    canvas.ellipse(0, y - 0.02, width, 0.12, STONE[0])
    for bump in range(bumps):
        x = 0.0 if bumps == 1 else width * (-0.45 + 0.9 * bump / (bumps - 1))
        canvas.sector(
            x,
            y,
            width * (0.8 if bumps == 1 else 0.5),
            height * style.uniform(0.6, 1.0),
            0,
            180,
            shade(hill, 1 - 0.1 * bump),
        )
    if style.random() < 0.5:
        for x in (-0.3, 0.05, 0.35):
            canvas.line([(x, y), (x + 0.06, y + height * 0.5 + 0.3)], 0.03, (0.07, 0.5, 0.4))
            crown = (x + 0.06, y + height * 0.5 + 0.3)
            for side in (-1, 1):
                for droop in (0.02, 0.13):
                    frond = [
                        crown,
                        (crown[0] + side * 0.1, crown[1] + 0.06 - droop / 2),
                        (crown[0] + side * 0.18, crown[1] - droop),
                    ]
                    canvas.line(frond, 0.045, (0.32, 0.6, 0.4))
    for row in (-0.02, -0.16, -0.3):
        x = canvas.view.uniform(-0.9, 0.1)
        canvas.line(
            [(x, BASE + row), (x + 0.22, BASE + row + 0.02), (x + 0.44, BASE + row)], 0.02, shade(water, 1.3)
        )


def _conifers(canvas: Canvas, style: Random, colour: Colour, count: int, y: float) -> None:
    for _ in range(count):
        x, size = style.uniform(-0.95, 0.95), style.uniform(0.16, 0.3)
        for tier in (0.0, 0.35):
            half = size * (0.42 - 0.3 * tier)
            canvas.polygon(
                [(x - half, y + size * tier), (x + half, y + size * tier), (x, y + size * (0.75 + tier))],
                shade(colour, 0.62),
            )
