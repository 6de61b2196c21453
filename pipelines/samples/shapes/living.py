"""Shapes of living things: one function per family or order; coat and pattern come from each species."""

from random import Random

from cairnhub.pipelines.samples.shapes.canvas import Canvas, Colour, arc, shade, tone

FUR: tuple[Colour, ...] = (
    (0.06, 0.75, 0.75),
    (0.08, 0.35, 0.6),
    (0.1, 0.08, 0.88),
    (0.62, 0.08, 0.5),
    (0.07, 0.55, 0.4),
)
FEATHER: tuple[Colour, ...] = (
    (0.09, 0.4, 0.55),
    (0.08, 0.3, 0.75),
    (0.62, 0.12, 0.6),
    (0.6, 0.3, 0.3),
    (0.38, 0.6, 0.45),
    (0.1, 0.06, 0.92),
    (0.04, 0.6, 0.5),
)
PETAL: tuple[Colour, ...] = (
    (0.14, 0.85, 0.95),
    (0.0, 0.0, 0.98),
    (0.85, 0.4, 0.9),
    (0.75, 0.5, 0.8),
    (0.03, 0.75, 0.9),
)
WING: tuple[Colour, ...] = (
    (0.07, 0.85, 0.92),
    (0.14, 0.7, 0.95),
    (0.0, 0.75, 0.7),
    (0.6, 0.6, 0.75),
    (0.1, 0.25, 0.9),
    (0.05, 0.5, 0.4),
)
LEAF: tuple[Colour, ...] = ((0.28, 0.6, 0.55), (0.23, 0.6, 0.65), (0.35, 0.5, 0.45), (0.09, 0.7, 0.65))
BLACK: Colour = (0.62, 0.2, 0.14)
WHITE: Colour = (0.1, 0.03, 0.97)


def duck(canvas: Canvas, style: Random) -> None:
    """A duck afloat."""
    body, head, wing = tone(style, FEATHER), tone(style, FEATHER), tone(style, FEATHER)
    bill, ring, long = tone(style, PETAL[:1], FUR[2:4]), style.random() < 0.5, style.uniform(0.5, 0.66)
    canvas.polygon([(-1.4, -0.35), (1.4, -0.35), (1.4, -1.2), (-1.4, -1.2)], (0.55, 0.35, 0.62))
    canvas.polygon([(-long, -0.2), (-long - 0.22, 0.12), (-long + 0.3, 0.02)], shade(body, 0.7))
    canvas.sector(0, -0.1, long, 0.4, 170, 370, body)
    canvas.ellipse(0, -0.12, long, 0.22, body)
    canvas.ellipse(-0.12, -0.12, long * 0.6, 0.16, wing, 6)
    for stripe in range(style.randint(0, 3)):
        canvas.line([(-0.35 + stripe * 0.14, -0.18), (-0.2 + stripe * 0.14, -0.06)], 0.045, WHITE)
    canvas.polygon([(0.25, -0.05), (0.58, -0.05), (0.52, 0.35), (0.3, 0.35)], head)
    canvas.ellipse(0.44, 0.36, 0.21, 0.19, head)
    if ring:
        canvas.line([(0.28, 0.1), (0.56, 0.1)], 0.06, WHITE)
    canvas.polygon([(0.6, 0.42), (0.92, 0.3), (0.9, 0.24), (0.6, 0.26)], bill)
    canvas.ellipse(0.5, 0.42, 0.035, 0.04, BLACK)
    for y in (-0.55, -0.75):
        canvas.line([(-0.7, y), (0.6, y + 0.02)], 0.03, (0.55, 0.2, 0.8))


