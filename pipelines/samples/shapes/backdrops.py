"""What lies behind and before an object: drawn from the image's generator, it tells nothing of a class."""

from cairnhub.pipelines.samples.shapes.canvas import Canvas, Colour

SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((0.58, 0.55, 0.88), (0.55, 0.15, 0.98)),
    ((0.6, 0.25, 0.75), (0.58, 0.08, 0.9)),
    ((0.62, 0.35, 0.7), (0.07, 0.35, 0.97)),
    ((0.56, 0.35, 0.95), (0.13, 0.12, 1.0)),
)


def street(canvas: Canvas) -> None:
    """Sky, far roofs, paving; for what people built."""
    _sky(canvas)
    view = canvas.view
    horizon = view.uniform(-0.5, -0.36)
    grey: Colour = (view.uniform(0.05, 0.65), view.uniform(0.04, 0.14), view.uniform(0.62, 0.8))
    left = -1.0
    while left < 1:
        width = view.uniform(0.14, 0.4)
        canvas.rect(left, horizon - 0.02, left + width, horizon + view.uniform(0.0, 0.2), grey)
        left += width + view.uniform(0.0, 0.3)
    ground: Colour = (view.uniform(0.05, 0.14), view.uniform(0.06, 0.3), view.uniform(0.55, 0.75))
    canvas.rect(-1.1, -1.1, 1.1, horizon, ground)
    canvas.polygon(
        [(-1.1, -0.78), (1.1, view.uniform(-0.82, -0.7)), (1.1, -1.1), (-1.1, -1.1)], _darker(ground)
    )


def park(canvas: Canvas) -> None:
    """Sky, trees, lawn; for what stands in the green."""
    _sky(canvas)
    view = canvas.view
    horizon = view.uniform(-0.48, -0.32)
    green: Colour = (view.uniform(0.22, 0.36), view.uniform(0.35, 0.6), view.uniform(0.4, 0.6))
    for _ in range(view.randint(3, 8)):
        size = view.uniform(0.08, 0.24)
        canvas.ellipse(view.uniform(-1, 1), horizon + size * 0.4, size, size, green)
    lawn: Colour = (view.uniform(0.2, 0.34), view.uniform(0.35, 0.6), view.uniform(0.55, 0.78))
    canvas.rect(-1.1, -1.1, 1.1, horizon, lawn)
    canvas.polygon([(-1.1, -0.75), (1.1, -0.85), (1.1, -1.1), (-1.1, -1.1)], _darker(lawn))


def wilderness(canvas: Canvas) -> None:
    """Sky and far hills; shapes of nature bring their own ground."""
    _sky(canvas)
    view = canvas.view
    horizon = view.uniform(-0.4, -0.22)
    haze: Colour = (view.uniform(0.45, 0.62), view.uniform(0.15, 0.35), view.uniform(0.6, 0.8))
    for _ in range(3):
        canvas.ellipse(view.uniform(-1, 1), horizon, view.uniform(0.4, 0.9), view.uniform(0.1, 0.28), haze)
    ground: Colour = (view.uniform(0.17, 0.36), view.uniform(0.3, 0.55), view.uniform(0.4, 0.62))
    canvas.rect(-1.1, -1.1, 1.1, horizon, ground)


def undergrowth(canvas: Canvas) -> None:
    """Blurred greens and browns; for living things seen close."""
    view = canvas.view
    hue = view.choice((0.1, 0.2, 0.27, 0.33, 0.42, 0.57))
    ground: Colour = (hue, view.uniform(0.15, 0.45), view.uniform(0.5, 0.88))
    canvas.rect(-1.1, -1.1, 1.1, 1.1, ground)
    for _ in range(view.randint(8, 16)):
        size = view.uniform(0.1, 0.5)
        blob = (hue + view.uniform(-0.06, 0.06), ground[1] + view.uniform(-0.12, 0.1), ground[2])
        canvas.ellipse(
            view.uniform(-1, 1), view.uniform(-1, 1), size, size * view.uniform(0.4, 1), _shaded(canvas, blob)
        )


def room(canvas: Canvas) -> None:
    """A wall and a table top; for things."""
    view = canvas.view
    wall: Colour = (view.random(), view.uniform(0.03, 0.3), view.uniform(0.65, 0.95))
    canvas.rect(-1.1, -1.1, 1.1, 1.1, wall)
    if view.random() < 0.4:
        stripe = _shaded(canvas, wall)
        for x in range(-5, 6):
            canvas.rect(x * 0.24, -1.1, x * 0.24 + 0.1, 1.1, stripe)
    top: Colour = (
        view.choice((0.07, 0.1, 0.6, view.random())),
        view.uniform(0.1, 0.5),
        view.uniform(0.45, 0.85),
    )
    edge = view.uniform(-0.5, -0.3)
    canvas.polygon([(-1.1, edge), (1.1, edge + view.uniform(-0.06, 0.06)), (1.1, -1.1), (-1.1, -1.1)], top)


def passers_by(canvas: Canvas) -> None:
    """A bush, a lamp or a walker in front, now and then: photographs are seldom empty."""
    view = canvas.view
    for _ in range(view.choice((0, 0, 1, 1, 2))):
        x = view.choice((-1, 1)) * view.uniform(0.5, 0.95)
        if view.random() < 0.5:
            green: Colour = (view.uniform(0.22, 0.38), 0.5, view.uniform(0.3, 0.5))
            size = view.uniform(0.1, 0.2)
            canvas.ellipse(x, -0.78, size, size, green)
            canvas.ellipse(x + size * 0.8, -0.82, size * 0.8, size * 0.7, green)
        else:
            coat: Colour = (view.random(), view.uniform(0.3, 0.8), view.uniform(0.3, 0.8))
            canvas.rect(x - 0.03, -0.92, x + 0.03, -0.78, (0.6, 0.3, 0.25))
            canvas.polygon([(x - 0.055, -0.8), (x + 0.055, -0.8), (x + 0.035, -0.6), (x - 0.035, -0.6)], coat)
            canvas.ellipse(x, -0.56, 0.035, 0.04, (0.07, 0.4, 0.85))


def _sky(canvas: Canvas) -> None:
    view = canvas.view
    top, bottom = view.choice(SKIES)
    bands = 14
    for band in range(bands):
        part = band / (bands - 1)
        colour = (
            top[0] if part < 0.5 else bottom[0],
            top[1] + (bottom[1] - top[1]) * part,
            top[2] + (bottom[2] - top[2]) * part,
        )
        canvas.rect(-1.1, 1.1 - 1.6 * (band + 1) / bands, 1.1, 1.1 - 1.6 * band / bands, colour)
    for _ in range(view.choice((0, 1, 2, 3))):
        x, y, size = view.uniform(-1, 1), view.uniform(0.3, 0.9), view.uniform(0.08, 0.2)
        for puff in (-1.0, 0.0, 1.0):
            canvas.ellipse(
                x + puff * size, y + (0 if puff else size * 0.3), size, size * 0.55, (0.6, 0.03, 0.97)
            )


def _shaded(canvas: Canvas, colour: Colour) -> Colour:
    return (
        colour[0] % 1,
        min(1.0, max(0.0, colour[1])),
        min(1.0, colour[2] * canvas.view.uniform(0.82, 1.1)),
    )


def _darker(colour: Colour) -> Colour:
    return colour[0], colour[1], colour[2] * 0.88
