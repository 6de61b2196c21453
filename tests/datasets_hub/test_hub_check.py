"""The check: each way to break the contract is found and named with an example."""

import io
import itertools
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hub_toy import N_IMAGES, toy_card, toy_partitions, toy_row, write_toy
from PIL import Image, ImageDraw, ImageEnhance

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.decoding import decode_image
from cairnhub.datasets_hub.duplicate_table import SCHEMA
from cairnhub.datasets_hub.duplicates import (
    _MAX_GAP,
    LAYOUT_SIZE,
    DuplicatePair,
    _same_bands,
    columns_of,
    look,
    near_pairs,
)
from cairnhub.datasets_hub.image_check import Judgement
from cairnhub.datasets_hub.loader import describe
from cairnhub.datasets_hub.parquet_files import open_parquet
from cairnhub.datasets_hub.records import Attribution, RowList


@pytest.fixture
def folder(hub: Path, tmp_path: Path) -> Path:
    """A copy of the toy dataset, to be broken."""
    shutil.copytree(hub / "sample" / "toy", tmp_path / "toy")
    return tmp_path / "toy"


def rules(folder: Path, **options: object) -> dict[str, str]:
    return {found.rule: found.examples[0] for found in check_dataset(folder, **options).violations}


def test_a_whole_dataset_passes(hub: Path) -> None:
    report = check_dataset("toy", hub=hub, expected_listed=N_IMAGES)
    assert report.ok, str(report)
    assert report.n_images == sum(N_IMAGES.values())
    report.require_ok()


def alter_byte(folder: Path) -> None:
    shard = next((folder / "data").glob("train-00001*"))
    raw = bytearray(shard.read_bytes())
    raw[len(raw) // 2] ^= 1
    shard.write_bytes(raw)


def remove_shard(folder: Path) -> None:
    next((folder / "data").glob("train-00001*")).unlink()


def cut_shard(folder: Path) -> None:
    shard = next((folder / "data").glob("train-00001*"))
    shard.write_bytes(shard.read_bytes()[:-100])


def other_nodes(folder: Path) -> None:
    path = next((folder / "tree").glob("nodes*"))
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)


def other_configs(folder: Path) -> None:
    readme = folder / "README.md"
    readme.write_text(readme.read_text().replace("data/train-00001", "data/train-00009", 1))


def other_counts(folder: Path) -> None:
    stats = describe(folder).stats
    train = replace(stats.splits["train"], n_unlabelled=1)
    replace(stats, splits={**stats.splits, "train": train}).save(folder / "stats.json")


def lost_images(folder: Path) -> None:
    stats = describe(folder).stats
    train = replace(stats.splits["train"], n_listed=stats.splits["train"].n_listed + 1)
    replace(stats, splits={**stats.splits, "train": train}).save(folder / "stats.json")


def unnamed_quarantine(folder: Path) -> None:
    stats = describe(folder).stats
    train = stats.splits["train"]
    train = replace(train, n_listed=train.n_listed + 2, n_quarantined=2)
    replace(stats, splits={**stats.splits, "train": train}).save(folder / "stats.json")


def other_name(folder: Path) -> None:
    readme = folder / "README.md"
    readme.write_text(readme.read_text().replace("'1': middle 1\n", "'1': muddle 1\n"))


def two_names_swapped(folder: Path) -> None:
    readme = folder / "README.md"
    text = readme.read_text().replace("'0': middle 0\n", "'0': middle 1\n", 1)
    readme.write_text(text.replace("'1': middle 1\n", "'1': middle 0\n", 1))