def owl(canvas: Canvas, style: Random) -> None:
    """An owl upright on a branch."""
    body, disc, eye = (
        tone(style, FEATHER[:3], FUR),
        tone(style, FUR[1:4]),
        style.choice((WING[0], WING[1], BLACK)),
    )
    ears, bars, stout = (
        style.random() < 0.5,
        style.choice(("bars", "streaks", "plain")),
        style.uniform(0.4, 0.52),
    )
    canvas.line([(-1.2, -0.66), (1.2, -0.58)], 0.12, (0.07, 0.5, 0.32))
    canvas.ellipse(0, -0.15, stout, 0.56, body)
    canvas.ellipse(0, 0.38, stout * 0.92, 0.34, body)
    if ears:
        for side in (-1, 1):
            canvas.polygon([(side * 0.36, 0.5), (side * 0.14, 0.64), (side * 0.4, 0.92)], shade(body, 0.7))
    canvas.ellipse(0, -0.22, stout * 0.65, 0.42, shade(disc, 1.1))
    for row in range(5 if bars != "plain" else 0):
        y = 0.04 - row * 0.13
        if bars == "bars":
            canvas.line([(-0.24, y), (0, y - 0.05), (0.24, y)], 0.04, shade(body, 0.55))
        else:
            for x in (-0.18, 0.0, 0.18):
                canvas.line([(x, y), (x, y - 0.08)], 0.04, shade(body, 0.5))
    for side in (-1, 1):
        canvas.ellipse(side * stout * 0.9, -0.18, 0.13, 0.42, shade(body, 0.72), side * 10)
        canvas.ellipse(side * 0.18, 0.4, 0.2, 0.22, disc)
        canvas.ellipse(side * 0.17, 0.41, 0.11, 0.12, eye)
        canvas.ellipse(side * 0.17, 0.41, 0.055, 0.065, BLACK)
        canvas.line([(side * 0.14, -0.6), (side * 0.14, -0.7)], 0.1, WING[0])
    canvas.polygon([(-0.05, 0.36), (0.05, 0.36), (0, 0.22)], (0.12, 0.6, 0.5))


def heron(canvas: Canvas, style: Random) -> None:
    """A wader on long legs."""
    body, bill, plume = (
        tone(style, FEATHER[1:3], FEATHER[5:]),
        tone(style, WING[:2], FUR[3:4]),
        style.random() < 0.5,
    )
    legs, neck = tone(style, WING[:2], ((0.6, 0.3, 0.2),)), style.uniform(0.5, 0.72)
    for x in (-0.1, 0.08):
        canvas.line([(x, -0.1), (x + 0.04, -0.5), (x, -0.92)], 0.04, legs)
    canvas.ellipse(-0.12, 0.0, 0.45, 0.24, body, 22)
    canvas.polygon([(-0.35, 0.0), (-0.78, -0.3), (-0.2, -0.16)], shade(body, 0.6))
    canvas.ellipse(-0.18, 0.0, 0.33, 0.15, shade(body, 0.8), 24)
    top = 0.1 + neck
    canvas.line([(0.15, 0.1), (0.38, 0.28), (0.2, 0.2 + neck * 0.55), (0.3, top)], 0.11, body)
    canvas.ellipse(0.34, top + 0.02, 0.14, 0.1, body)
    canvas.polygon([(0.44, top + 0.07), (0.92, top - 0.03), (0.44, top - 0.03)], bill)
    if plume:
        canvas.line([(0.36, top + 0.08), (0.0, top - 0.02)], 0.05, BLACK)
    canvas.ellipse(0.38, top + 0.04, 0.028, 0.028, BLACK)


def dog(canvas: Canvas, style: Random) -> None:
    """Foxes and wolves: pointed ears, a muzzle, a brush."""
    coat, tip = tone(style, FUR), style.choice((WHITE, BLACK))
    legs, brush, leg = (
        style.choice((coat, BLACK, shade(coat, 0.7))),
        style.uniform(0.1, 0.2),
        style.uniform(0.3, 0.45),
    )
    for x in (-0.42, -0.26, 0.2, 0.36):
        canvas.rect(x - 0.06, -0.2 - leg, x + 0.06, -0.05, shade(legs, 0.9))
    canvas.ellipse(-0.78, -0.08, 0.36, brush, coat, -24)
    canvas.ellipse(-1.0, 0.02, 0.14, brush * 0.8, tip, -24)
    canvas.ellipse(-0.02, 0.02, 0.54, 0.24, coat, 4)
    canvas.ellipse(0.1, -0.1, 0.36, 0.12, shade(coat, 1.3))
    canvas.polygon([(0.25, 0.05), (0.5, -0.08), (0.72, 0.3), (0.45, 0.45)], coat)
    canvas.ellipse(0.56, 0.36, 0.23, 0.2, coat)
    canvas.polygon([(0.66, 0.46), (1.0, 0.27), (0.96, 0.2), (0.58, 0.2)], shade(coat, 1.25))
    canvas.ellipse(0.97, 0.26, 0.045, 0.045, BLACK)
    for x in (0.42, 0.6):
        canvas.polygon([(x - 0.09, 0.48), (x + 0.1, 0.5), (x + 0.01, 0.8)], shade(coat, 0.7))
    canvas.ellipse(0.66, 0.4, 0.032, 0.036, BLACK)


