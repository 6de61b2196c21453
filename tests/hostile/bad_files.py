"""How kinds of bad input are made: of the files of each parser, one with something wrong in it."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import load, save

from cairnhub.datasets_hub.location import Location, open_dataset
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.review.decisions import read_decisions
from cairnhub.pipelines.archives.entry import Entry
from cairnhub.pipelines.archives.member_reader import MemberReader
from cairnhub.pipelines.archives.tar import Tar
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.settings.sources import GLDv2Source, INat2018Source, TableSource
from cairnhub.pipelines.sources.formats.cub.cub_reader import CUB
from cairnhub.pipelines.sources.formats.gldv2.mined_types import mined_types
from cairnhub.pipelines.sources.formats.gldv2.published_hashes import with_published_hashes
from cairnhub.pipelines.sources.formats.gldv2.reader import GLDv2
from cairnhub.pipelines.sources.formats.inat2018 import INat2018
from cairnhub.pipelines.sources.formats.table import Table
from cairnhub.pipelines.sources.manifest import read_manifest
from cairnhub.pipelines.sources.registered_counts import expected_counts
from cairnhub.pipelines.sources.registry import RegistryRow, read_registry
from cairnhub.training.checkpoint import Checkpoints
from cairnhub.training.inference import encode
from cairnhub.training.models import RetrievalModel, load_model
from cairnhub.training.recipes.recipe import load_recipe
from tests.fuzz import models, sources, targets
from tests.fuzz.inputs import jpeg, tar_of, zip_of
from tests.project import ROOT
from tests.training.tiny import recipe as tiny_recipe

Files = Mapping[str, bytes]
N_DEEP = 100_000
PICKLE = pickle.dumps({"weights": np.zeros(3)})
BOMB_YAML = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@dataclass(frozen=True)
class Kind:
    """A kind of bad input.

    Attributes:
        name: what is wrong, in words.
        parse: reads a folder.
        files: what lies in the folder.
        said: what the message must match: the fault, the place, the cure.
    """

    name: str
    parse: Callable[[Path], object]
    files: Files
    said: str = field(repr=False)


def of(parse: Callable[[Path], object], path: str, base: Files | None = None) -> Callable[..., Kind]:
    """Kinds that differ in one file."""

    def kind(name: str, content: str | bytes, said: str) -> Kind:
        raw = content.encode() if isinstance(content, str) else content
        return Kind(name, parse, {**(base or {}), path: raw}, said)

    return kind


# ---- the parsers --------------------------------------------------------------------------------------------

registry = of(lambda folder: read_registry(folder / "x.tsv"), "x.tsv")
HEAD = "name\turl\tbytes\thash\n"
MD5 = "md5sum/train/md5.images_000.txt"
md5 = of(
    lambda folder: with_published_hashes(
        [RegistryRow(MD5, "x", None, None), RegistryRow("train/images_000.tar", "x", None, None)], folder
    ),
    MD5,
)
manifest = of(lambda folder: read_manifest(folder / "manifest.json", folder / "images.tsv"), "manifest.json")
LOOSE = (ROOT / "tests/data/ages/manifest-2.json").read_bytes()
loose = of(
    lambda folder: read_manifest(folder / "manifest.json", folder / "images.tsv"),
    "images.tsv",
    {"manifest.json": LOOSE},
)
mined = of(mined_types, "wikimedia/mined.json")
tree = of(lambda folder: LabelTree.load(folder / "tree.json"), "tree.json")
decisions = of(lambda folder: read_decisions(folder / "x.jsonl"), "x.jsonl")
proposal = of(lambda folder: TreeProposal.load(folder / "proposal.json"), "proposal.json")
PUBLISHED = {"README.md": targets.CARD.encode(), "stats.json": json.dumps(targets.STATS).encode()}
card = of(lambda folder: open_dataset(Location(str(folder))), "README.md", PUBLISHED)
stats = of(lambda folder: open_dataset(Location(str(folder))).data_files, "stats.json", PUBLISHED)
params = of(lambda folder: load_params(folder / "params.yaml"), "params.yaml")
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
recipe = of(lambda folder: load_recipe("mine", folder), "mine.yaml")
RECIPE = (ROOT / "training/recipes/small.yaml").read_text(encoding="utf-8")
counts = of(lambda folder: expected_counts("gldv2", "full", folder), "gldv2.counts.yaml")


def list_table(folder: Path, **changes: str) -> None:
    fields = {
        "labels": "labels.csv",
        "images": ["images.tar"],
        "levels": ["fine", "coarse"],
        "split": "split",
    }
    source = TableSource.model_validate({"format": "table", **fields, **changes})
    sources.list_all(Table("mine", source, sources.Quiet()), folder)


IMAGES = tar_of({"a/1.jpg": jpeg(), "a/2.jpg": jpeg()})
table = of(list_table, "labels.csv", {"images.tar": IMAGES})
strict_table = of(lambda folder: list_table(folder, qualify="refuse"), "labels.csv", {"images.tar": IMAGES})
CSV = "path,fine,coarse,split\n"

GLDV2 = {
    f"metadata/{space}_label_to_{name}.csv": f"landmark_id,{columns}\n1,{values}\n".encode()
    for space in ("train", "index")
    for name, columns, values in (
        ("category", "category", f"http://commons.wikimedia.org/wiki/Category:{space}"),
        ("hierarchical", "category,supercategory,hierarchical_label,natural_or_human_made", "c,s,h,natural"),
    )
} | {
    "metadata/train.csv": b"id,url,landmark_id\n00,u,1\n",
    "metadata/train_attribution.csv": b"id,author,license,title\n00,a,l,t\n",
    "metadata/index.csv": b"id\n01\n",
    "metadata/index_image_to_landmark.csv": b"id,landmark_id\n01,1\n",
    "metadata/test.csv": b"id\n02\n",
    "ground_truth/retrieval_solution_v2.1.csv": b"id,images,Usage\n02,01,Public\n",
    **{
        f"{split}/images_000.tar": tar_of({f"{i:02d}.jpg": jpeg()})
        for i, split in enumerate(("train", "index", "test"))
    },
}


def gldv2(name: str, path: str, content: str | bytes, said: str) -> Kind:
    reader = GLDv2(GLDv2Source(format="gldv2"), executor=sources.Quiet())
    return of(reader.list_images, path, GLDV2)(name, content, said)


SPLITS = {
    f"Inat_dataset_splits/Inaturalist_{split}_set1.txt": f"train_val2018/Birds/{i}/{i}.jpg\n".encode()
    for i, split in enumerate(("train", "test"))
}
RANKS = ("genus", "family", "order", "class", "phylum", "kingdom", "supercategory")
BIRDS = [{"id": i, "name": f"s{i}", **dict.fromkeys(RANKS, "r")} for i in range(2)]
CREDITS = {"images": [{"file_name": "x", "license": 1, "rights_holder": "me"}], "licenses": []}


def inat(name: str, path: str, content: object, said: str) -> Kind:
    jsons = {"categories.json": BIRDS, "train2018.json": CREDITS, "val2018.json": CREDITS}
    texts = dict(SPLITS)
    if path in jsons:
        jsons[path] = content
    else:
        texts[path] = str(content).encode()
    packed = {
        f"{key}.tar.gz": gzip.compress(
            tar_of({key: value if isinstance(value, bytes) else json.dumps(value).encode()})
        )
        for key, value in jsons.items()
    }
    packed["train_val2018.tar.gz"] = gzip.compress(tar_of({}))  # streamed when it is published, not before
    return Kind(name, INat2018(INat2018Source(format="inat2018")).list_images, {**texts, **packed}, said)


SOP_ROOT, CUB_ROOT = "Stanford_Online_Products", "CUB_200_2011"
SOP_FILES = {
    f"{SOP_ROOT}/Ebay_{s}.txt": b"image_id class_id super_class_id path\n1 1 1 mug_final/1_0.JPG\n"
    for s in ("train", "test")
}
VEHICLES = {
    f"VehicleID_V1.0/train_test_split/{s}_list{n}.txt": b"1 1\n"
    for s, n in (("train", ""), ("test", "_2400"))
}
DYML = {"train/label.csv": b"fname,coarse_id,middle_id,fine_id\n1.jpg,1,1,1\n"} | {
    "mini-bmk_all_in_one/label.csv": b"fname,coarse_id,middle_id,fine_id\n1.jpg,1,1,1\n"
}
CUB_FILES = {
    f"{CUB_ROOT}/images.txt": b"1 001.Tern/a.jpg\n",
    f"{CUB_ROOT}/image_class_labels.txt": b"1 1\n",
    f"{CUB_ROOT}/classes.txt": b"1 001.Tern\n",
}


def zipped(name: str, archive: str, parse: Callable[[Path], object], files: Files, said: str) -> Kind:
    return Kind(name, parse, {archive: zip_of(files)}, said)


def cub(name: str, path: str, content: bytes | None, said: str) -> Kind:
    files = {**CUB_FILES, f"{CUB_ROOT}/{path}": content}
    tgz = gzip.compress(tar_of({key: value for key, value in files.items() if value is not None}))
    return Kind(name, CUB().list_images, {f"{CUB_ROOT}.tgz": tgz}, said)


tar = of(lambda folder: Tar(folder, "x.tar").entries(), "x.tar")
tar_gz = of(lambda folder: list(TarGz(folder, "x.tar.gz").members()), "x.tar.gz")
zip_list = of(lambda folder: Zip(folder, "x.zip").entries(), "x.zip")


def read_a(folder: Path) -> bytes:
    return Zip(folder, "x.zip").read_file("a.txt")


zip_read = of(read_a, "x.zip")


def at(offset: int, size_bytes: int) -> Callable[[Path], bytes]:
    def read(folder: Path) -> bytes:
        with MemberReader(folder) as reader:
            return reader.read(Entry("x.tar", "a.jpg", offset, size_bytes))

    return read


def pax(**records: str) -> bytes:
    """A tar whose one member has these extended attributes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.jpg")
        info.size, info.pax_headers = 3, records
        archive.addfile(info, io.BytesIO(b"abc"))
    return out.getvalue()


