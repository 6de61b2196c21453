"""What is fuzzed of registries, of what was fetched, and of annotations; see `targets`."""

import gzip
import io
import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from requests import Response

from cairnhub.hierarchies.label_tree.tree import LabelTree
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
from cairnhub.pipelines.sources.registry import RegistryRow, read_registry
from cairnhub.pipelines.sources.source_reader import SourceReader
from tests.fuzz.inputs import Target, choose, chosen, head, jpeg, sample, tar_of, write, zip_of
from tests.pipelines.untrusted import annotations, gnd, saved
from tests.project import ROOT

T, R = TypeVar("T"), TypeVar("R")


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
    return {path.relative_to(folder).as_posix(): head(path.read_bytes()) for path in sorted(names)}


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
        files[path.relative_to(folder).as_posix()] = head(path.read_bytes())
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
        return {name: head(archive.read(name)) for name in archive.namelist() if name.endswith(suffixes)}


@cache
def dyml_files() -> dict[str, bytes]:
    folder = sample("dyml_product")
    if list(folder.glob("*.zip")):
        return _zip_files("dyml_product", (".csv",))
    paths = sorted(folder.rglob("*.csv"))
    return {path.relative_to(folder).as_posix(): head(path.read_bytes()) for path in paths}


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
        return {info.name: head(tar.extractfile(info).read()) for info in texts}  # type: ignore[union-attr]


def _in_zip(reader: SourceReader, name: str, files: Callable[[], dict[str, bytes]]) -> Target:
    def parse(content: bytes, folder: Path) -> None:
        chosen, hostile = choose(content, list(files()))
        members = {**files(), chosen: hostile}
        write(folder, {name: zip_of(members)})
        list_all(reader, folder)

    return Target(parse, lambda: chosen(files()))


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


SOURCES: Mapping[str, Target] = {
    "registry": Target(
        _registry, lambda: [head((ROOT / "pipelines/sources/registries/gldv2.tsv").read_bytes())]
    ),
    "ledger": Target(_ledger, lambda: [b"metadata/train.csv\t1\t2\tabc\tmd5:0\n"]),
    "loose_images": Target(_loose_images, lambda: [(ROOT / "tests/data/ages/manifest-2.tsv").read_bytes()]),
    "md5": Target(_md5, lambda: [b"0" * 32 + b"  images_000.tar\n"]),
    "mined": Target(_mined, lambda: [b'{"types": {"A": "b"}, "chains": {"b": ["c"]}}']),
    "wikimedia": Target(_wikimedia, lambda: [b"\n".join(json.dumps(a).encode() for a in WIKIMEDIA)]),
    "gldv2": Target(_gldv2, lambda: chosen(gldv2_files())),
    "inat2018": Target(_inat, lambda: chosen(inat_files())),
    "dyml": _in_zip(DyML("dyml_product"), "dyml_product.zip", dyml_files),
    "sop": _in_zip(SOP(), "Stanford_Online_Products.zip", sop_files),
    "vehicleid": _in_zip(VehicleID(), "VehicleID_V1.0.zip", vehicleid_files),
    "ijbc": _in_zip(IJBC(Quiet()), "IJBC.zip", ijbc_files),
    "mat": Target(_mat, lambda: [annotations((1, "a.jpg"), (2, "b.jpg")), saved(compressed=False, x=3)]),
    "answers": Target(_answers, lambda: [pickle.dumps(gnd(), protocol=2), pickle.dumps(gnd())]),
    "inshop": Target(_in_shop, lambda: [(sample("inshop") / "list_eval_partition.txt").read_bytes()]),
    "cub": Target(_cub, lambda: chosen(cub_files())),
    "table": Target(_table, lambda: [TABLE]),
}