def no_class_label(folder: Path) -> None:
    readme = folder / "README.md"
    readme.write_text(readme.read_text().replace("dtype: int64", "dtype: string", 1))


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lost_images, "listed is not published + quarantined + excluded"),
        (unnamed_quarantine, "quarantine has other rows than stats.json counts"),
        (alter_byte, "file altered since publication"),
        (remove_shard, "file missing"),
        (cut_shard, "file cannot be read"),
        (other_nodes, "the tree's table differs from tree.json"),
        (other_configs, "the README lists other files than stats.json"),
        (other_counts, "counts differ from stats.json"),
        (other_name, "the README has other columns, names or counts than tree and stats.json"),
        (two_names_swapped, "the README has other columns, names or counts than tree and stats.json"),
        (no_class_label, "the README has other columns, names or counts than tree and stats.json"),
    ],
)
def test_damage_is_found(folder: Path, damage: Callable[[Path], None], rule: str) -> None:
    damage(folder)
    assert rule in rules(folder)


def test_a_wrong_tree_is_refused(folder: Path) -> None:
    tree = folder / "tree.json"
    tree.write_text(tree.read_text().replace('"middle 7"', '"middle seven"'))
    with pytest.raises(CairnError, match="another tree than the images were published with"):
        check_dataset(folder)


def test_labels_that_are_no_path_of_the_tree(folder: Path) -> None:
    shard = next((folder / "data").glob("test-*"))
    table = pq.read_table(shard)
    position = table.schema.get_field_index("middle")
    wrong = (np.nan_to_num(table["middle"].to_numpy()).astype(int) + 1) % 60
    pq.write_table(table.set_column(position, table.schema.field("middle"), [wrong]), shard)
    found = rules(folder)
    assert found["labels that are no path of the tree"].startswith("test-00")


def test_registry_counts(folder: Path) -> None:
    assert "other images are listed than the source lists" in rules(
        folder, expected_listed={"train": 1, "test": 60}
    )


@pytest.mark.parametrize(
    ("place", "changes", "rule", "example"),
    [
        ("test_3", {"image_id": "train-0001"}, "image id in two splits", "train-0001 in test, train"),
        ("test_3", {"image_id": "test-0004"}, "image id twice in a split", "test-0004 in test"),
        ("test_3", {"image": toy_row("test", 3).image[:-200]}, "image cannot be decoded", "test-0003"),
        ("test_3", {"image": b"<html>"}, "image cannot be decoded", "test-0003"),
        (
            "test_3",
            {"attribution": Attribution("u", " ", "MIT")},
            "no author, which the licence asks for",
            "test-0003",
        ),
        (
            "test_3",
            {"attribution": Attribution("u", "Ada", "")},
            "no license, which the licence asks for",
            "test-0003",
        ),
    ],
)
def test_bad_rows_are_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    changes: dict[str, object],
    rule: str,
    example: str,
) -> None:
    monkeypatch.setattr("cairnhub.datasets_hub.image_check.ImageCheck.judge", lambda *_: Judgement(None))
    parts = toy_partitions(**{place: replace(toy_row("test", 3), **changes)})
    write_toy(tmp_path / "toy", partitions=parts, card=toy_card(attribution_required=("test",)))
    found = rules(tmp_path / "toy")
    assert set(found) == {rule}
    assert found[rule].startswith(example)


def test_the_public_domain_needs_no_author(tmp_path: Path) -> None:
    row = replace(toy_row("test", 3), attribution=Attribution("u", "", "Public domain"))
    write_toy(
        tmp_path / "toy", partitions=toy_partitions(test_3=row), card=toy_card(attribution_required=("test",))
    )
    assert rules(tmp_path / "toy") == {}


