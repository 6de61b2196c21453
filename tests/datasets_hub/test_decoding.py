"""The one decoder: every mode becomes the picture that was meant, upright, on a ground; plain images stay the same."""

import io

import datasets
import numpy as np
import numpy.typing as npt
import pytest
from hub_toy import toy_tree
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cairnhub import decode_image
from cairnhub.datasets_hub.decoding import DECODING_FAULTS, open_image
from cairnhub.datasets_hub.duplicates import MAX_DISTANCE, columns_of, look
from cairnhub.datasets_hub.small_images import open_small
from cairnhub.datasets_hub.torch_dataset import TorchDataset
from tests.odd_images import DAMAGE, SIDE, TURNING, encoded, lying, photo, turned, with_segment

PHOTO = photo()
GREY = PHOTO.convert("L")
RAMP = np.linspace(0, 1, SIDE[0] * SIDE[1]).reshape(SIDE[::-1])


def array(image: Image.Image) -> npt.NDArray[np.int64]:
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int64)


def as_datasets(content: bytes) -> Image.Image:
    """What a loaded dataset hands out."""
    read: Image.Image = datasets.Image().decode_example({"bytes": content, "path": None})
    return read


# ---- plain images stay as they are --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        encoded(PHOTO, "JPEG"),
        encoded(PHOTO, "JPEG", progressive=True, quality=60),
        encoded(GREY, "JPEG"),
        encoded(PHOTO, "PNG"),
        encoded(GREY, "PNG"),
        encoded(PHOTO, "WEBP"),
        encoded(PHOTO.convert("P"), "GIF"),
        encoded(PHOTO, "BMP"),
    ],
)
def test_plain_images_are_what_pillow_converts(content: bytes) -> None:
    assert np.array_equal(array(decode_image(content)), array(Image.open(io.BytesIO(content)).convert("RGB")))
    assert np.array_equal(array(decode_image(content)), array(decode_image(as_datasets(content))))


def test_a_draft_is_that_of_pillow() -> None:
    content = encoded(photo(size=(800, 600)), "JPEG")
    drafted = Image.open(io.BytesIO(content))
    drafted.draft("RGB", (64, 64))
    small = decode_image(content, draft_px=64)
    assert small.size == (100, 75)
    assert np.array_equal(array(small), array(drafted.convert("RGB")))


# ---- modes --------------------------------------------------------------------------------------------------


def of_mode(mode: str) -> Image.Image:
    """The photograph in a mode."""
    if mode.startswith("I;16"):
        grey = np.asarray(GREY).astype(np.dtype({"I;16B": ">u2"}.get(mode, "<u2"))) * 257
        return Image.frombytes(mode, SIDE, grey.tobytes())
    match mode:
        case "I":
            return Image.fromarray(np.asarray(GREY).astype(np.int32) * 257)
        case "F":
            return Image.fromarray(np.asarray(GREY).astype(np.float32) / 255)
        case "La":
            return PHOTO.convert("LA").convert("La")
        case "RGBa":
            return PHOTO.convert("RGBA").convert("RGBa")
        case "PA":
            return PHOTO.convert("P").convert("PA")
        case _:
            return PHOTO.convert(mode)


