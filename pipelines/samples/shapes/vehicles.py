"""Shapes of vehicles; make and colours come from each model."""

from random import Random

from cairnhub.pipelines.samples.shapes.canvas import (
    BASE,
    DARK,
    ROOF,
    STONE,
    VIVID,
    WOOD,
    Canvas,
    Colour,
    arc,
    shade,
    tone,
)

GLASS: Colour = (0.55, 0.25, 0.85)
RUBBER: Colour = (0.62, 0.15, 0.18)
STEEL: Colour = (0.6, 0.08, 0.75)


def car(canvas: Canvas, style: Random) -> None:
    """A passenger car from the side."""
    paint, cabin = tone(style, VIVID), style.uniform(0.22, 0.36)
    bonnet, boot, belt = style.uniform(0.3, 0.5), style.choice((0.12, 0.35)), style.random() < 0.4
    low, waist = BASE + 0.12, BASE + 0.4
    canvas.polygon([(-0.95, low), (0.95, low), (0.97, waist - 0.08), (0.85, waist), (-0.93, waist)], paint)
    left, right = -0.93 + boot, 0.9 - bonnet
    canvas.polygon(
        [
            (left - 0.05, waist),
            (left + 0.1, waist + cabin),
            (right - 0.2, waist + cabin),
            (right + 0.1, waist),
        ],
        paint,
    )
    canvas.polygon(
        [
            (left + 0.07, waist + 0.02),
            (left + 0.16, waist + cabin - 0.05),
            (right - 0.24, waist + cabin - 0.05),
            (right - 0.02, waist + 0.02),
        ],
        GLASS,
    )
    canvas.line([((left + right) / 2, waist), ((left + right) / 2, waist + cabin)], 0.05, paint)
    if belt:
        canvas.rect(-0.93, waist - 0.16, 0.93, waist - 0.09, tone(style, VIVID))
    canvas.ellipse(0.9, waist - 0.1, 0.06, 0.05, (0.14, 0.3, 1.0))
    canvas.rect(-0.96, waist - 0.14, -0.88, waist - 0.04, (0.0, 0.85, 0.8))
    _wheels(canvas, style, (-0.58, 0.58), style.uniform(0.16, 0.21))


def van(canvas: Canvas, style: Random) -> None:
    """A delivery van from the side, with a sign on it."""
    paint, sign, tall = tone(style, VIVID), tone(style, VIVID), style.uniform(0.62, 0.82)
    low, nose, round_sign = BASE + 0.12, style.uniform(0.2, 0.36), style.random() < 0.5
    canvas.polygon(
        [
            (-0.95, low),
            (0.95, low),
            (0.97, low + 0.26),
            (0.95 - nose, low + 0.36),
            (0.86 - nose, low + tall),
            (-0.95, low + tall),
        ],
        paint,
    )
    canvas.polygon(
        [
            (0.5 - nose, low + 0.36),
            (0.9 - nose, low + 0.36),
            (0.81 - nose, low + tall - 0.07),
            (0.5 - nose, low + tall - 0.07),
        ],
        GLASS,
    )
    if round_sign:
        canvas.ellipse(-0.4, low + tall * 0.55, 0.24, 0.2, sign)
    else:
        canvas.rect(-0.8, low + tall * 0.4, 0.0, low + tall * 0.68, sign)
    canvas.line([(0.12, low), (0.12, low + tall)], 0.02, shade(paint, 0.7))
    _wheels(canvas, style, (-0.58, 0.6), 0.17)


def bus(canvas: Canvas, style: Random) -> None:
    """A bus with one or two decks."""
    paint, trim, decks = tone(style, VIVID), tone(style, VIVID), style.choice((1, 1, 2))
    windows, low = style.randint(4, 7), BASE + 0.1
    top = low + 0.34 + 0.36 * decks
    canvas.rect(-1.0, low, 1.0, top, paint)
    canvas.rect(-1.0, low + 0.2, 1.0, low + 0.28, trim)
    for deck in range(decks):
        y = low + 0.34 + 0.36 * deck
        for window in range(windows):
            x = -0.94 + 1.88 * window / windows
            canvas.rect(x, y, x + 1.5 / windows, y + 0.22, GLASS)
    canvas.rect(0.74, low + 0.02, 0.92, low + 0.54, shade(GLASS, 0.8))
    canvas.rect(-0.98, top, 0.98, top + 0.04, shade(paint, 0.75))
    _wheels(canvas, style, (-0.62, 0.5), 0.16)