def test_look_alikes_across_splits_are_warnings_with_pictures(tmp_path: Path) -> None:
    same = replace(toy_row("train", 8), image_id="<script>copy", split="test")
    near = replace(
        toy_row("train", 9), image_id="near", split="test", image=recompressed(toy_row("train", 9).image)
    )
    write_toy(tmp_path / "toy", partitions=[*toy_partitions(), RowList([same, near])])
    report = check_dataset(tmp_path / "toy")
    assert report.ok
    assert [(pair.first, pair.second) for pair in report.look_alikes] == [
        ("train/train-0008", "test/<script>copy"),
        ("train/train-0009", "test/near"),
    ]
    assert report.look_alikes[0].distance is None
    differences = [pair.pixel_difference for pair in report.look_alikes]
    assert differences[0] == 0 < differences[1] < 0.1
    report.save_page(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    assert "<script" not in page
    assert "All 2 pairs" in page
    assert "the same file, byte for byte" in page
    assert re.search(r"pixels differ by [\d.]+ % on average, perceptual hashes in \d of 64 bits", page)
    assert 'name="viewport"' in page
    assert "prefers-color-scheme: dark" in page


def test_look_alikes_come_with_two_labels_first_and_the_most_alike_next(tmp_path: Path) -> None:
    rows = [
        replace(
            toy_row("train", i),
            image_id=f"near-{i}",
            split="test",
            image=recompressed(toy_row("train", i).image, quality),
        )
        for i, quality in ((4, 60), (5, 95), (6, 75))
    ]
    write_toy(tmp_path / "toy", partitions=[*toy_partitions(), RowList(rows)])
    report = check_dataset(tmp_path / "toy")
    order = [(not pair.conflicting, pair.pixel_difference) for pair in report.look_alikes]
    assert order == sorted(order)
    assert len(order) == report.duplicates.num_rows == 3
    fewer = replace(report, look_alikes=report.look_alikes[:2])
    fewer.save_page(tmp_path / "page.html")
    assert "The first 2 of 3 pairs" in (tmp_path / "page.html").read_text()


def test_each_file_is_opened_once_for_all_of_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a dataset elsewhere each opening fetches the whole file."""
    rows = [replace(toy_row("train", i), image_id=f"copy-{i}", split="test") for i in range(4, 9)]
    write_toy(tmp_path / "toy", partitions=[*toy_partitions(), RowList(rows)])
    opened: list[Path] = []

    def counted(path: Path) -> pq.ParquetFile:
        opened.append(path)
        return open_parquet(path)

    monkeypatch.setattr("cairnhub.datasets_hub.check.open_parquet", counted)
    assert len(check_dataset(tmp_path / "toy").look_alikes) == 5
    assert len(opened) > 1
    assert len(opened) == len(set(opened))


def recompressed(image: bytes, quality: int = 60) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(image)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def test_near_pairs_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    gradients = rng.integers(1, 2**63, 400).astype(np.uint64)
    layouts = rng.integers(40, 200, (400, LAYOUT_SIZE)).astype(np.uint8)
    for i in range(0, 200, 2):  # neighbours that differ in 0 to 4 bits, and by 12 to 20 of 255 in one colour
        bits = rng.choice(64, size=i % 5, replace=False)
        gradients[i + 1] = gradients[i] ^ np.uint64(sum(1 << int(bit) for bit in bits))
        layouts[i + 1] = layouts[i]
        layouts[i + 1, i % LAYOUT_SIZE] += 12 + i % 9
    expected = [
        DuplicatePair(i, i + 1, d)
        for i in range(0, 200, 2)
        if (d := int(gradients[i] ^ gradients[i + 1]).bit_count()) <= 3 and 12 + i % 9 <= 16
    ]
    assert 20 < len(expected) < 80
    assert near_pairs(gradients, layouts, limit=1000) == expected
    assert near_pairs(gradients, layouts, limit=5) == expected[:5]


def test_images_that_agree_in_thousands_are_compared_with_few() -> None:
    """Before the same sky: two bands of 20,000 hashes are the same, in all pairs that would be 200 million."""
    rng = np.random.default_rng(0)
    n = 20_000
    gradients = rng.integers(0, 2**38, n).astype(np.uint64)
    gradients[n // 2 :] = gradients[: n // 2] ^ np.uint64(1)
    assert sum(len(left) for left, _ in _same_bands(gradients, (0, 1))) <= n * _MAX_GAP
    found = near_pairs(gradients, np.zeros((n, LAYOUT_SIZE), np.uint8), limit=1_000_000)
    assert {(pair.first, pair.second) for pair in found} >= {(i, n // 2 + i) for i in range(n // 2)}


def photograph(seed: int) -> Image.Image:
    """Clouds of colour, as far from one another as photographs are."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC)


def on_white(shape: str, colour: str) -> Image.Image:
    """A little thing before an even ground: most of its gradients are nothing."""
    image = Image.new("RGB", (320, 240), "white")
    getattr(ImageDraw.Draw(image), shape)((110, 60, 210, 200), fill=colour)
    return image


def saved(image: Image.Image, quality: int = 90) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return decode_image(out.getvalue())


def are_alike(one: Image.Image, other: Image.Image) -> bool:
    return bool(near_pairs(*columns_of([look(picture) for picture in (one, other)]), limit=1))


COPIES = {
    "recompressed": lambda image: saved(image, 40),
    "half": lambda image: saved(image.resize((160, 120), Image.Resampling.LANCZOS)),
    "three quarters": lambda image: saved(image.resize((240, 180), Image.Resampling.BICUBIC), 70),
    "twice": lambda image: saved(image.resize((640, 480), Image.Resampling.BICUBIC), 70),
    "lighter": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.04)),
}


