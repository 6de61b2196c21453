"""Shapes of crockery and other products; pattern, proportions and colours come from each make."""

from random import Random

from cairnhub.pipelines.samples.shapes.canvas import (
    BASE,
    STONE,
    VIVID,
    WOOD,
    Canvas,
    Colour,
    arc,
    shade,
    tone,
)

GLAZE: tuple[Colour, ...] = (*VIVID, (0.1, 0.12, 0.95), (0.08, 0.45, 0.65))


def mug(canvas: Canvas, style: Random) -> None:
    """A mug with its handle to one side."""
    glaze, ink = tone(style, GLAZE), tone(style, GLAZE)
    half, tall, taper, pattern = (
        style.uniform(0.3, 0.42),
        style.uniform(0.6, 0.85),
        style.uniform(0.8, 1.1),
        style.randrange(4),
    )
    top = BASE + tall
    canvas.line(arc(half + 0.02, BASE + tall * 0.52, 0.25, tall * 0.3, -90, 90), 0.1, shade(glaze, 0.85))
    canvas.polygon([(-half * taper, BASE), (half * taper, BASE), (half, top), (-half, top)], glaze)
    canvas.ellipse(0, BASE, half * taper, 0.07, glaze)
    _pattern(canvas, half * 0.97, BASE + 0.08, top - 0.1, ink, pattern)
    canvas.ellipse(0, top, half, 0.09, shade(glaze, 1.15))
    canvas.ellipse(0, top - 0.015, half * 0.86, 0.065, (0.07, 0.7, 0.3))


def teapot(canvas: Canvas, style: Random) -> None:
    """A bellied pot with spout, lid and handle."""
    glaze, ink = tone(style, GLAZE), tone(style, GLAZE)
    wide, tall, pattern, knob = (
        style.uniform(0.42, 0.54),
        style.uniform(0.32, 0.46),
        style.randrange(4),
        tone(style, GLAZE),
    )
    y = BASE + tall
    canvas.line(arc(-wide, y, 0.28, tall * 0.6, 90, 270), 0.09, shade(glaze, 0.8))
    canvas.polygon(
        [(wide * 0.7, y - 0.18), (wide + 0.4, y + 0.3), (wide + 0.28, y + 0.34), (wide * 0.75, y + 0.12)],
        shade(glaze, 0.9),
    )
    canvas.ellipse(0, y, wide, tall, glaze)
    _pattern(canvas, wide * 0.85, y - tall * 0.45, y + tall * 0.4, ink, pattern)
    canvas.sector(0, y + tall * 0.75, wide * 0.6, 0.2, 0, 180, shade(glaze, 1.12))
    canvas.ellipse(0, y + tall * 0.75 + 0.22, 0.08, 0.08, knob)
    canvas.rect(-wide * 0.5, BASE - 0.05, wide * 0.5, BASE + 0.04, shade(glaze, 0.8))


def plate(canvas: Canvas, style: Random) -> None:
    """A plate from above: rim, rings and a motif."""
    glaze, ink, rim = tone(style, GLAZE), tone(style, GLAZE), style.uniform(0.5, 0.72)
    beads, rings, oval = style.choice((0, 8, 12, 16)), style.randint(0, 2), style.uniform(0.78, 1.0)
    y = BASE + 0.55
    canvas.ellipse(0.03, y - 0.05, 0.78, 0.78 * oval, shade(glaze, 0.5))
    canvas.ellipse(0, y, 0.78, 0.78 * oval, glaze)
    for ring in range(rings):
        canvas.line(arc(0, y, 0.72 - 0.09 * ring, (0.72 - 0.09 * ring) * oval, 0, 360), 0.035, ink)
    canvas.ellipse(0, y, 0.78 * rim, 0.78 * rim * oval, shade(glaze, 0.88))
    canvas.ellipse(0, y, 0.73 * rim, 0.73 * rim * oval, shade(glaze, 1.08))
    for bead in range(beads):
        spot = arc(0, y, 0.66, 0.66 * oval, 360 * bead / beads, 0)[0]
        canvas.ellipse(*spot, 0.055, 0.055, ink)
    if style.random() < 0.5:
        for leaf in range(5):
            spot = arc(0, y, 0.14, 0.14, 72 * leaf, 0)[0]
            canvas.ellipse(*spot, 0.13, 0.06, ink, 72 * leaf)


