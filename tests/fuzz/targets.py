"""What is fuzzed: every parser as a function of bytes, and seeds that it accepts.

A target calls its parser and uses what comes out as the product would: what is taken in must not fail later.
`CairnError` is the contract; the harness counts any other exception as a finding.
"""

import contextlib
import gzip
import io
import json
import pickle
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from requests import Response
from safetensors.numpy import save

from cairnhub.core.errors import CairnError
from cairnhub.datasets_hub.card import front_matter, read_card
from cairnhub.datasets_hub.decoding import decode_image
from cairnhub.datasets_hub.duplicates import look
from cairnhub.datasets_hub.image_check import ImageCheck
from cairnhub.datasets_hub.location import Location, open_dataset
from cairnhub.datasets_hub.stats import SCHEMA, Stats
from cairnhub.hierarchies.export import FORMATS, export
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.proposal.text_vectors import Embeddings
from cairnhub.hierarchies.proposal.tree_proposal import TreeProposal
from cairnhub.hierarchies.render import render_text
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, read_decisions
from cairnhub.hierarchies.review.label_studio_answers import read_answers, unanimous
from cairnhub.hierarchies.voice.model_evidence import read_evidence, with_evidence
from cairnhub.pipelines.archives.member_reader import MemberReader
from cairnhub.pipelines.archives.tar import Tar
from cairnhub.pipelines.archives.targz import TarGz
from cairnhub.pipelines.archives.zip import Zip
from cairnhub.pipelines.artifacts.class_list import HEADER, ClassList
from cairnhub.pipelines.embedding_files import KINDS, read_embeddings, read_labels
from cairnhub.pipelines.params import load_params
from cairnhub.pipelines.samples.generate import generate
from cairnhub.pipelines.settings.sources import GLDv2Source, INat2018Source, TableSource
from cairnhub.pipelines.sources.formats.cub.cub_reader import CUB
from cairnhub.pipelines.sources.formats.dyml import DyML
from cairnhub.pipelines.sources.formats.gldv2.mined_types import FILE, mined_types
from cairnhub.pipelines.sources.formats.gldv2.published_hashes import with_published_hashes
from cairnhub.pipelines.sources.formats.gldv2.reader import GLDv2
from cairnhub.pipelines.sources.formats.gldv2.wikimedia import WikiApi, mine
from cairnhub.pipelines.sources.formats.ijbc import IJBC
from cairnhub.pipelines.sources.formats.inat2018 import INat2018
from cairnhub.pipelines.sources.formats.inshop import InShop
from cairnhub.pipelines.sources.formats.revisited import CITIES, landmarks, read_benchmark
from cairnhub.pipelines.sources.formats.sop import SOP
from cairnhub.pipelines.sources.formats.table import Table
from cairnhub.pipelines.sources.formats.vehicleid import VehicleID
from cairnhub.pipelines.sources.ledger import LEDGER, Ledger
from cairnhub.pipelines.sources.manifest import read_manifest
from cairnhub.pipelines.sources.mat_files import read_mat
from cairnhub.pipelines.sources.registered_counts import expected_counts
from cairnhub.pipelines.sources.registry import REGISTRIES, RegistryRow, read_registry
from cairnhub.pipelines.sources.source_reader import SourceReader
from cairnhub.training.recipes.files import FOLDER, recipe_files
from cairnhub.training.recipes.recipe import load_recipe
from tests.hierarchies.toy import PROPOSAL
from tests.odd_images import EXIF, with_exif
from tests.pipelines.untrusted import annotations, gnd, saved
from tests.project import ROOT

MAX_PIXELS = 1_000_000
N_LINES = 12
"""Of each annotation file of the sample: a seed is short, so that an execution is quick."""
Files = Mapping[str, bytes]
T, R = TypeVar("T"), TypeVar("R")


@dataclass(frozen=True)
class Target:
    """A parser.

    Attributes:
        parse: takes hostile bytes and an empty folder to lay them in.
        seeds: inputs that are parsed without an error.
    """

    parse: Callable[[bytes, Path], object]
    seeds: Callable[[], Iterable[bytes]]


# ---- registries and what was fetched ------------------------------------------------------------------------


def _registry(content: bytes, folder: Path) -> None:
    (folder / "x.tsv").write_bytes(content)
    for row in read_registry(folder / "x.tsv"):
        assert (folder / row.name).resolve().is_relative_to(folder.resolve())