@pytest.mark.parametrize("change", COPIES)
@pytest.mark.parametrize("seed", range(8))
def test_a_copy_is_alike(change: str, seed: int) -> None:
    image = photograph(seed)
    assert are_alike(saved(image), COPIES[change](image))


THINGS = [
    ("ellipse", "red"),
    ("ellipse", "green"),
    ("rectangle", "red"),
    ("rectangle", "blue"),
    ("ellipse", "black"),
]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(THINGS, 2)))
def test_two_things_before_the_same_ground_are_not_alike(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert not are_alike(saved(on_white(*one)), saved(on_white(*other)))


@pytest.mark.parametrize("seed", range(5))
def test_two_photographs_are_not_alike_and_even_ones_are_left_out(seed: int) -> None:
    assert not are_alike(photograph(seed), photograph(seed + 100))
    assert not are_alike(Image.new("RGB", (64, 64), "grey"), Image.new("RGB", (64, 64), "grey"))


def test_all_pairs_are_in_a_table_conflicting_labels_first(tmp_path: Path) -> None:
    """The same file in a split and in two, with one label, two, and none; and a picture that is only alike."""
    first, leaf = toy_row("train", 8), toy_row("train", 8).leaf
    other = next(row for n in range(1, 60) if (row := toy_row("train", n)).leaf not in (None, leaf)).leaf
    copies = [
        replace(first, image_id="same label", split="train"),
        replace(first, image_id="other label", split="train", leaf=other),
        replace(first, image_id="other split", split="test"),
        replace(first, image_id="no label", split="test", leaf=None),
        replace(first, image_id="alike", split="test", leaf=other, image=recompressed(first.image)),
    ]
    write_toy(tmp_path / "toy", partitions=[*toy_partitions(), RowList(copies)])
    report = check_dataset(tmp_path / "toy")
    assert report.ok
    rows = report.duplicates.to_pylist()
    assert [(row["image_id_b"], row["split_b"], row["kind"], row["conflicting"]) for row in rows] == [
        ("other label", "train", "identical", True),
        ("alike", "test", "alike", True),
        ("same label", "train", "identical", False),
        ("other split", "test", "identical", False),
        ("no label", "test", "identical", False),
    ]
    assert {(row["image_id_a"], row["split_a"], row["label_a"]) for row in rows} == {
        ("train-0008", "train", leaf)
    }
    assert [row["label_b"] for row in rows] == [other, other, leaf, leaf, None]
    assert {found.rule: found.count for found in report.warnings} == {
        "same file twice in a split, with two labels": 1,
        "look-alikes in two splits, with two labels": 1,
        "same file twice in a split": 1,
        "same file in two splits": 2,
    }
    report.save_duplicates(tmp_path / "pairs.parquet")
    assert pq.read_table(tmp_path / "pairs.parquet").equals(report.duplicates)
    assert check_dataset(tmp_path / "toy").duplicates.schema.equals(SCHEMA)
