"""iNat-full and iNat-base with all 8,142 real names, from files in upstream formats: counts as registered."""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cairnhub.datasets_hub.check import check_dataset
from cairnhub.datasets_hub.loader import label_array, load_dataset, load_tree
from cairnhub.pipelines.context import Context
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.paths import Paths
from cairnhub.pipelines.samples.inat2018 import _write_json
from cairnhub.pipelines.samples.shapes.packing import write_bytes, write_tar_gz
from cairnhub.pipelines.settings.fetch import Fetch
from cairnhub.pipelines.sources import fetching
from cairnhub.pipelines.sources.registered_counts import expected_counts
from cairnhub.pipelines.stages import check, index, publish, taxonomy
from tests.project import ROOT

pytestmark = [pytest.mark.shared, pytest.mark.slow]
RANKS = ["genus", "family", "order", "class", "phylum", "kingdom"]
REGISTERED = expected_counts("inat2018", "full")
N_IMAGES = {split: counts["images"] for split, counts in REGISTERED.items()}


@pytest.fixture(scope="module")
def species(shared_dir: Path) -> pd.DataFrame:
    """The 8,142 species with their real names and the split of each."""
    named, coded = (
        pd.read_csv(shared_dir / f"reference/inat2018_categories{kind}.csv", dtype=str, keep_default_na=False)
        for kind in ("_named", "")
    )
    return named.assign(split=np.where(trains(coded), "train", "test"))


def trains(coded: pd.DataFrame) -> np.ndarray:
    """Which species train: some that have as many labels on every level as the published split, by the codes.

    Which they are upstream is not known here. From coarse to fine, the labels with the fewest species go.
    """
    kept = coded
    for rank, coarser in reversed([*zip(RANKS, [*RANKS[1:], "supercategory"], strict=True)]):
        surplus = kept[rank].nunique() - REGISTERED["train"][rank]
        for label in kept[rank].value_counts(ascending=True).index:
            if not surplus:
                break
            rest = kept[kept[rank] != label]
            is_last = rank != "kingdom" and rest[coarser].nunique() < kept[coarser].nunique()
            if (
                surplus
                and not is_last
                and rest["supercategory"].nunique() >= REGISTERED["train"]["supercategory"]
            ):
                kept, surplus = rest, surplus - 1
    spare = kept[kept["genus"].duplicated()].tail(len(kept) - REGISTERED["train"]["species"])
    return coded["id"].isin(kept["id"].drop(spare.index)).to_numpy()


def paths_of(species: pd.DataFrame, n_images: dict[str, int]) -> dict[str, list[str]]:
    """Split -> so many paths of images, of its species in turn."""
    folders = "train_val2018/" + species["supercategory"] + "/" + species["id"]
    shown = {split: np.resize(folders[species["split"] == split], count) for split, count in n_images.items()}
    return {
        split: [f"{folder}/{split == 'test':d}{n:031x}.jpg" for n, folder in enumerate(of_images)]
        for split, of_images in shown.items()
    }


def write_mirror(
    folder: Path, species: pd.DataFrame, paths: dict[str, list[str]], drawn: Iterable[str]
) -> None:
    """The files of iNaturalist-2018 as they are published; the archive holds the images `drawn`."""
    categories = species.drop(columns="split").assign(id=species["id"].astype(int)).to_dict("records")
    _write_json(folder, "categories", categories)
    for split, name in (("train", "train2018"), ("test", "val2018")):
        images = [{"file_name": path, "license": 1, "rights_holder": "Ana Peña"} for path in paths[split]]
        _write_json(
            folder, name, {"images": images, "licenses": [{"id": 1, "name": "CC0"}], "categories": categories}
        )
        text = "".join(f"{path}\n" for path in paths[split])
        write_bytes(folder / f"Inat_dataset_splits/Inaturalist_{split}_set1.txt", text.encode())
    write_tar_gz(folder / "train_val2018.tar.gz", ((path, drawing(path)) for path in drawn))


def drawing(path: str) -> bytes:
    """Thirty-two pixels of noise, other for each path."""
    seed = int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big")
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((32, 32), Image.Resampling.BICUBIC).save(out, "JPEG", quality=80)
    return out.getvalue()


@pytest.fixture
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Context]:
    """Both datasets at full scale, their files to be fetched from `mirror/`, whose hashes stand for the registered."""
    params = load_params(ROOT / "params.yaml")
    settings = Fetch(mirrors={"inat2018": str(tmp_path / "mirror")}, n_retries=0)
    params = params.model_copy(update={"fetch": params.fetch.model_copy(update={"full": settings})})
    monkeypatch.setattr(fetching, "REGISTRIES", tmp_path)
    return {
        name: Context(name, "full", params, Paths(tmp_path, "full", name, "inat2018"))
        for name in ("inat2018", "inat2018_base")
    }


def register(mirror: Path) -> None:
    files = sorted(path for path in mirror.rglob("*") if path.is_file())
    names = [path.relative_to(mirror).as_posix() for path in files]
    rows = [
        f"{name}\t{name}\t{path.stat().st_size}\tsha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for name, path in zip(names, files, strict=True)
    ]
    (mirror.parent / "inat2018.tsv").write_text("name\turl\tbytes\thash\n" + "".join(rows), encoding="utf-8")


def test_the_whole_counts_as_registered(contexts, species, tmp_path, caplog):
    caplog.set_level("INFO", logger="cairnhub")
    paths = paths_of(species, N_IMAGES)
    write_mirror(tmp_path / "mirror", species, paths, drawn=paths["train"][:1])
    register(tmp_path / "mirror")
    for name, context in contexts.items():
        fetching.fetch(context)
        index.run(context)
        assert f"{name}: counts as registered" in caplog.text
    assert "genus: 11 name(s) told apart" in caplog.text


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_drawn_image_of_each_species_goes_from_fetch_to_load(contexts, species, tmp_path, monkeypatch):
    labels_only = {
        split: {what: n for what, n in counts.items() if what != "images"}
        for split, counts in REGISTERED.items()
    }
    monkeypatch.setattr(index, "expected_counts", lambda *_: labels_only)
    n_species = {split: counts["species"] for split, counts in REGISTERED.items()}
    paths = paths_of(species, n_species)
    write_mirror(tmp_path / "mirror", species, paths, drawn=sorted([*paths["train"], *paths["test"]]))
    register(tmp_path / "mirror")
    sizes = {"inat2018": [8142, 4412, 1120, 273, 57, 25, 6], "inat2018_base": [8142, 14]}
    for name, context in contexts.items():
        fetching.fetch(context)
        for stage in (index, taxonomy, publish, check):
            stage.run(context)
        assert check_dataset(context.paths.hub).ok
        tree = load_tree(context.paths.hub)
        assert [len(tree.at_level(level)) for level in tree.levels] == sizes[name]
        published = {split: load_dataset(context.paths.hub, split) for split in paths}
        assert {split: len(rows) for split, rows in published.items()} == n_species
        by_id = species.set_index("id").rename(columns={"name": "species"})
        for split, rows in published.items():
            member = {Path(path).stem: path.split("/")[2] for path in paths[split]}
            truth = by_id.loc[[member[image_id] for image_id in rows["image_id"]]]
            for level, codes in zip(tree.levels, label_array(rows, tree).T, strict=True):
                shown = pd.Series(tree.at_level(level))[codes].str.replace(r" \([^(]*\)$", "", regex=True)
                assert (shown.to_numpy() == truth[level].str.strip().to_numpy()).all(), level