def bowl(canvas: Canvas, style: Random) -> None:
    """A bowl from the side, on a foot."""
    glaze, ink, fill = tone(style, GLAZE), tone(style, GLAZE), tone(style, GLAZE)
    wide, deep, pattern, foot = (
        style.uniform(0.58, 0.78),
        style.uniform(0.45, 0.62),
        style.randrange(4),
        style.uniform(0.03, 0.14),
    )
    top = BASE + foot + deep
    canvas.polygon(
        [(-0.26, BASE - 0.03), (0.26, BASE - 0.03), (0.2, BASE + foot + 0.1), (-0.2, BASE + foot + 0.1)],
        shade(glaze, 0.75),
    )
    canvas.sector(0, top, wide, deep, 180, 360, glaze)
    _pattern(canvas, wide * 0.72, top - deep * 0.62, top - 0.08, ink, pattern)
    canvas.ellipse(0, top, wide, 0.13, shade(glaze, 1.15))
    canvas.ellipse(0, top - 0.015, wide * 0.88, 0.095, fill)


def jug(canvas: Canvas, style: Random) -> None:
    """A tall jug or vase with a narrow neck."""
    glaze, ink = tone(style, GLAZE), tone(style, GLAZE)
    belly, neck, tall, pattern = (
        style.uniform(0.28, 0.42),
        style.uniform(0.1, 0.18),
        style.uniform(0.9, 1.2),
        style.randrange(4),
    )
    top, handled = BASE + tall, style.random() < 0.6
    if handled:
        canvas.line(
            [(-neck, top - 0.06), (-belly - 0.18, top - 0.2), (-belly * 0.8, BASE + tall * 0.45)],
            0.08,
            shade(glaze, 0.8),
        )
    canvas.polygon([(-neck, BASE + tall * 0.5), (neck, BASE + tall * 0.5), (neck, top), (-neck, top)], glaze)
    canvas.ellipse(0, BASE + tall * 0.34, belly, tall * 0.36, glaze)
    _pattern(canvas, belly * 0.85, BASE + tall * 0.18, BASE + tall * 0.5, ink, pattern)
    canvas.polygon(
        [(-neck * 1.3, top), (neck * 1.9, top + 0.06), (neck, top - 0.1), (-neck, top - 0.1)],
        shade(glaze, 1.1),
    )
    canvas.rect(-belly * 0.6, BASE - 0.04, belly * 0.6, BASE + 0.05, shade(glaze, 0.8))


def bottle(canvas: Canvas, style: Random) -> None:
    """A bottle with a label and a cap."""
    body, label, cap = tone(style, VIVID), tone(style, VIVID, STONE), tone(style, VIVID)
    half, shoulder, tall, round_label = (
        style.uniform(0.18, 0.32),
        style.uniform(0.45, 0.75),
        style.uniform(1.05, 1.3),
        style.random() < 0.5,
    )
    y = BASE + tall * shoulder
    canvas.rect(-half, BASE, half, y, body)
    canvas.polygon([(-half, y), (half, y), (0.09, y + 0.25), (-0.09, y + 0.25)], body)
    canvas.rect(-0.09, y + 0.2, 0.09, BASE + tall, body)
    canvas.rect(-0.11, BASE + tall, 0.11, BASE + tall + 0.12, cap)
    if round_label:
        canvas.ellipse(0, BASE + (y - BASE) * 0.5, half * 0.8, half * 0.8, label)
    else:
        canvas.rect(-half, BASE + 0.12, half, y - 0.1, label)
        canvas.rect(-half * 0.6, BASE + 0.2, half * 0.6, BASE + 0.26, shade(body, 0.6))
    canvas.line([(-half * 0.7, BASE + 0.1), (-half * 0.7, y)], 0.03, shade(body, 1.4))