MODES = (
    "1", "L", "P", "RGB", "RGBA", "RGBX", "RGBa", "LA", "La", "PA", "CMYK", "YCbCr", "LAB", "HSV",
    "I", "F", "I;16", "I;16L", "I;16B",
)  # fmt: skip
IN_FILES = {
    "PNG": ("1", "L", "P", "RGB", "RGBA", "LA", "I;16"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr", "LAB", "I;16", "I;16B", "I", "F"),
    "WEBP": ("L", "RGB", "RGBA"),
    "AVIF": ("L", "RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK", "YCbCr"),
    "JPEG2000": ("L", "RGB", "RGBA", "I;16"),
    "TGA": ("L", "P", "RGB", "RGBA", "LA"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "GIF": ("1", "L", "P"),
    "ICO": ("RGBA",),
    "QOI": ("RGB", "RGBA"),
    "SGI": ("L", "RGB", "RGBA"),
    "PCX": ("1", "L", "P", "RGB"),
    "DDS": ("RGB", "RGBA", "L"),
}


def test_all_modes_of_pillow_are_tried() -> None:
    assert {*Image.MODES} <= {*MODES, "I;16N"}  # the machine's own, one of the other two


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_the_picture(mode: str) -> None:
    assert_alike(decode_image(of_mode(mode)), mode)


@pytest.mark.parametrize(
    ("form", "mode"), [(form, mode) for form, modes in IN_FILES.items() for mode in modes]
)
def test_every_file_becomes_the_picture(form: str, mode: str) -> None:
    options = {"sizes": [SIDE]} if form == "ICO" else {}
    content = encoded(of_mode(mode), form, **options)
    assert_alike(decode_image(content), mode)
    assert np.array_equal(array(decode_image(content)), array(decode_image(as_datasets(content))))


def assert_alike(seen: Image.Image, mode: str) -> None:
    """The photograph, as well as the mode holds it: dots of black and white are compared after smoothing."""
    assert seen.size == SIDE
    meant = GREY.convert("RGB") if mode[0] in "1LIF" and mode != "LAB" else PHOTO
    if mode == "1":
        seen, meant = (image.resize((6, 4), Image.Resampling.BOX) for image in (seen, meant))
    allowed = {"1": 40, "P": 30, "PA": 30}.get(mode, 8)
    assert np.abs(array(seen) - array(meant)).mean() < allowed


def test_16_bits_are_scaled_by_their_range() -> None:
    values = np.round(RAMP * 65_535).astype(np.uint16)
    for form in ("PNG", "TIFF", "PPM"):
        seen = array(decode_image(encoded(Image.fromarray(values), form)))
        assert np.array_equal(seen[..., 0], np.round(values / 257).astype(int))
    widened = np.asarray(GREY).astype(np.uint16) * 257
    assert np.array_equal(
        array(decode_image(encoded(Image.fromarray(widened), "PNG"))), array(GREY.convert("RGB"))
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RAMP, RAMP * 255),
        (RAMP / 2, RAMP / 2 * 255),
        (RAMP * 200, RAMP * 200),
        (RAMP * 1e6 - 4e5, RAMP * 255),
        (RAMP - 0.5, RAMP * 255),
        (RAMP * 1e-30, RAMP * 0),
        (RAMP * 0, RAMP * 0),
        (np.where(RAMP > 0.5, np.nan, RAMP), np.where(RAMP > 0.5, 0, RAMP * 255)),
        (np.where(RAMP > 0.5, np.inf, RAMP), np.where(RAMP > 0.5, 255, RAMP * 255)),
        (RAMP * np.nan, RAMP * 0),
    ],
)
def test_floats_are_scaled_by_the_range_they_keep(
    values: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]
) -> None:
    seen = array(decode_image(encoded(Image.fromarray(values.astype(np.float32)), "TIFF")))
    assert np.abs(seen[..., 0] - expected).max() <= 0.51


@pytest.mark.parametrize("low", [-40_000, 0])
def test_integers_beyond_16_bits_are_scaled_by_their_own_range(low: int) -> None:
    values = np.round(low + RAMP * 1_000_000).astype(np.int32)
    seen = array(decode_image(encoded(Image.fromarray(values), "TIFF")))
    assert np.abs(seen[..., 0] - RAMP * 255).max() <= 0.51


# ---- what is transparent -----------------------------------------------------------------------------------

SHAPE = (
    np.add.outer(np.arange(SIDE[1]), np.arange(SIDE[0])) % 16 < 7
)  # what an icon shows, by its alpha alone
ALPHA = Image.fromarray(np.where(SHAPE, 255, 0).astype(np.uint8))


def icon(mode: str) -> Image.Image:
    image = Image.new(mode, SIDE)
    image.putalpha(ALPHA)
    return image


def palette() -> Image.Image:
    image = Image.fromarray(SHAPE.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0] * 256)
    return image


def keyed(dtype: type, shown: int, key: int) -> Image.Image:
    return Image.fromarray(np.where(SHAPE, shown, key).astype(dtype))


ICONS = {
    "PNG": encoded(icon("RGBA"), "PNG"),
    "PNG, grey": encoded(icon("LA"), "PNG"),
    "PNG, a clear entry of the palette": encoded(palette(), "PNG", transparency=0),
    "PNG, alphas of the palette": encoded(palette(), "PNG", transparency=b"\0\xff"),
    "PNG, a clear grey": encoded(keyed(np.uint8, 0, 1), "PNG", transparency=1),
    "PNG, a clear grey of 16 bits": encoded(keyed(np.uint16, 0, 100), "PNG", transparency=100),
    "PNG, a clear colour": encoded(keyed(np.uint8, 0, 1).convert("RGB"), "PNG", transparency=(1, 1, 1)),
    "PNG, clear white of 1 bit": encoded(keyed(np.uint8, 0, 255).convert("1"), "PNG", transparency=1),
    "GIF": encoded(icon("RGBA"), "GIF"),
    "WEBP": encoded(icon("RGBA"), "WEBP", lossless=True, exact=True),
    "TIFF": encoded(icon("RGBA"), "TIFF"),
    "TIFF, grey": encoded(icon("LA"), "TIFF"),
    "TGA": encoded(icon("RGBA"), "TGA"),
    "QOI": encoded(icon("RGBA"), "QOI"),
    "JPEG2000": encoded(icon("RGBA"), "JPEG2000"),
    "ICO": encoded(icon("RGBA"), "ICO", sizes=[SIDE]),
}  # fmt: skip


@pytest.mark.parametrize("name", ICONS)
@pytest.mark.parametrize("ground", ["white", "#808080", "rgb(0, 200, 0)"])
def test_what_is_clear_shows_the_ground(name: str, ground: str) -> None:
    expected = Image.new("RGB", SIDE, ground)
    expected.paste((0, 0, 0), mask=ALPHA)
    seen = decode_image(ICONS[name], ground=ground)
    assert np.abs(array(seen) - array(expected)).max() <= 2
    assert np.array_equal(array(seen), array(decode_image(as_datasets(ICONS[name]), ground=ground)))