def _ledger(content: bytes, folder: Path) -> None:
    (folder / LEDGER).write_bytes(content)
    Ledger(folder).find("metadata/train.csv", None, None)


def _loose_images(content: bytes, folder: Path) -> None:
    manifest = (ROOT / "tests/data/ages/manifest-2.json").read_bytes()
    write(folder, {"manifest.json": manifest, "images.tsv": content})
    read_manifest(folder / "manifest.json", folder / "images.tsv")


def _md5(content: bytes, folder: Path) -> None:
    name = "md5sum/train/md5.images_000.txt"
    write(folder, {name: content})
    rows = [RegistryRow(name, "x", None, None), RegistryRow("train/images_000.tar", "x", None, None)]
    with_published_hashes(rows, folder)


def _mined(content: bytes, folder: Path) -> None:
    write(folder, {FILE: content})
    mined = mined_types(folder)
    json.dumps([dict(mined.types), dict(mined.chains)]).encode()


class _Answers:
    """A server that gives one prepared answer after the other."""

    def __init__(self, answers: list[bytes]) -> None:
        self.headers: dict[str, str] = {}
        self.answers = answers

    def post(self, *_: object, **__: object) -> Response:
        response = Response()
        response.status_code = 200
        response.raw = io.BytesIO(self.answers.pop(0) if self.answers else b"{}")
        return response


def _wikimedia(content: bytes, folder: Path) -> None:
    answers = _Answers(content.split(b"\n"))
    api = WikiApi("https://example.org/api.php", folder, "a@b", wait=lambda _: None, session=answers)  # type: ignore[arg-type]
    mine(["Category:A"], api, api, depth=2)


WIKIMEDIA = (
    {"query": {"pages": [{"title": "Category:A", "pageprops": {"wikibase_item": "Q1"}}]}},
    {"entities": {"Q1": {"id": "Q1", "labels": {"en": {"value": "a"}}, "claims": {"P31": [
        {"rank": "normal", "mainsnak": {"snaktype": "value", "datavalue": {"value": {"id": "Q2"}}}}]}}}},
    {"entities": {"Q2": {"id": "Q2", "labels": {"en": {"value": "b"}}, "claims": {}}}},
)  # fmt: skip


# ---- annotations --------------------------------------------------------------------------------------------


@cache
def sample(dataset: str) -> Path:
    """The files of an embedded sample, drawn once."""
    folder = Path(tempfile.mkdtemp(prefix=f"cairn-fuzz-{dataset}-"))
    generate(dataset, folder)
    return folder


def write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _head(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:N_LINES])