def cat(canvas: Canvas, style: Random) -> None:
    """Wild cats, sitting: tufted ears, spots or stripes."""
    coat, marks = tone(style, FUR[:4]), style.choice(("spots", "stripes", "plain"))
    tuft, tail, iris = style.random() < 0.5, style.uniform(0.2, 0.6), style.choice((WING[1], LEAF[1]))
    canvas.line([(0.3, -0.6), (0.72, -0.55), (0.82, -0.55 + tail)], 0.12, shade(coat, 0.85))
    canvas.ellipse(0, -0.28, 0.42, 0.46, coat)
    canvas.ellipse(0, -0.3, 0.22, 0.34, shade(coat, 1.25))
    for x in (-0.17, 0.17):
        canvas.rect(x - 0.08, -0.74, x + 0.08, -0.2, shade(coat, 0.93))
    for side in (-1, 1):
        canvas.polygon([(side * 0.36, 0.42), (side * 0.1, 0.6), (side * 0.35, 0.86)], shade(coat, 0.8))
        if tuft:
            canvas.line([(side * 0.34, 0.8), (side * 0.38, 1.0)], 0.04, BLACK)
    canvas.ellipse(0, 0.35, 0.4, 0.34, coat)
    canvas.ellipse(0, 0.22, 0.22, 0.15, WHITE)
    for side in (-1, 1):
        canvas.ellipse(side * 0.17, 0.4, 0.08, 0.07, iris)
        canvas.ellipse(side * 0.17, 0.4, 0.03, 0.065, BLACK)
        for y in (0.2, 0.26):
            canvas.line([(side * 0.12, y), (side * 0.5, y + 0.03)], 0.015, WHITE)
        for row in range(4 if marks != "plain" else 0):
            y = -0.05 - row * 0.14
            if marks == "spots":
                canvas.ellipse(side * 0.3, y, 0.05, 0.045, shade(coat, 0.45))
            else:
                canvas.line([(side * 0.18, y), (side * 0.4, y + 0.04)], 0.045, shade(coat, 0.45))
    canvas.polygon([(-0.05, 0.29), (0.05, 0.29), (0, 0.22)], (0.98, 0.45, 0.6))


def squirrel(canvas: Canvas, style: Random) -> None:
    """A squirrel with its tail over its back and a nut in its paws."""
    coat, belly = tone(style, FUR), style.choice((WHITE, FUR[1], FUR[2]))
    bushy, tufts, stripes = style.uniform(0.22, 0.34), style.random() < 0.5, style.random() < 0.35
    canvas.ellipse(-0.5, -0.2, bushy, 0.46, shade(coat, 0.82), 12)
    canvas.ellipse(-0.62, 0.3, bushy * 1.1, 0.34, shade(coat, 0.9), -24)
    canvas.ellipse(-0.02, -0.3, 0.36, 0.42, coat, -12)
    canvas.ellipse(0.14, -0.3, 0.17, 0.32, belly, -10)
    for row in range(3 if stripes else 0):
        canvas.line([(-0.3 + row * 0.1, 0.0), (-0.34 + row * 0.1, -0.5)], 0.04, shade(coat, 0.5))
    canvas.ellipse(0.22, 0.26, 0.26, 0.22, coat)
    canvas.ellipse(0.4, 0.18, 0.12, 0.1, shade(coat, 1.2))
    for x in (0.05, 0.24):
        canvas.polygon([(x - 0.08, 0.4), (x + 0.08, 0.42), (x - 0.02, 0.66 if tufts else 0.56)], coat)
    canvas.ellipse(0.3, 0.3, 0.045, 0.05, BLACK)
    canvas.line([(0.1, -0.1), (0.38, -0.12)], 0.09, shade(coat, 0.8))
    canvas.ellipse(0.46, -0.08, 0.1, 0.12, (0.07, 0.7, 0.5))
    canvas.ellipse(0.12, -0.7, 0.3, 0.09, shade(coat, 0.75))