def shoe(canvas: Canvas, style: Random) -> None:
    """A shoe or boot from the side."""
    upper, sole, lace = tone(style, VIVID, WOOD), tone(style, VIVID[8:], WOOD), tone(style, VIVID)
    shaft, heel, stripes = style.choice((0.3, 0.4, 0.85)), style.uniform(0.08, 0.26), style.randint(0, 3)
    low = BASE + heel
    canvas.polygon(
        [(-0.8, BASE), (-0.4, BASE), (-0.3, low - 0.02), (0.9, BASE), (0.95, BASE + 0.1), (-0.8, low + 0.06)],
        sole,
    )
    canvas.polygon(
        [
            (-0.78, low + 0.04),
            (0.88, BASE + 0.1),
            (0.85, BASE + 0.28),
            (0.3, low + 0.3),
            (-0.1, low + shaft),
            (-0.75, low + shaft + 0.05),
        ],
        upper,
    )
    canvas.ellipse(0.66, BASE + 0.19, 0.26, 0.13, shade(upper, 0.85))
    for stripe in range(stripes):
        canvas.line([(-0.3 + 0.16 * stripe, low + 0.06), (-0.14 + 0.16 * stripe, low + 0.28)], 0.06, lace)
    for eyelet in range(3):
        x = 0.28 - eyelet * 0.12
        canvas.line(
            [(x - 0.06, low + 0.3 + eyelet * 0.02), (x + 0.1, low + 0.24 + eyelet * 0.06)], 0.035, lace
        )


def chair(canvas: Canvas, style: Random) -> None:
    """A chair, seen a little from the side."""
    frame, seat = tone(style, WOOD, VIVID), tone(style, VIVID, WOOD)
    high, back, slats, stool = (
        style.uniform(0.4, 0.52),
        style.uniform(0.55, 0.8),
        style.randint(0, 4),
        style.random() < 0.25,
    )
    y = BASE + high
    for x in (-0.42, -0.28, 0.3, 0.46):
        canvas.line([(x, y), (x * 1.1, BASE - 0.1 * (abs(x) > 0.4))], 0.07, shade(frame, 0.85))
    if not stool:
        canvas.line([(-0.36, y), (-0.44, y + back)], 0.075, frame)
        canvas.line([(0.3, y + 0.02), (0.26, y + back)], 0.075, frame)
        canvas.rect(-0.46, y + back - 0.16, 0.28, y + back, frame)
        for slat in range(slats):
            x = -0.3 + 0.5 * (slat + 0.5) / slats
            canvas.line([(x, y), (x - 0.03, y + back)], 0.045, frame)
    canvas.polygon([(-0.5, y - 0.05), (0.56, y - 0.05), (0.42, y + 0.1), (-0.4, y + 0.1)], seat)
    canvas.rect(-0.5, y - 0.1, 0.56, y - 0.04, shade(seat, 0.7))


def lamp(canvas: Canvas, style: Random) -> None:
    """A table lamp, shade lit."""
    shade_colour, foot = tone(style, VIVID, STONE), tone(style, VIVID, WOOD)
    wide, narrow, tall, ball = (
        style.uniform(0.42, 0.6),
        style.uniform(0.15, 0.45),
        style.uniform(0.5, 0.75),
        style.random() < 0.5,
    )
    canvas.ellipse(0, BASE, 0.32, 0.09, shade(foot, 0.8))
    canvas.rect(-0.04, BASE, 0.04, BASE + tall, foot)
    if ball:
        canvas.ellipse(0, BASE + tall * 0.4, 0.2, tall * 0.32, foot)
    y = BASE + tall
    canvas.polygon([(-wide, y), (wide, y), (narrow, y + 0.48), (-narrow, y + 0.48)], shade_colour)
    canvas.ellipse(0, y, wide, 0.07, (0.14, 0.3, 1.0))
    for stripe in range(style.randint(0, 3)):
        canvas.line(
            [
                (-wide * 0.9 + 0.08 * stripe, y + 0.1 + 0.12 * stripe),
                (wide * 0.9 - 0.08 * stripe, y + 0.1 + 0.12 * stripe),
            ],
            0.035,
            shade(shade_colour, 0.7),
        )