def test_half_clear_is_half_ground_and_opaque_is_itself() -> None:
    image = PHOTO.copy()
    image.putalpha(128)
    assert (
        np.abs(array(decode_image(encoded(image, "PNG"))) - (array(PHOTO) * 128 + 255 * 127) / 255).max() <= 1
    )
    image.putalpha(255)
    assert np.array_equal(array(decode_image(encoded(image, "PNG"))), array(PHOTO))


def test_a_clear_colour_of_16_bits_is_clear() -> None:
    """As PNG allows and Pillow does not write: the key is of 16 bits, Pillow's pixels are of 8."""
    image = keyed(np.uint8, 0, 200).convert("RGB")
    image.info["transparency"] = (200 * 257,) * 3
    assert np.array_equal(array(decode_image(image))[..., 0], np.where(SHAPE, 0, 255))


# ---- turned ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", TURNING)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_upright_once(form: str, orientation: int) -> None:
    content = turned(PHOTO, orientation, form)
    seen = decode_image(content)
    assert seen.size == SIDE
    assert np.abs(array(seen) - array(PHOTO)).mean() < 3
    assert np.array_equal(array(decode_image(seen)), array(seen))
    assert np.array_equal(array(decode_image(as_datasets(content))), array(seen))
    resaved = decode_image(encoded(seen, "PNG", exif=seen.info.get("exif", b"")))
    assert np.array_equal(array(resaved), array(seen))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_draft_is_upright_and_hashes_as_the_photo(orientation: int) -> None:
    large = photo(1, (640, 480))
    content = turned(large, orientation)
    assert decode_image(content, draft_px=60).size == (80, 60)
    small = open_small(content, 60)
    assert small is not None
    assert np.abs(array(small) - array(large.resize((80, 60), Image.Resampling.BOX))).mean() < 3
    gradients, _ = columns_of([look(decode_image(content)), look(large)])
    assert int(gradients[0] ^ gradients[1]).bit_count() <= MAX_DISTANCE


def test_xmp_turns_too() -> None:
    xmp = b'http://ns.adobe.com/xap/1.0/\0<rdf tiff:Orientation="6"/>'
    content = with_segment(encoded(lying(PHOTO, 6), "JPEG"), 0xE1, xmp)
    assert decode_image(content).size == SIDE
    assert np.array_equal(array(decode_image(content)), array(decode_image(as_datasets(content))))


def test_palettes_and_16_bits_turn() -> None:
    values = np.round(RAMP * 65_535).astype(np.uint16)
    for upright in (Image.fromarray(values), PHOTO.convert("P"), icon("LA")):
        for orientation in range(1, 9):
            content = turned(upright, orientation, "PNG")
            assert np.array_equal(array(decode_image(content)), array(decode_image(encoded(upright, "PNG"))))


# ---- torch, and what is broken -----------------------------------------------------------------------------


def test_a_torch_view_shows_the_same() -> None:
    torch = pytest.importorskip("torch")
    contents = [
        turned(PHOTO, 6),
        ICONS["PNG"],
        encoded(Image.fromarray((RAMP * 65_535).astype(np.uint16)), "PNG"),
    ]
    tree = toy_tree()
    rows = {"image": [{"bytes": content, "path": None} for content in contents]}
    labels = {level: [0] * len(contents) for level in tree.levels}
    features = datasets.Features(
        {"image": datasets.Image(), **{level: datasets.Value("int64") for level in tree.levels}}
    )
    loaded = datasets.Dataset.from_dict({**rows, **labels}, features=features)
    for ground in ("white", "black"):
        view = TorchDataset(loaded, tree, ground=ground)
        for i, content in enumerate(contents):
            expected = array(decode_image(content, ground=ground))
            assert torch.equal((view[i][0] * 255).round().long(), torch.from_numpy(expected).permute(2, 0, 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no image"),
        (b"<html>", "no image"),
        (DAMAGE["12 bits"](encoded(PHOTO, "JPEG")), "JPEG, which Pillow does not open: .* more than 8 bits"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "no image"),
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
            "HEIC, which Pillow does not open: convert it to JPEG",
        ),
        (
            b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(99),
            "HEIC, which Pillow does not open: convert it to JPEG",
        ),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "JPEG XL, which Pillow does not open"),
    ],
)
def test_what_does_not_open_says_what_it_needs(content: bytes, message: str) -> None:
    with pytest.raises(OSError, match=message):
        open_image(content)


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(st.sampled_from([*ICONS.values(), *(turned(PHOTO, 6, form) for form in TURNING)]), st.data())
def test_any_bytes_become_a_picture_or_a_fault(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5)):
        damaged[at] = data.draw(st.integers(0, 255))
    try:
        seen = decode_image(bytes(damaged), draft_px=16)
    except DECODING_FAULTS:
        return
    assert seen.mode == "RGB"
    assert np.array_equal(array(decode_image(seen)), array(seen))