def butterfly(canvas: Canvas, style: Random) -> None:
    """Wings spread: fore and hind, margins, spots."""
    fore, hind, edge = tone(style, WING), tone(style, WING), style.choice((BLACK, shade(WING[5], 0.6)))
    spots, tails, wide = style.randint(0, 4), style.random() < 0.35, style.uniform(0.6, 0.78)
    veins, band = style.random() < 0.5, style.random() < 0.5
    for side in (-1, 1):
        if tails:
            canvas.line([(side * 0.35, -0.5), (side * 0.46, -0.9)], 0.09, edge)
        canvas.ellipse(side * 0.36, -0.28, 0.36, 0.4, edge, side * 20)
        canvas.ellipse(side * 0.34, -0.25, 0.28, 0.31, hind, side * 20)
        wing = [
            (0.0, 0.1),
            (side * wide, 0.78),
            (side * (wide + 0.22), 0.6),
            (side * (wide + 0.1), 0.1),
            (side * 0.3, -0.12),
        ]
        canvas.polygon(wing, edge)
        inner = [(x * 0.86 + side * 0.03, y * 0.86 + 0.04) for x, y in wing]
        canvas.polygon(inner, fore)
        if band:
            canvas.line([(side * wide * 0.55, 0.55), (side * wide * 0.75, 0.05)], 0.09, shade(hind, 1.1))
        for vein in range(3 if veins else 0):
            canvas.line([(0, 0.1), (side * wide, 0.62 - 0.24 * vein)], 0.022, edge)
        for spot in range(spots):
            canvas.ellipse(side * (wide - 0.02 + 0.05 * (spot % 2)), 0.55 - 0.13 * spot, 0.05, 0.05, WHITE)
        canvas.line([(0, 0.28), (side * 0.2, 0.72)], 0.022, BLACK)
    canvas.ellipse(0, 0.0, 0.06, 0.36, BLACK)


