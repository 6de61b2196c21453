"""The check: each way to break the contract is found and named with an example."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hub_toy import N_IMAGES, toy_card, toy_partitions, toy_row, write_toy

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.decoding import decode_image
from cairnhub.datasets_hub.duplicates import DuplicatePair, difference_hash, near_pairs
from cairnhub.datasets_hub.loader import describe
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
    monkeypatch.setattr("cairnhub.datasets_hub.image_check.ImageCheck.fault", lambda *_: None)
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
    report.save_page(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    assert "<script" not in page


def recompressed(image: bytes) -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(image)).save(out, "JPEG", quality=60)
    return out.getvalue()


def test_near_pairs_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(1, 2**63, 400).astype(np.uint64)
    for i in range(0, 200, 2):  # neighbours that differ in 0 to 4 bits
        bits = rng.choice(64, size=i % 5, replace=False)
        hashes[i + 1] = hashes[i] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    groups = rng.integers(0, 2, 400)
    expected = [
        DuplicatePair(i, j, d)
        for i in range(400)
        for j in range(i + 1, 400)
        if groups[i] != groups[j] and (d := int(hashes[i] ^ hashes[j]).bit_count()) <= 3
    ]
    assert len(expected) > 20
    assert near_pairs(hashes, groups, limit=1000) == expected


def test_perceptual_hash_survives_recompression() -> None:
    image = toy_row("train", 2).image
    hashes = [difference_hash(decode_image(content)) for content in (image, recompressed(image))]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 3