def tar_of(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_of(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "JPEG")
    return out.getvalue()


def choose(content: bytes, names: list[str]) -> tuple[str, bytes]:
    """The first byte says which file the others are."""
    return names[(content[0] if content else 0) % len(names)], content[1:]


def _chosen(files: Files) -> list[bytes]:
    return [bytes([place]) + content for place, content in enumerate(files.values())]


class Quiet:
    """An executor without a progress bar."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T], title: str | None = None) -> Iterator[R]:
        return map(function, tasks)


def list_all(reader: SourceReader, store: Path) -> None:
    """List a store and make the tree of what is listed, as the stages `index` and `taxonomy` do."""
    images = reader.list_images(store).images
    levels = [level for level in reader.levels if level in images]
    if len(images) and len(levels) == len(reader.levels):
        LabelTree.from_table(images, levels).to_json().encode()


@cache
def gldv2_files() -> dict[str, bytes]:
    folder = sample("gldv2")
    names = [*(folder / "metadata").iterdir(), *(folder / "ground_truth").iterdir()]
    return {path.relative_to(folder).as_posix(): _head(path.read_bytes()) for path in sorted(names)}


def _gldv2(content: bytes, folder: Path) -> None:
    files = gldv2_files()
    name, hostile = choose(content, list(files))
    ids = files["metadata/train.csv"].decode().splitlines()[1:]
    tar = tar_of({f"{line.partition(',')[0]}.jpg": jpeg() for line in ids})
    write(folder, {**files, **{f"{split}/images_000.tar": tar for split in ("train", "index", "test")}})
    write(folder, {name: hostile})
    is_published = len(hostile) % 2 == 1
    source = GLDv2Source(
        format="gldv2", clean=is_published, hierarchy="published" if is_published else "proposed"
    )
    list_all(GLDv2(source, executor=Quiet()), folder)


@cache
def inat_files() -> dict[str, bytes]:
    folder = sample("inat2018")
    files = {}
    for path in sorted(folder.rglob("*.txt")):
        files[path.relative_to(folder).as_posix()] = _head(path.read_bytes())
    for name in ("categories", "train2018", "val2018"):
        with tarfile.open(folder / f"{name}.json.tar.gz") as tar:
            member = tar.extractfile(f"{name}.json")
            parsed = json.loads(member.read() if member else b"")
        if isinstance(parsed, dict):
            parsed["images"] = parsed["images"][:3]
        files[f"{name}.json"] = json.dumps(parsed[:3] if isinstance(parsed, list) else parsed).encode()
    return files


def _inat(content: bytes, folder: Path) -> None:
    files = inat_files()
    name, hostile = choose(content, list(files))
    for path, text in {**files, name: hostile}.items():
        packed = {f"{path}.tar.gz": gzip.compress(tar_of({path: text}), 1)} if path.endswith("json") else {}
        write(folder, packed or {path: text})
    list_all(INat2018(INat2018Source(format="inat2018")), folder)


def _zip_files(dataset: str, suffixes: tuple[str, ...]) -> dict[str, bytes]:
    (path,) = sample(dataset).glob("*.zip")
    with zipfile.ZipFile(path) as archive:
        return {name: _head(archive.read(name)) for name in archive.namelist() if name.endswith(suffixes)}


@cache
def dyml_files() -> dict[str, bytes]:
    folder = sample("dyml_product")
    if list(folder.glob("*.zip")):
        return _zip_files("dyml_product", (".csv",))
    paths = sorted(folder.rglob("*.csv"))
    return {path.relative_to(folder).as_posix(): _head(path.read_bytes()) for path in paths}


@cache
def sop_files() -> dict[str, bytes]:
    return _zip_files("sop", ("train.txt", "test.txt"))


@cache
def vehicleid_files() -> dict[str, bytes]:
    return _zip_files("vehicleid", (".txt",))


@cache
def ijbc_files() -> dict[str, bytes]:
    return _zip_files("ijbc", (".txt", ".csv"))


@cache
def cub_files() -> dict[str, bytes]:
    with tarfile.open(next(sample("cub").glob("*.tgz"))) as tar:
        texts = [info for info in tar if info.name.endswith(".txt")]
        return {info.name: _head(tar.extractfile(info).read()) for info in texts}  # type: ignore[union-attr]


def _in_zip(reader: SourceReader, name: str, files: Callable[[], dict[str, bytes]]) -> Target:
    def parse(content: bytes, folder: Path) -> None:
        chosen, hostile = choose(content, list(files()))
        members = {**files(), chosen: hostile}
        write(folder, {name: zip_of(members)})
        list_all(reader, folder)

    return Target(parse, lambda: _chosen(files()))


def _cub(content: bytes, folder: Path) -> None:
    name, hostile = choose(content, list(cub_files()))
    images = [line.split()[-1] for line in cub_files()["CUB_200_2011/images.txt"].decode().splitlines()]
    members = {f"CUB_200_2011/images/{path}": jpeg() for path in images[:4]}
    write(folder, {"CUB_200_2011.tgz": gzip.compress(tar_of({**cub_files(), name: hostile, **members}), 1)})
    list_all(CUB(), folder)


def _mat(content: bytes, folder: Path) -> None:
    for name, value in read_mat(content, folder / "x.mat").items():
        f"{name}: {str(value)[:80]}".encode()


def _answers(content: bytes, folder: Path) -> None:
    write(folder, {"gnd_roxford5k.pkl": content})
    landmarks(read_benchmark(folder / "gnd_roxford5k.pkl"), CITIES["oxford"])


def _in_shop(content: bytes, folder: Path) -> None:
    shutil.copy(sample("inshop") / "img.zip", folder)
    write(folder, {"list_eval_partition.txt": content})
    list_all(InShop(), folder)


TABLE = b"path,fine,coarse,split\na/1.jpg,cat,animal,train\na/2.jpg,dog,animal,test\n"


def _table(content: bytes, folder: Path) -> None:
    write(folder, {"labels.csv": content, "images.tar": tar_of({"a/1.jpg": jpeg(), "a/2.jpg": jpeg()})})
    fields = {
        "labels": "labels.csv",
        "images": ["images.tar"],
        "levels": ["fine", "coarse"],
        "split": "split",
    }
    list_all(Table("mine", TableSource.model_validate({"format": "table", **fields}), Quiet()), folder)


# ---- archives and images ------------------------------------------------------------------------------------


def _tar(content: bytes, folder: Path) -> None:
    write(folder, {"x.tar": content})
    with MemberReader(folder) as reader:
        for entry in Tar(folder, "x.tar").entries():
            entry.member.encode()
            if not entry.refusal:
                reader.read(entry)


def _tar_gz(content: bytes, folder: Path) -> None:
    is_raw, rest = content[:1] == b"\0", content[1:]
    write(folder, {"x.tar.gz": rest if is_raw else gzip.compress(rest, 1)})
    for member in TarGz(folder, "x.tar.gz").members():
        member.name.encode()


def _zip(content: bytes, folder: Path) -> None:
    write(folder, {"x.zip": content})
    archive = Zip(folder, "x.zip")
    with contextlib.closing(archive.open()) as opened:
        for entry in archive.entries():
            entry.member.encode()
            if not entry.refusal:
                with contextlib.suppress(CairnError):
                    opened.read(entry)


def _image(content: bytes, folder: Path) -> None:
    ImageCheck().fault(content)
    if ImageCheck(MAX_PIXELS, decode=True).fault(content) is None:
        look(decode_image(content))


def pictures() -> list[bytes]:
    found = []
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "QOI", "SGI"):
        out = io.BytesIO()
        Image.effect_noise((12, 9), 50).convert("RGB").save(out, form)
        found.append(out.getvalue())
    return [*found, *(with_exif(found[0], block) for block in EXIF.values())]


# ---- trees and decisions ------------------------------------------------------------------------------------


def use_tree(tree: LabelTree) -> None:
    """Everything that is done with a tree."""
    assert LabelTree.from_json(tree.to_json()) == tree
    assert LabelTree.from_nodes(tree.nodes()) == tree
    for form in FORMATS:
        export(tree, form).encode()
    render_text(tree)
    tree.find(tree.leaves[0])


def _tree(content: bytes, folder: Path) -> None:
    write(folder, {"tree.json": content})
    use_tree(LabelTree.load(folder / "tree.json"))


NODES = LabelTree.from_table(pd.DataFrame({"fine": ["a", "b"], "coarse": ["c", "c"]}), ["fine", "coarse"])


def _nodes(content: bytes, folder: Path) -> None:
    """A table of nodes as somebody might have saved it: CSV with types guessed."""
    try:
        frame = pd.read_csv(io.BytesIO(content))
    except (ValueError, OverflowError):
        return
    use_tree(LabelTree.from_nodes(frame))


def _proposal(content: bytes, folder: Path) -> None:
    write(folder, {"proposal.json": content})
    proposal = TreeProposal.load(folder / "proposal.json")
    tree, report = apply_decisions(proposal, ())
    tree.to_json().encode()
    report.counts()


def _class_list(content: bytes, folder: Path) -> None:
    write(folder, {"x.tsv": content})
    tree, classes = ClassList.load(folder / "x.tsv").number(NODES)
    use_tree(tree)
    classes.save()
    assert ClassList.load(folder / "x.tsv").number(NODES)[0] == tree


def _decisions(content: bytes, folder: Path) -> None:
    write(folder, {"x.jsonl": content})
    decisions = read_decisions(folder / "x.jsonl")
    tree, report = apply_decisions(PROPOSAL, decisions)
    assert sum(report.counts().values()) - len(report.pending) <= len(decisions)
    use_tree(tree)


def _evidence(content: bytes, folder: Path) -> None:
    write(folder, {"x.jsonl": content})
    told = with_evidence(PROPOSAL, read_evidence(folder / "x.jsonl"))
    told.check("x")
    use_tree(apply_decisions(told, ())[0])


def _label_studio(content: bytes, folder: Path) -> None:
    write(folder, {"x.json": content})
    for answer in unanimous(read_answers(folder / "x.json")):
        decision = Decision(
            "move", answer.level, answer.label, answer.to, author=answer.author, date=answer.date
        )
        assert Decision.from_line(decision.to_line(), "x") == decision


LABEL_STUDIO = b"""[{"id": 1, "data": {"dataset": "gldv2", "level": "landmark", "label": "moat"}, "annotations":
[{"result": [{"from_name": "group", "type": "choices", "value": {"choices": ["castle"]}}], "was_cancelled": false,
"completed_by": {"id": 7, "email": "ada@example.org"}, "updated_at": "2026-03-01T10:00:00Z"}]}]"""
EVIDENCE = b"""{"ask": "place", "level": "type", "label": "moat", "members": ["fort"], "choices": ["castle", "x"], \
"answer": "castle", "model": "m", "date": "2026-03-01T10:00:00Z"}
{"ask": "name", "level": "category", "members": ["fort", "keep"], "answer": "a", "model": "m", \
"date": "2026-03-01T10:00:00Z"}
"""
DECISIONS = b"""{"act": "move", "level": "type", "label": "keep", "to": "castle", "author": "ada"}
{"act": "rename", "level": "category", "label": "castle", "to": "fortress"}
{"act": "split", "level": "category", "label": "castle", "to": "fort", "members": ["fort"], "kind": "natural"}
{"act": "undo", "of": "0123456789ab"}
"""


# ---- cards, numbers, parameters -----------------------------------------------------------------------------

CARD = """---
license: mit
configs: []
cairn:
  name: toy
  title: Toy
  description: Drawn.
  licence: MIT
  redistributable: true
  levels: [fine, coarse]
  annotation_origin: given
  protocols: [{name: main, query: test, gallery: test}]
  sources: [{name: a, url: "https://example.org"}]
---

# Toy
"""
SHARD = {
    "path": "data/x-0123456789abcdef.parquet",
    "n_rows": 1,
    "size_bytes": 1,
    "image_bytes": 1,
    "sha256": "0",
}
STATS = {
    "schema": SCHEMA, "fingerprint": "0", "tree_fingerprint": "0", "n_names": {"fine": 1},
    "splits": {"train": {"n_listed": 1, "n_images": 1, "n_quarantined": 0, "n_excluded": 0, "n_unlabelled": 0,
                         "n_labels": {"fine": 1}, "shards": [SHARD]}},
    "tables": {"nodes": SHARD}, "quarantine": {}, "with_images": True,
}  # fmt: skip


def _published(readme: bytes, stats: bytes, folder: Path) -> None:
    write(folder, {"README.md": readme, "stats.json": stats})
    found = open_dataset(Location(str(folder)))
    f"{found.stats.n_images:,} {found.card.licence} {found.data_files}".encode()


def _card(content: bytes, folder: Path) -> None:
    _published(content, json.dumps(STATS).encode(), folder)
    text = content.decode()
    front_matter(text, "README.md")
    assert read_card(text, "README.md").model_dump_json()


def _stats(content: bytes, folder: Path) -> None:
    _published(CARD.encode(), content, folder)
    Stats.from_json(content.decode(), "stats.json").save(folder / "again.json")


def _params(content: bytes, folder: Path) -> None:
    write(folder, {"params.yaml": content})
    load_params(folder / "params.yaml")


def _recipe(content: bytes, folder: Path) -> None:
    write(folder, {"mine.yaml": content, "small.yaml": (FOLDER / "small.yaml").read_bytes()})
    load_recipe("mine", folder)


def _counts(content: bytes, folder: Path) -> None:
    write(folder, {"gldv2.counts.yaml": content})
    expected_counts("gldv2", "full", folder)


# ---- models and vectors -------------------------------------------------------------------------------------


def _models() -> ModuleType:
    """Torch takes seconds to import: only where it is needed."""
    from tests.fuzz import models

    return models


@cache
def embeddings() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        from tests.hierarchies.toy import ToyEmbedder

        Embeddings.of(["a", "b"], ToyEmbedder()).save(Path(name) / "x.parquet")
        return (Path(name) / "x.parquet").read_bytes()


def _embeddings(content: bytes, folder: Path) -> None:
    write(folder, {"x.parquet": content})
    Embeddings.load(folder / "x.parquet")


def _vectors(content: bytes, folder: Path) -> None:
    kind = KINDS[content[0] % len(KINDS)] if content else KINDS[0]
    write(folder, {f"x{kind}": content[1:]})
    read = read_embeddings(folder / f"x{kind}")
    assert np.isfinite(read.vectors).all()
    assert read.ids is None or len(read.ids) == len(read.vectors)


def vectors() -> list[bytes]:
    """One of each kind, after the kind's number."""
    rows = np.eye(3, 2, dtype=np.float32) + 1
    npy, parquet = io.BytesIO(), io.BytesIO()
    np.save(npy, rows)
    pq.write_table(pa.table({"image_id": list("abc"), "vector": rows.tolist()}), parquet)
    made = [npy.getvalue(), parquet.getvalue(), save({"embeddings": rows})]
    return [bytes([number]) + content for number, content in enumerate(made)]


def _label_table(content: bytes, folder: Path) -> None:
    write(folder, {"x.csv": content})
    read = read_labels(folder / "x.csv")
    assert read.ids is None or len(set(read.ids)) == len(read.labels)


def _text(path: Path) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes()]


