"""What is let in, `datasets` reads; what it reads of the formats that are let in, is let in."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
from hub_toy import toy_partitions, toy_row, write_toy
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from cairnhub.core.errors import BadInput
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.decoding import DECODING_FAULTS, FORMATS
from cairnhub.datasets_hub.image_check import ImageCheck, Judgement
from cairnhub.datasets_hub.jpeg_structure import jpeg_size
from cairnhub.datasets_hub.loader import load_dataset
from cairnhub.datasets_hub.readers import MAX_PIXELS, split_name_fault
from cairnhub.datasets_hub.records import RowList
from tests.odd_images import (
    DAMAGE,
    EXIF,
    SEGMENTS,
    SIDE,
    directory,
    encoded,
    lying,
    photo,
    turn,
    turned,
    with_exif,
    with_segment,
)

PHOTO = photo()
PLAIN = encoded(PHOTO, "JPEG")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
CHECKS = {"look": ImageCheck(), "decode": ImageCheck(decode=True)}


def is_read(content: bytes) -> bool:
    """Whether `datasets` itself decodes it."""
    try:
        datasets.Image().decode_example({"bytes": content, "path": None})
    except DECODING_FAULTS:
        return False
    return True


# ---- JPEGs that need no decoding ---------------------------------------------------------------------------

ORDINARY = {
    "baseline": PLAIN,
    "progressive": encoded(PHOTO, "JPEG", progressive=True),
    "tables of its own": encoded(PHOTO, "JPEG", optimize=True),
    "restarts": encoded(PHOTO, "JPEG", restart_marker_blocks=2),
    "grey": encoded(PHOTO.convert("L"), "JPEG"),
    "CMYK": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "colours in full": encoded(PHOTO, "JPEG", subsampling=0),
    "colours halved across": encoded(PHOTO, "JPEG", subsampling=1),
    "no colour transform": encoded(PHOTO, "JPEG", keep_rgb=True),
    "EXIF of a phone": turned(PHOTO, 6),
    "EXIF without a turn": turned(PHOTO, 1),
    "a profile": encoded(PHOTO, "JPEG", icc_profile=PROFILE),
    "XMP": encoded(PHOTO, "JPEG", xmp=b"<x/>"),
    "XMP that turns": encoded(lying(PHOTO, 6), "JPEG", xmp=b'<x tiff:Orientation="6"/>'),
    "a comment with markers in it": encoded(PHOTO, "JPEG", comment=b"\xff\xd9\xff\xda"),
    "bytes behind the end": PLAIN + b"\xff\xd8\xff\xc4",
    "fill bytes": PLAIN[:2] + b"\xff\xff" + PLAIN[2:],
    "the largest quality": encoded(PHOTO, "JPEG", quality=100),
    "16-bit tables": encoded(PHOTO, "JPEG", qtables=[[500] * 64, [700] * 64]),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_jpegs_are_not_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_read(ORDINARY[name])
    assert jpeg_size(ORDINARY[name]) in (SIDE, SIDE[::-1])
    monkeypatch.setattr(
        Image.Image, "transpose", lambda image, _: image
    )  # of one pixel, to read what turns it
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", lambda *_: pytest.fail("it was decoded"))
    assert CHECKS["look"].fault(ORDINARY[name]) is None


# ---- as readers judge --------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("base", ["baseline", "progressive", "EXIF of a phone", "a profile"])
@pytest.mark.parametrize("name", EXIF)
def test_odd_exif_is_judged_as_readers_do(check: str, base: str, name: str) -> None:
    content = with_exif(ORDINARY[base], EXIF[name])
    assert (CHECKS[check].fault(content) is None) == is_read(content)


def test_exif_that_only_datasets_cannot_read_says_so() -> None:
    crashing = [name for name, block in EXIF.items() if not is_read(with_exif(PLAIN, block))]
    assert len(crashing) >= 3
    for name in crashing:
        reason = ImageCheck().fault(with_exif(PLAIN, EXIF[name]))
        assert reason is not None
        assert reason.startswith("`datasets` cannot read its EXIF (")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", SEGMENTS)
def test_odd_segments_are_judged_as_readers_do(check: str, name: str) -> None:
    content = with_segment(PLAIN, *SEGMENTS[name])
    assert (CHECKS[check].fault(content) is None) == is_read(content)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", DAMAGE)
def test_what_libjpeg_fails_on_is_not_let_in(check: str, name: str) -> None:
    content = DAMAGE[name](encoded(photo(1, (160, 120)), "JPEG"))
    assert not is_read(content)
    assert CHECKS[check].fault(content) is not None


def test_a_progressive_jpeg_without_the_tables_of_its_later_scans_is_not_let_in() -> None:
    content = encoded(photo(1, (160, 120)), "JPEG", progressive=True)
    later = content.index(b"\xff\xc4", content.index(b"\xff\xda"))
    end = later + 2 + int.from_bytes(content[later + 2 : later + 4], "big")
    without = content[:later] + content[end:]
    assert not is_read(without)
    assert ImageCheck().fault(without) is not None


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.sampled_from([*ORDINARY.values()]), st.data())
def test_whatever_is_let_in_is_read(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for at in data.draw(st.lists(st.integers(2, len(content) - 1), min_size=1, max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255) | st.just(255))
    if ImageCheck().fault(bytes(damaged)) is None:
        assert is_read(bytes(damaged))


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x100, 0x10F, 0x112, 0x11A, 0x128, 0x132, 0x8769, 0x8825, 0x9286, 0xA005]),
            st.integers(0, 13),
            st.integers(0, 4),
            st.binary(min_size=4, max_size=4),
        ),
        max_size=4,
    )
)
def test_any_exif_is_judged_as_readers_do(entries: list[tuple[int, int, int, bytes]]) -> None:
    content = with_exif(PLAIN, directory(turn(), *entries))
    assert (ImageCheck().fault(content) is None) == is_read(content)


# ---- formats -----------------------------------------------------------------------------------------------

KEPT = (
    "BMP",
    "GIF",
    "JPEG",
    "PPM",
    "PNG",
    "AVIF",
    "DDS",
    "ICO",
    "JPEG2000",
    "PCX",
    "QOI",
    "SGI",
    "TGA",
    "TIFF",
    "WEBP",
)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("form", KEPT)
def test_what_pillow_opens_is_an_image(check: str, form: str) -> None:
    content = encoded(PHOTO.convert("RGBA") if form == "ICO" else PHOTO, form)
    assert CHECKS[check].fault(content) is None
    assert is_read(content)
    cut = CHECKS[check].fault(content[: len(content) // 2])
    assert cut is None or cut.startswith(("truncated", "cannot be decoded", "no image", "AVIF, which"))


def test_every_format_that_is_let_in_is_tried() -> None:
    assert {*FORMATS} - {*KEPT} == {"CUR", "PSD"}, "Pillow writes all but these"


@pytest.mark.parametrize("form", ["EPS", "PDF"])
def test_what_runs_programs_is_no_image(form: str) -> None:
    assert ImageCheck().fault(encoded(PHOTO, form)) == "no image"


def test_reasons_say_what_to_do() -> None:
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    assert ImageCheck().fault(heic) == "HEIC, which Pillow does not open: convert it to JPEG or AVIF"
    text = PngInfo()
    text.add_text("Raw profile type APP1", "0" * 3_000_000, zip=True)
    long = encoded(PHOTO, "PNG", pnginfo=text)
    assert not is_read(long)
    assert ImageCheck().fault(long) == "more text in it than Pillow reads: remove its metadata"


# ---- limits and names --------------------------------------------------------------------------------------


def test_the_readers_limit_is_that_of_pillow() -> None:
    assert 2 * (Image.MAX_IMAGE_PIXELS or 0) == MAX_PIXELS
    assert ImageCheck(MAX_PIXELS).max_pixels == MAX_PIXELS
    with pytest.raises(BadInput, match="reads images of at most 178,956,970 pixels"):
        ImageCheck(MAX_PIXELS + 1)


@pytest.mark.parametrize("raised", [90_000_000, MAX_PIXELS])
def test_a_raised_limit_takes_effect(raised: int) -> None:
    large = encoded(Image.new("1", (9_500, 9_500)), "PNG")
    assert ImageCheck().fault(large) == "too many pixels"
    assert ImageCheck(raised).fault(large) == (None if raised > 9_500 * 9_500 else "too many pixels")


@pytest.mark.parametrize(
    "name", ["all", "ALL", "2019", "test-a", "a b", "test.a", "train[:9]", "", "x" * 101, "é/1"]
)
def test_a_split_that_datasets_refuses_is_refused(tmp_path: Path, name: str) -> None:
    assert split_name_fault(name)
    with pytest.raises(BadInput, match="split"):
        write_toy(tmp_path / "toy", partitions=[RowList([replace(toy_row("train", 1), split=name)])])


@pytest.mark.parametrize("name", ["test_2019", "Été", "тест", "_x", "all_of_it", "class"])
def test_other_splits_load(tmp_path: Path, name: str) -> None:
    rows = [replace(toy_row(split, 1), split=split, image_id=split) for split in ("train", "test", name)]
    write_toy(tmp_path / "toy", partitions=[RowList(rows)])
    assert load_dataset(tmp_path / "toy", name).num_rows == 1
    assert set(datasets.load_dataset(str(tmp_path / "toy"))) == {"train", "test", name}


# ---- published ---------------------------------------------------------------------------------------------

CRASHING = with_exif(PLAIN, EXIF["unit as text"])


def test_what_is_not_read_is_quarantined_with_its_reason(tmp_path: Path) -> None:
    rows = {
        "train_3": replace(toy_row("train", 3), image=CRASHING),
        "train_4": replace(toy_row("train", 4), image=DAMAGE["12 bits"](PLAIN)),
        "test_5": replace(toy_row("test", 5), image=DAMAGE["no quantisation tables"](PLAIN)),
        "test_6": replace(toy_row("test", 6), image=encoded(PHOTO.convert("LAB"), "TIFF")),
    }
    stats = write_toy(tmp_path / "toy", partitions=toy_partitions(**rows))
    assert stats.quarantine == {
        "`datasets` cannot read its EXIF (struct.error)": 1,
        "cannot be decoded (OSError)": 1,
        "JPEG, which Pillow does not open: its header is damaged, or it has more than 8 bits": 1,
    }
    assert check_dataset(tmp_path / "toy").ok
    for split in load_dataset(tmp_path / "toy").values():
        assert all(row["image"].size for row in split)


def test_a_split_of_nothing_readable_says_why(tmp_path: Path) -> None:
    rows = [replace(toy_row("test", i), image=CRASHING if i else b"<html>") for i in range(3)]
    with pytest.raises(
        BadInput, match=r"'test' has no image to publish: 2 times `datasets` .*; 1 times no image"
    ):
        write_toy(tmp_path / "toy", partitions=[*toy_partitions()[:3], RowList(rows)])


@pytest.mark.parametrize(
    "content",
    [CRASHING, DAMAGE["12 bits"](PLAIN), encoded(PHOTO, "PDF")],
    ids=["EXIF that crashes", "12 bits", "PDF"],
)
def test_the_contract_is_that_of_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(ImageCheck, "judge", lambda *_: Judgement(None))
    row = replace(toy_row("test", 3), image=content)
    write_toy(tmp_path / "toy", partitions=toy_partitions(test_3=row))
    (violation,) = check_dataset(tmp_path / "toy").violations
    assert violation.rule == "image cannot be decoded"
    assert violation.examples[0].startswith("test-0003 (")


def test_a_turned_copy_of_a_photo_is_a_look_alike(tmp_path: Path) -> None:
    rows = {
        f"test_{orientation}": replace(
            toy_row("test", orientation),
            image=turned(photo(orientation, (96, 64)), orientation),
        )
        for orientation in range(2, 9)
    }
    rows |= {
        f"train_{orientation}": replace(
            toy_row("train", orientation), image=encoded(photo(orientation, (96, 64)), "JPEG")
        )
        for orientation in range(2, 9)
    }
    write_toy(tmp_path / "toy", partitions=toy_partitions(**rows))
    pairs = {(pair.first, pair.second) for pair in check_dataset(tmp_path / "toy").look_alikes}
    assert pairs == {(f"train/train-{i:04d}", f"test/test-{i:04d}") for i in range(2, 9)}


@pytest.mark.parametrize("name", ["birds [2019]", "birds {2019}", "what?", "best*", "a[!b]c", "**", "[]"])
def test_a_hub_below_any_folder_loads(tmp_path: Path, name: str) -> None:
    hub = tmp_path / name / "hub"
    rows = [
        replace(toy_row(split, i), image_id=f"{split}{i}") for split in ("train", "test") for i in range(3)
    ]
    write_toy(hub / "sample" / "toy", partitions=[RowList(rows)])
    loads: dict[str, Callable[[], int]] = {
        "split": lambda: load_dataset("toy", "train", hub=hub).num_rows,
        "streamed": lambda: sum(1 for _ in load_dataset("toy", "train", streaming=True, hub=hub)),
        "all": lambda: load_dataset("toy", hub=hub)["test"].num_rows,
    }
    assert {how: load() for how, load in loads.items()} == dict.fromkeys(loads, 3)
    assert check_dataset("toy", hub=hub).ok


def test_noise_of_any_kind_is_judged_without_a_crash() -> None:
    rng = np.random.default_rng(0)
    for start in (
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0",
        b"RIFF",
        b"\0\0\2\0",
        b"P6\n",
        b"\0\0\0\x0cjP  ",
    ):
        for _ in range(40):
            ImageCheck().fault(start + rng.bytes(rng.integers(0, 200)))