def beetle(canvas: Canvas, style: Random) -> None:
    """Ladybirds: a dome with spots."""
    shell, dots = tone(style, WING[:4], ((0.1, 0.1, 0.2),)), style.choice((2, 5, 7, 10, 14))
    mark = BLACK if shell[2] > 0.4 else WING[0]
    places = [(style.uniform(0.1, 0.42), style.uniform(-0.45, 0.2)) for _ in range(dots // 2)]
    radius = 0.16 - 0.007 * dots
    for side in (-1, 1):
        for y in (-0.4, -0.1, 0.15):
            canvas.line([(side * 0.4, y), (side * 0.72, y + 0.12), (side * 0.8, y - 0.02)], 0.045, BLACK)
        canvas.line([(side * 0.1, 0.5), (side * 0.28, 0.78)], 0.03, BLACK)
    canvas.ellipse(0, 0.4, 0.3, 0.22, BLACK)
    for side in (-1, 1):
        canvas.ellipse(side * 0.19, 0.46, 0.07, 0.06, WHITE)
    canvas.ellipse(0, -0.12, 0.56, 0.56, shell)
    canvas.ellipse(-0.2, 0.1, 0.14, 0.08, shade(shell, 1.25), 30)
    canvas.line([(0, 0.42), (0, -0.66)], 0.03, BLACK)
    for x, y in places:
        for side in (-1, 1):
            canvas.ellipse(side * x, y, radius, radius, mark)
    if dots % 2:
        canvas.ellipse(0, 0.3, radius, radius * 0.9, mark)


def dragonfly(canvas: Canvas, style: Random) -> None:
    """Four clear wings on a long body."""
    body, patch = tone(style, WING, LEAF), tone(style, WING[4:], FUR)
    rings, slim, patched = style.randint(3, 7), style.uniform(0.05, 0.1), style.random() < 0.5
    for side in (-1, 1):
        for y, turn in ((0.3, 14), (0.08, -12)):
            canvas.ellipse(side * 0.48, y + turn * 0.006, 0.46, 0.11, (0.53, 0.1, 0.93), side * turn)
            canvas.line([(0, y), (side * 0.86, y + turn * 0.012)], 0.018, BLACK)
            if patched:
                canvas.ellipse(side * 0.16, y + turn * 0.002, 0.14, 0.08, patch, side * turn)
            canvas.ellipse(side * 0.8, y + turn * 0.012, 0.06, 0.03, BLACK)
    for ring in range(rings):
        y = 0.05 - ring * 0.9 / rings
        canvas.ellipse(0, y - 0.4 / rings, slim, 0.5 / rings, body if ring % 2 == 0 else shade(body, 0.6))
    canvas.ellipse(0, 0.2, 0.13, 0.22, shade(body, 0.8))
    for side in (-1, 1):
        canvas.ellipse(side * 0.09, 0.47, 0.1, 0.1, shade(body, 0.55))


def turtle(canvas: Canvas, style: Random) -> None:
    """A turtle in profile: domed shell with scutes."""
    shell, skin = tone(style, LEAF, FUR[4:]), tone(style, LEAF, FUR[1:2])
    dome, stripe, scutes = style.uniform(0.42, 0.68), tone(style, WING), style.randint(3, 5)
    canvas.polygon([(0.5, -0.3), (0.86, 0.0), (0.98, -0.06), (0.66, -0.44)], skin)
    canvas.ellipse(0.88, 0.0, 0.17, 0.13, skin)
    canvas.line([(0.72, -0.04), (0.98, 0.02)], 0.05, stripe)
    canvas.ellipse(0.94, 0.04, 0.03, 0.03, BLACK)
    for x in (-0.45, 0.4):
        canvas.ellipse(x, -0.52, 0.15, 0.2, skin, 20)
    canvas.polygon([(-0.6, -0.36), (-0.9, -0.48), (-0.55, -0.48)], skin)
    canvas.sector(0, -0.4, 0.72, dome + 0.1, 0, 180, shell)
    for scute in range(scutes):
        x = -0.5 + scute / (scutes - 1)
        canvas.ellipse(x * 0.85, -0.22 + (0.25 - x * x) * dome, 0.4 / scutes, 0.15, shade(shell, 0.65))
        canvas.ellipse(x * 0.85, -0.22 + (0.25 - x * x) * dome, 0.2 / scutes, 0.08, stripe)
    canvas.rect(-0.72, -0.46, 0.72, -0.36, shade(shell, 1.25))


def daisy(canvas: Canvas, style: Random) -> None:
    """Composite flowers: rays around a disc on a stem."""
    petal, disc, stem = tone(style, PETAL), style.choice((WING[1], FUR[4], WING[0])), tone(style, LEAF[:3])
    rays, core, reach, round_ray = (
        style.randint(8, 22),
        style.uniform(0.14, 0.3),
        style.uniform(0.5, 0.64),
        style.random() < 0.5,
    )
    canvas.line([(0, 0.1), (0.06, -0.4), (0, -1.1)], 0.08, stem)
    for side in (-1, 1):
        canvas.ellipse(side * 0.26, -0.72, 0.27, 0.1, stem, side * 30)
    for ray in range(rays):
        angle = 360 * ray / rays
        tip = arc(0, 0.22, reach * 0.62, reach * 0.62, angle, angle)[0]
        wide = min(0.14, 1.5 / rays) * (1.1 if round_ray else 0.75)
        canvas.ellipse(*tip, reach * 0.42, wide, shade(petal, 1.0 - 0.12 * (ray % 2)), angle)
    canvas.ellipse(0, 0.22, core, core, disc)
    canvas.ellipse(-0.03, 0.25, core * 0.6, core * 0.6, shade(disc, 0.8))


def oak(canvas: Canvas, style: Random) -> None:
    """Oaks and beeches: one leaf, lobed or plain, with its veins and an acorn."""
    leaf, lobes, wide = tone(style, LEAF), style.choice((0, 3, 4, 5)), style.uniform(0.22, 0.34)
    pointed, nut = style.random() < 0.4, style.random() < 0.7
    canvas.line([(0, -0.5), (0.05, -1.0)], 0.06, shade(leaf, 0.6))
    canvas.ellipse(0, 0.12, wide * (1.0 if lobes else 1.5), 0.66, leaf)
    for lobe in range(lobes):
        y = -0.35 + 0.95 * lobe / max(1, lobes - 1)
        for side in (-1, 1):
            if pointed:
                canvas.polygon([(0, y - 0.12), (side * wide * 2.1, y + 0.2), (0, y + 0.16)], leaf)
            else:
                canvas.ellipse(side * wide, y + 0.06, wide * 0.8, 0.4 / lobes, leaf, side * 25)
    canvas.line([(0, -0.55), (0, 0.7)], 0.035, shade(leaf, 1.3))
    for vein in range(max(4, lobes)):
        y = -0.4 + 0.9 * vein / max(4, lobes)
        for side in (-1, 1):
            canvas.line([(0, y), (side * wide * 1.1, y + 0.2)], 0.022, shade(leaf, 1.3))
    if nut:
        canvas.ellipse(0.45, -0.62, 0.11, 0.16, (0.1, 0.6, 0.6))
        canvas.sector(0.45, -0.58, 0.14, 0.13, 0, 180, (0.07, 0.5, 0.35))


def conifer(canvas: Canvas, style: Random) -> None:
    """Pines and spruces: tiers of needles, cones."""
    needles, bark = (
        tone(style, ((0.36, 0.5, 0.4), (0.3, 0.55, 0.45), (0.45, 0.35, 0.5))),
        tone(style, FUR[:1], FUR[4:]),
    )
    tiers, half, tall, bare = (
        style.randint(3, 6),
        style.uniform(0.36, 0.62),
        style.uniform(1.3, 1.6),
        style.uniform(0.15, 0.5),
    )
    canvas.rect(-0.07, -0.8, 0.07, -0.4 + bare, bark)
    low, step = -0.8 + bare, (tall - bare) / (tiers + 0.5)
    for tier in range(tiers):
        width, y = half * (1 - 0.75 * tier / tiers), low + step * tier
        canvas.polygon(
            [(-width, y), (0, y + 0.06), (width, y), (0, y + step * 1.6)], shade(needles, 0.85 + 0.07 * tier)
        )
    for _ in range(style.randint(0, 6)):
        canvas.ellipse(style.uniform(-half, half) * 0.6, low + style.uniform(0.05, 0.5), 0.05, 0.08, bark)


def mushroom(canvas: Canvas, style: Random) -> None:
    """Cap on a stem, with or without ring, scales and volva."""
    cap, stem = tone(style, WING[:3], FUR, LEAF[1:2]), style.choice((WHITE, FUR[1], WING[4]))
    wide, high, thick = style.uniform(0.5, 0.75), style.uniform(0.26, 0.5), style.uniform(0.1, 0.24)
    ring, flecks, bulb = style.random() < 0.5, style.choice((0, 0, 9)), style.random() < 0.5
    canvas.polygon([(-thick, -0.75), (thick, -0.75), (thick * 0.75, 0.1), (-thick * 0.75, 0.1)], stem)
    if bulb:
        canvas.ellipse(0, -0.72, thick * 1.6, 0.14, shade(stem, 0.9))
    if ring:
        canvas.polygon(
            [(-thick, -0.1), (thick, -0.1), (thick * 1.7, -0.24), (-thick * 1.7, -0.24)], shade(stem, 0.85)
        )
    canvas.ellipse(0, 0.1, wide, 0.1, shade(stem, 0.75))
    canvas.sector(0, 0.1, wide, high + 0.15, 0, 180, cap)
    canvas.ellipse(-wide * 0.35, 0.1 + high * 0.6, wide * 0.25, high * 0.2, shade(cap, 1.2), 25)
    for _ in range(flecks):
        x = style.uniform(-0.75, 0.75) * wide
        canvas.ellipse(x, 0.16 + style.uniform(0, high * (1 - abs(x) / wide)), 0.055, 0.04, WHITE)