def bag(canvas: Canvas, style: Random) -> None:
    """A handbag or satchel with a flap and a buckle."""
    leather, flap = tone(style, VIVID, WOOD), tone(style, VIVID, WOOD)
    half, tall, strap, taper = (
        style.uniform(0.5, 0.7),
        style.uniform(0.55, 0.8),
        style.uniform(0.25, 0.55),
        style.uniform(0.75, 1.0),
    )
    top, deep = BASE + tall, style.uniform(0.2, 0.5)
    canvas.line(arc(0, top - 0.05, half * 0.6, strap, 0, 180), 0.07, shade(leather, 0.7))
    canvas.polygon([(-half, BASE), (half, BASE), (half * taper, top), (-half * taper, top)], leather)
    canvas.polygon(
        [(-half * taper, top), (half * taper, top), (half * 0.8, top - deep), (-half * 0.8, top - deep)], flap
    )
    canvas.rect(-0.08, top - deep - 0.06, 0.08, top - deep + 0.08, (0.13, 0.7, 0.9))
    canvas.line([(-half * 0.95, BASE + 0.06), (half * 0.95, BASE + 0.06)], 0.025, shade(leather, 0.7))


def box(canvas: Canvas, style: Random) -> None:
    """A printed carton seen from a corner."""
    paper, ink, band = tone(style, VIVID, STONE), tone(style, VIVID), tone(style, VIVID)
    wide, tall, depth, motif = (
        style.uniform(0.35, 0.6),
        style.uniform(0.6, 1.05),
        style.uniform(0.16, 0.34),
        style.randrange(3),
    )
    top = BASE + tall
    canvas.rect(-wide, BASE, wide - depth, top, paper)
    canvas.polygon(
        [(wide - depth, BASE), (wide + depth, BASE + 0.16), (wide + depth, top + 0.16), (wide - depth, top)],
        shade(paper, 0.72),
    )
    canvas.polygon(
        [(-wide, top), (wide - depth, top), (wide + depth, top + 0.16), (depth - wide + 0.1, top + 0.16)],
        shade(paper, 1.15),
    )
    canvas.rect(-wide, top - 0.26, wide - depth, top - 0.1, band)
    x, y = -depth / 2, BASE + tall * 0.36
    if motif == 0:
        canvas.ellipse(x, y, 0.22, 0.22, ink)
    elif motif == 1:
        canvas.polygon([(x - 0.24, y - 0.18), (x + 0.24, y - 0.18), (x, y + 0.24)], ink)
    else:
        for row in range(3):
            canvas.rect(x - 0.24, y - 0.2 + row * 0.15, x + 0.24, y - 0.11 + row * 0.15, ink)


def _pattern(canvas: Canvas, half: float, low: float, top: float, ink: Colour, kind: int) -> None:
    """Bands, stripes, dots or a flower."""
    tall = top - low
    if kind == 0:
        for part in (0.15, 0.55):
            canvas.rect(-half, low + tall * part, half, low + tall * (part + 0.22), ink)
    elif kind == 1:
        for stripe in range(4):
            x = half * (-0.75 + 0.5 * stripe)
            canvas.rect(x - half * 0.09, low, x + half * 0.09, top, ink)
    elif kind == 2:
        for number in range(8):
            x, y = half * (-0.7 + 0.46 * (number % 4)), low + tall * (0.28 if number < 4 else 0.74)
            canvas.ellipse(x + (0.05 if number > 3 else 0), y, 0.065, 0.065, ink)
    else:
        for petal in range(5):
            canvas.ellipse(*arc(0, low + tall / 2, 0.13, 0.13, 72 * petal, 0)[0], 0.1, 0.08, ink)
        canvas.ellipse(0, low + tall / 2, 0.07, 0.07, (0.14, 0.7, 0.95))
