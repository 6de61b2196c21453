"""Pictures by name: a shape before its backdrop."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from cairnhub.pipelines.samples.shapes import backdrops, built, living, nature, vehicles, wares
from cairnhub.pipelines.samples.shapes.canvas import Canvas


@dataclass(frozen=True)
class Scene:
    """How to draw one category.

    Attributes:
        shape: draws the object from the class's generator.
        backdrop: draws what lies behind from the image's generator.
        two_sided: photographs may show it from either side.
        crowded: passers-by and bushes may stand before it.
    """

    shape: Callable[[Canvas, Random], None]
    backdrop: Callable[[Canvas], None]
    two_sided: bool = False
    crowded: bool = True


SCENES: dict[str, Scene] = {
    "bridge": Scene(built.bridge, backdrops.park),
    "castle": Scene(built.castle, backdrops.park),
    "church": Scene(built.church, backdrops.street),
    "lighthouse": Scene(built.lighthouse, backdrops.wilderness),
    "mosque": Scene(built.mosque, backdrops.street),
    "museum": Scene(built.museum, backdrops.street),
    "pagoda": Scene(built.pagoda, backdrops.park),
    "shrine": Scene(built.shrine, backdrops.park),
    "stadium": Scene(built.stadium, backdrops.street),
    "theatre": Scene(built.theatre, backdrops.street),
    "windmill": Scene(built.windmill, backdrops.park),
    "island": Scene(nature.island, backdrops.wilderness, crowded=False),
    "lake": Scene(nature.lake, backdrops.wilderness, crowded=False),
    "mountain": Scene(nature.mountain, backdrops.wilderness),
    "volcano": Scene(nature.volcano, backdrops.wilderness),
    "waterfall": Scene(nature.waterfall, backdrops.wilderness),
    "beetle": Scene(living.beetle, backdrops.undergrowth, two_sided=True, crowded=False),
    "butterfly": Scene(living.butterfly, backdrops.undergrowth, two_sided=True, crowded=False),
    "cat": Scene(living.cat, backdrops.undergrowth, two_sided=True, crowded=False),
    "conifer": Scene(living.conifer, backdrops.undergrowth, two_sided=True, crowded=False),
    "daisy": Scene(living.daisy, backdrops.undergrowth, two_sided=True, crowded=False),
    "dog": Scene(living.dog, backdrops.undergrowth, two_sided=True, crowded=False),
    "dragonfly": Scene(living.dragonfly, backdrops.undergrowth, two_sided=True, crowded=False),
    "duck": Scene(living.duck, backdrops.undergrowth, two_sided=True, crowded=False),
    "heron": Scene(living.heron, backdrops.undergrowth, two_sided=True, crowded=False),
    "mushroom": Scene(living.mushroom, backdrops.undergrowth, two_sided=True, crowded=False),
    "oak": Scene(living.oak, backdrops.undergrowth, two_sided=True, crowded=False),
    "owl": Scene(living.owl, backdrops.undergrowth, two_sided=True, crowded=False),
    "squirrel": Scene(living.squirrel, backdrops.undergrowth, two_sided=True, crowded=False),
    "turtle": Scene(living.turtle, backdrops.undergrowth, two_sided=True, crowded=False),
    "bicycle": Scene(vehicles.bicycle, backdrops.street, two_sided=True),
    "bus": Scene(vehicles.bus, backdrops.street, two_sided=True),
    "car": Scene(vehicles.car, backdrops.street, two_sided=True),
    "lorry": Scene(vehicles.lorry, backdrops.street, two_sided=True),
    "motorcycle": Scene(vehicles.motorcycle, backdrops.street, two_sided=True),
    "van": Scene(vehicles.van, backdrops.street, two_sided=True),
    "bag": Scene(wares.bag, backdrops.room, two_sided=True, crowded=False),
    "bottle": Scene(wares.bottle, backdrops.room, two_sided=True, crowded=False),
    "bowl": Scene(wares.bowl, backdrops.room, two_sided=True, crowded=False),
    "box": Scene(wares.box, backdrops.room, two_sided=True, crowded=False),
    "chair": Scene(wares.chair, backdrops.room, two_sided=True, crowded=False),
    "jug": Scene(wares.jug, backdrops.room, two_sided=True, crowded=False),
    "lamp": Scene(wares.lamp, backdrops.room, two_sided=True, crowded=False),
    "mug": Scene(wares.mug, backdrops.room, two_sided=True, crowded=False),
    "plate": Scene(wares.plate, backdrops.room, two_sided=True, crowded=False),
    "shoe": Scene(wares.shoe, backdrops.room, two_sided=True, crowded=False),
    "teapot": Scene(wares.teapot, backdrops.room, two_sided=True, crowded=False),
}


def draw(scene: str, subject: str, photograph: str) -> bytes:
    """Draw one photograph of one subject.

    Args:
        scene: a name in `SCENES`.
        subject: what is shown; equal subjects have equal proportions and colours.
        photograph: which picture of it; decides viewpoint, light and backdrop.

    Returns:
        JPEG bytes, `canvas.IMAGE_SIDE_PX` square; the same bytes for the same arguments.
    """
    drawn = SCENES[scene]
    canvas = Canvas(Random(f"photograph/{scene}/{subject}/{photograph}"), mirrored=drawn.two_sided)
    drawn.backdrop(canvas)
    canvas.choose_viewpoint()
    drawn.shape(canvas, Random(f"subject/{scene}/{subject}"))
    if drawn.crowded:
        backdrops.passers_by(canvas)
    return canvas.jpeg()
