"""The image processor of a network: how its pictures are cut and how bytes become numbers, as `transformers` keeps it.

What is read is a file of plain numbers, what is written opens with `AutoImageProcessor`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cairnhub.core.errors import BrokenData
from cairnhub.core.files import write_text_atomic
from cairnhub.core.parse import read_json

PROCESSOR = "preprocessor_config.json"
PIL_FILTERS = {"bilinear": 2, "bicubic": 3}
MIN_SIDE_PX, MAX_SIDE_PX = 16, 4096
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Colours:
    """What is taken off each channel of an image 0..1, and what the rest is divided by."""

    mean: Triple
    deviation: Triple


UNIT = Colours((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""0..1 becomes -1..1."""
IMAGENET = Colours((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
COLOURS = {"unit": UNIT, "imagenet": IMAGENET}


def read_colours(folder: Path) -> Colours | None:
    """What the image processor of a model folder does to bytes; None where the folder has none.

    Raises:
        CairnError: the file is broken, or its numbers are none that images can be normalised by.
    """
    path = folder / PROCESSOR
    if not path.is_file():
        return None
    said = read_json(path, dict[str, object])
    normalises = bool(said.get("do_normalize", True))
    mean = triple(path, said, "image_mean", IMAGENET.mean) if normalises else (0.0, 0.0, 0.0)
    deviation = triple(path, said, "image_std", IMAGENET.deviation) if normalises else (1.0, 1.0, 1.0)
    scale = said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 1.0
    if not isinstance(scale, int | float) or not 0 < scale <= 1 or min(deviation) <= 0:
        raise BrokenData(
            f"{path}: rescale_factor must be in 0..1 and image_std positive; get the folder again"
        )
    # In units of 0..1: an EfficientNet may take 1 off after scaling, and divide by the deviation once more.
    unit, offset = 255.0 * scale, float(bool(said.get("rescale_offset", False)))
    is_twice = said.get("include_top", False) and normalises
    means = [(value + offset) / unit for value in mean]
    deviations = [(value * value if is_twice else value) / unit for value in deviation]
    return Colours((means[0], means[1], means[2]), (deviations[0], deviations[1], deviations[2]))


@dataclass(frozen=True)
class Sight:
    """What an image processor does before colours.

    Attributes:
        side_px: of the square that the network sees.
        resized_px: of the shorter side before the middle is cut.
        fit: `crop`, or `stretch`: both sides are resized, out of proportion.
        interpolation: `bilinear` or `bicubic`.
    """

    side_px: int = 224
    resized_px: int = 224
    fit: str = "crop"
    interpolation: str = "bilinear"


def read_sight(folder: Path) -> Sight:
    """How the image processor of a model folder cuts pictures; 224 pixels where nothing says.

    Raises:
        BrokenData: the file is broken, or its sizes are none.
    """
    path = folder / PROCESSOR
    said = read_json(path, dict[str, object]) if path.is_file() else {}
    sizes, cuts = _sides(said.get("size")), _sides(said.get("crop_size"))
    resized = sizes.get("shortest_edge") or sizes.get("height") or Sight.side_px
    is_cut = bool(said.get("do_center_crop")) and "height" in cuts
    side = cuts["height"] if is_cut else resized
    share = said.get("crop_pct")
    if not is_cut and isinstance(share, float) and 0 < share <= 1:  # such as ConvNeXt's
        resized = round(side / share)
    if not MIN_SIDE_PX <= side <= resized <= MAX_SIDE_PX:
        raise BrokenData(f"{path}: size and crop_size: no sizes of images; get the folder again")
    is_stretched = "height" in sizes and not is_cut
    known = {number: name for name, number in PIL_FILTERS.items()}
    resample = said.get("resample")
    interpolation = known.get(resample if isinstance(resample, int) else -1, "bilinear")
    return Sight(side, resized, "stretch" if is_stretched else "crop", interpolation)


def _sides(said: object) -> dict[str, int]:
    """Sizes by name; a number alone is the shorter side, and that of a square."""
    if isinstance(said, int):
        return {"shortest_edge": said, "height": said}
    return (
        {key: value for key, value in said.items() if isinstance(value, int)}
        if isinstance(said, dict)
        else {}
    )


def write_processor(
    folder: Path,
    colours: Colours,
    image_side_px: int,
    resized_side_px: int,
    *,
    stretched: bool = False,
    interpolation: str = "bilinear",
) -> None:
    """Write what Cairn does with a picture: resized, the middle kept, the bytes normalised.

    Args:
        folder: of the model.
        colours: of the normalisation.
        image_side_px: of the square that the network sees.
        resized_side_px: the shorter side before the middle is cut.
        stretched: both sides become `resized_side_px`, out of proportion.
        interpolation: a key of `PIL_FILTERS`.
    """
    square = {"height": resized_side_px, "width": resized_side_px}
    processor = {
        "image_processor_type": "BitImageProcessor",  # of all families, the one that does these steps in this order
        "do_convert_rgb": True,
        "do_resize": True,
        "size": square if stretched else {"shortest_edge": resized_side_px},
        "resample": PIL_FILTERS[interpolation],
        "do_center_crop": True,
        "crop_size": {"height": image_side_px, "width": image_side_px},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(colours.mean),
        "image_std": list(colours.deviation),
    }
    write_text_atomic(folder / PROCESSOR, json.dumps(processor, indent=1, sort_keys=True) + "\n")


def triple(path: Path, said: Mapping[str, object], key: str, default: Triple) -> Triple:
    """Three finite numbers, one a channel, where one number stands for all.

    Args:
        path: of the file that says so, for the message.
        said: what is in it.
        key: of the numbers.
        default: where they are left out.

    Raises:
        BrokenData: they are none.
    """
    value = said.get(key, default)
    values = list(value) if isinstance(value, list | tuple) else [value] * 3
    numbers = [float(x) for x in values if isinstance(x, int | float) and math.isfinite(x)]
    if len(numbers) != 3 or len(values) != 3:
        raise BrokenData(f"{path}: {key}: must be three numbers, one a channel; get the folder again")
    return numbers[0], numbers[1], numbers[2]