_MEMBERS = {"a.jpg": b"12345", "d/b.txt": b"x" * 600}

TARGETS: Mapping[str, Target] = {
    "registry": Target(
        _registry, lambda: [_head((ROOT / "pipelines/sources/registries/gldv2.tsv").read_bytes())]
    ),
    "ledger": Target(_ledger, lambda: [b"metadata/train.csv\t1\t2\tabc\tmd5:0\n"]),
    "loose_images": Target(_loose_images, lambda: [(ROOT / "tests/data/ages/manifest-2.tsv").read_bytes()]),
    "md5": Target(_md5, lambda: [b"0" * 32 + b"  images_000.tar\n"]),
    "mined": Target(_mined, lambda: [b'{"types": {"A": "b"}, "chains": {"b": ["c"]}}']),
    "wikimedia": Target(_wikimedia, lambda: [b"\n".join(json.dumps(a).encode() for a in WIKIMEDIA)]),
    "gldv2": Target(_gldv2, lambda: _chosen(gldv2_files())),
    "inat2018": Target(_inat, lambda: _chosen(inat_files())),
    "dyml": _in_zip(DyML("dyml_product"), "dyml_product.zip", dyml_files),
    "sop": _in_zip(SOP(), "Stanford_Online_Products.zip", sop_files),
    "vehicleid": _in_zip(VehicleID(), "VehicleID_V1.0.zip", vehicleid_files),
    "ijbc": _in_zip(IJBC(Quiet()), "IJBC.zip", ijbc_files),
    "mat": Target(_mat, lambda: [annotations((1, "a.jpg"), (2, "b.jpg")), saved(compressed=False, x=3)]),
    "answers": Target(_answers, lambda: [pickle.dumps(gnd(), protocol=2), pickle.dumps(gnd())]),
    "inshop": Target(_in_shop, lambda: [(sample("inshop") / "list_eval_partition.txt").read_bytes()]),
    "cub": Target(_cub, lambda: _chosen(cub_files())),
    "table": Target(_table, lambda: [TABLE]),
    "tar": Target(_tar, lambda: [tar_of(_MEMBERS), tar_of({"é" * 90: b"1"})]),
    "tar_gz": Target(_tar_gz, lambda: [b"\1" + tar_of(_MEMBERS), b"\0" + gzip.compress(tar_of(_MEMBERS))]),
    "zip": Target(_zip, lambda: [zip_of(_MEMBERS)]),
    "image": Target(_image, pictures),
    "tree": Target(_tree, lambda: [NODES.to_json().encode()]),
    "nodes": Target(_nodes, lambda: [NODES.nodes().to_csv(index=False).encode()]),
    "proposal": Target(_proposal, lambda: [PROPOSAL.to_json().encode()]),
    "class_list": Target(
        _class_list, lambda: [f"{HEADER}\n{NODES.levels[0]}\t{NODES.leaves[-1]}\n".encode()]
    ),
    "decisions": Target(_decisions, lambda: [DECISIONS]),
    "evidence": Target(_evidence, lambda: [EVIDENCE]),
    "label_studio": Target(_label_studio, lambda: [LABEL_STUDIO]),
    "card": Target(_card, lambda: [CARD.encode()]),
    "stats": Target(_stats, lambda: [json.dumps(STATS).encode()]),
    "params": Target(_params, _text(ROOT / "params.yaml")),
    "recipe": Target(_recipe, lambda: [path.read_bytes() for path in recipe_files()]),
    "counts": Target(_counts, _text(REGISTRIES / "gldv2.counts.yaml")),
    "model": Target(lambda *given: _models().model(*given), lambda: _chosen(_models().model_files())),
    "model_config": Target(
        lambda *given: _models().model_config(*given), lambda: _chosen(_models().config_files())
    ),
    "checkpoint": Target(lambda *given: _models().checkpoint(*given), lambda: [_models().checkpoint_file()]),
    "embeddings": Target(_embeddings, lambda: [embeddings()]),
    "vectors": Target(_vectors, vectors),
    "label_table": Target(_label_table, lambda: [b"image_id,species,genus\na,b,c\nd,e,c\n"]),
}
"""Parser -> how it is fuzzed."""