def lorry(canvas: Canvas, style: Random) -> None:
    """A lorry: a cab and a box, a tank or a tipper behind."""
    cab, load, kind = tone(style, VIVID), tone(style, VIVID, STONE), style.choice(("box", "tank", "tipper"))
    low, tall = BASE + 0.2, style.uniform(0.55, 0.75)
    canvas.rect(-1.0, low - 0.06, 0.95, low + 0.03, DARK)
    canvas.polygon([(0.45, low), (0.98, low), (0.98, low + 0.3), (0.88, low + 0.6), (0.45, low + 0.6)], cab)
    canvas.polygon([(0.56, low + 0.3), (0.93, low + 0.3), (0.85, low + 0.53), (0.56, low + 0.53)], GLASS)
    if kind == "box":
        canvas.rect(-1.0, low + 0.03, 0.38, low + tall, load)
        canvas.rect(-0.8, low + tall * 0.4, 0.18, low + tall * 0.65, tone(style, VIVID))
    elif kind == "tank":
        canvas.ellipse(-0.32, low + tall * 0.5, 0.68, tall * 0.45, load)
        for x in (-0.66, -0.32, 0.02):
            canvas.line([(x, low + tall * 0.1), (x, low + tall * 0.9)], 0.03, shade(load, 0.7))
    else:
        canvas.polygon(
            [(-1.0, low + tall * 0.7), (-0.85, low + 0.03), (0.3, low + 0.03), (0.38, low + tall * 0.7)], load
        )
        canvas.ellipse(-0.3, low + tall * 0.7, 0.5, 0.14, (0.08, 0.5, 0.45))
    _wheels(canvas, style, (-0.72, -0.38, 0.68), 0.15)


def motorcycle(canvas: Canvas, style: Random) -> None:
    """A motorcycle or a scooter."""
    paint, radius, scooter = tone(style, VIVID), style.uniform(0.2, 0.28), style.random() < 0.4
    y = BASE + radius
    _wheels(canvas, style, (-0.55, 0.58), radius)
    canvas.line([(0.58, y), (0.36, BASE + 0.72), (0.24, BASE + 0.8)], 0.06, STEEL)
    if scooter:
        canvas.polygon(
            [
                (-0.75, y + 0.08),
                (-0.2, y + 0.05),
                (0.1, BASE + 0.14),
                (0.34, BASE + 0.14),
                (0.44, BASE + 0.62),
                (0.3, BASE + 0.64),
                (0.18, BASE + 0.24),
                (-0.1, BASE + 0.46),
                (-0.72, BASE + 0.5),
            ],
            paint,
        )
    else:
        canvas.line([(-0.55, y), (0.0, y + 0.05), (0.4, BASE + 0.6)], 0.06, DARK)
        canvas.ellipse(-0.02, y + 0.06, 0.2, 0.14, STEEL)
        canvas.ellipse(0.12, BASE + 0.54, 0.27, 0.13, paint, 12)
        canvas.line([(-0.8, y), (-0.1, y - 0.06)], 0.07, STEEL)
    canvas.ellipse(-0.35, BASE + 0.55, style.uniform(0.22, 0.34), 0.07, DARK)
    canvas.ellipse(0.46, BASE + 0.66, 0.09, 0.08, (0.14, 0.3, 1.0))


def bicycle(canvas: Canvas, style: Random) -> None:
    """A bicycle; racing, town or with a basket."""
    paint, radius, high = tone(style, VIVID), style.uniform(0.28, 0.36), style.uniform(0.66, 0.82)
    step_through, basket = style.random() < 0.5, style.random() < 0.4
    y, seat, head = BASE + radius, (-0.28, BASE + high), (0.4, BASE + high)
    for x in (-0.58, 0.6):
        canvas.line(arc(x, y, radius, radius, 0, 360), 0.05, RUBBER)
        for spoke in range(4):
            ends = arc(x, y, radius, radius, spoke * 45, spoke * 45 + 180, steps=1)
            canvas.line(ends, 0.012, STEEL)
    crank = (-0.08, y - 0.02)
    canvas.line([(-0.58, y), crank, head, (0.6, y)], 0.055, paint)
    canvas.line([(-0.58, y), (-0.24, BASE + high - 0.1), crank], 0.05, paint)
    if not step_through:
        canvas.line([(-0.24, BASE + high - 0.1), head], 0.055, paint)
    canvas.line([crank, seat], 0.04, paint)
    canvas.ellipse(seat[0], seat[1] + 0.03, 0.13, 0.04, DARK)
    canvas.line([head, (0.36, BASE + high + 0.12), (0.22, BASE + high + 0.14)], 0.045, DARK)
    canvas.ellipse(*crank, 0.08, 0.08, STEEL)
    if basket:
        canvas.polygon(
            [(0.42, BASE + high), (0.74, BASE + high), (0.8, BASE + high + 0.2), (0.42, BASE + high + 0.2)],
            WOOD[2],
        )


def _wheels(canvas: Canvas, style: Random, places: tuple[float, ...], radius: float) -> None:
    rim = tone(style, (STEEL,), ROOF)
    for x in places:
        canvas.ellipse(x, BASE + radius * 0.8, radius, radius, RUBBER)
        canvas.ellipse(x, BASE + radius * 0.8, radius * 0.55, radius * 0.55, rim)
        canvas.ellipse(x, BASE + radius * 0.8, radius * 0.18, radius * 0.18, DARK)