def long_header() -> bytes:
    """A tar that announces a member's name of 8 GiB."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**33 - 1
    return info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10240


def lying_zip() -> bytes:
    """A zip whose directory says that `a.txt` has 4 GB."""
    content = bytearray(zip_of({"a.txt": b"x"}))
    content[content.rindex(b"PK\1\2") + 24 :][:4] = b""
    at_size = content.rindex(b"PK\1\2") + 24
    content[at_size : at_size + 4] = b"\xfe\xff\xff\xff"
    return bytes(content)


def encrypted_zip() -> bytes:
    content = bytearray(zip_of({"a.txt": b"x"}))
    content[content.rindex(b"PK\1\2") + 8] |= 1
    content[6] |= 1
    return bytes(content)


def damaged_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(range(256)) * 9)
    content = bytearray(out.getvalue())
    content[45:60] = b"\xff" * 15
    return bytes(content)


def ladder(depth: int) -> str:
    """A tree of one leaf below so many levels."""
    levels = [f"l{rank}" for rank in range(depth)]
    parents = [f"n{rank + 1}" for rank in range(depth - 1)] + ["root"]
    nodes = [{"level": level, "name": f"n{i}", "parent": parents[i]} for i, level in enumerate(levels)]
    return json.dumps({"format": "cairn-tree", "schema": 1, "levels": levels, "nodes": nodes[::-1]})


def backbone(name: str, changes: Mapping[str, object], said: str) -> Kind:
    """A stranger's model folder with a network of `transformers`."""
    files = models.transformer_files()
    config = json.dumps({**json.loads(files["config.json"]), **changes}).encode()
    return Kind(f"backbone: {name}", load_model, {**files, "config.json": config}, said)


def not_finite(files: Files) -> Files:
    """The same folder with one NaN in its head."""
    head = load(files["head.safetensors"])
    head["head.1.bias"][0] = float("nan")
    return {**files, "head.safetensors": save(head)}


def of_type(name: str) -> Kind:
    """The same network with one weight of another type of numbers."""
    files = models.transformer_files()
    head = load(files["head.safetensors"])
    head["head.1.bias"] = head["head.1.bias"].to(getattr(torch, name))
    said = r"head\.1\.bias is of type \w+; weights may be of float16, bfloat16, float32, float64: get the network"
    return Kind(f"model: weights of {name}", load_model, {**files, "head.safetensors": save(head)}, said)


def model(name: str, path: str, change: Callable[[bytes], bytes], said: str) -> Kind:
    files = models.model_files()
    return Kind(name, load_model, {**files, path: change(files[path])}, said)


def described(**changes: object) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        record = json.loads(content)
        return json.dumps({**record, "network": {**record["network"], **changes}}).encode()

    return change


def resume(folder: Path) -> bool:
    return Checkpoints(folder, "run").resume(models.state())


def no_state() -> bytes:
    from safetensors.torch import save

    return save({}, {"run": "run", "state": "{}"})


def search_with(folder: Path) -> object:
    return encode([folder / "picture"], RetrievalModel(tiny_recipe().network).eval())


picture = of(search_with, "picture")


def bomb(form: str) -> bytes:
    """An image whose header claims 100,000 pixels a side (a JPEG's can claim 65,535)."""
    out = io.BytesIO()
    Image.new("L", (1, 1)).save(out, form)
    content = bytearray(out.getvalue())
    if form == "PNG":
        from zlib import crc32

        content[16:24] = (100_000).to_bytes(4, "big") * 2
        content[29:33] = crc32(bytes(content[12:29])).to_bytes(4, "big")
    else:
        start = content.index(b"\xff\xc0") + 5
        content[start : start + 4] = b"\xff" * 4
    return bytes(content)


def of_nodes(name: str, rows: list[tuple[object, ...]], said: str) -> Kind:
    columns = ["node_id", "level", "depth", "name", "parent_id"]
    return Kind(name, lambda _: LabelTree.from_nodes(pd.DataFrame(rows, columns=columns)), {}, said)


def of_links(name: str, links: list[tuple[str, str]], said: str) -> Kind:
    return Kind(name, lambda _: LabelTree.from_parents(links, ["fine", "coarse"]), {}, said)


def tree_text(*nodes: tuple[str, str, str], **more: object) -> str:
    entries = [dict(zip(("level", "name", "parent"), node, strict=True)) for node in nodes]
    entries[0] |= more
    return json.dumps(
        {"format": "cairn-tree", "schema": 1, "levels": ["fine", "coarse"], "nodes": entries},
        ensure_ascii=False,
    )


def leaves(*names: str) -> str:
    return tree_text(("coarse", "c", "root"), *(("fine", name, "c") for name in names))


def wikimedia(name: str, answer: object, said: str) -> Kind:
    def ask(folder: Path) -> None:
        targets.TARGETS["wikimedia"].parse(json.dumps(answer).encode(), folder)

    return Kind(name, ask, {}, said)
