"""The embedded datasets: `generate("gldv2", folder)` draws one in the layout its authors publish."""

import csv
import hashlib
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path

import PIL

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.core.files import replace_folder
from cairnhub.pipelines.code import fingerprint

REGISTRY = "registry.tsv"
RECIPE = ".recipe"  # what the folder was drawn with: a folder of older code is drawn anew
SAMPLES: Mapping[str, str] = {
    "gldv2": "gldv2:write",
    "inat2018": "inat2018:write",
    "dyml_animal": "dyml:write_animal",
    "dyml_vehicle": "dyml:write_vehicle",
    "dyml_product": "dyml:write_product",
    "sop": "sop:write",
    "cub": "cub:write",
    "vehicleid": "vehicleid:write",
    "cars196": "cars196:write",
    "inshop": "inshop:write",
    "roxford5k": "revisited:write_oxford",
    "rparis6k": "revisited:write_paris",
    "vggface2": "vggface2:write",
    "ijbc": "ijbc:write",
    "crockery": "crockery:write",
}
"""Dataset -> `<module beside this one>:<function that writes it into a folder>`; only that module is imported."""


def generate(dataset: str, folder: Path) -> None:
    """Draw one embedded dataset with `registry.tsv` beside its files, unless it is there already.

    The bytes depend on the code, the facts and the versions of Pillow and zlib only. The registry, sorted by
    name, has the columns `name` (posix path below `folder`), `url` (the same path), `bytes`, `hash`
    (`sha256:<hex>`).

    Args:
        dataset: one of `SAMPLES`.
        folder: where to; it appears complete or not at all.

    Raises:
        CairnError: no such dataset, or `folder` holds something that this function did not write.
    """
    if dataset not in SAMPLES:
        raise NotFound(f"There is no embedded dataset {dataset!r}; there are {', '.join(SAMPLES)}.")
    recipe = f"{dataset} {_fingerprint(dataset)}\n"
    if _is_complete(folder, recipe):
        return
    if folder.exists() and not (folder / RECIPE).is_file() and any(folder.iterdir()):
        raise BadInput(f"{folder} holds other files; name a new or an empty folder for sample {dataset!r}.")
    with replace_folder(folder) as new:
        _writer(dataset)(new)
        _write_registry(new)
        (new / RECIPE).write_text(recipe, encoding="utf-8")


def _write_registry(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with (folder / REGISTRY).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["name", "url", "bytes", "hash"])
        for path in files:
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            writer.writerow([name, name, len(content), f"sha256:{hashlib.sha256(content).hexdigest()}"])


def _is_complete(folder: Path, recipe: str) -> bool:
    """Drawn by this very code, and every file still there in its full size."""
    if not (folder / RECIPE).is_file() or (folder / RECIPE).read_text(encoding="utf-8") != recipe:
        return False
    with (folder / REGISTRY).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        paths = [(folder / row["name"], int(row["bytes"])) for row in rows]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _writer(dataset: str) -> Callable[[Path], None]:
    name, _, function = SAMPLES[dataset].partition(":")
    module = importlib.import_module(f"cairnhub.pipelines.samples.{name}")
    write: Callable[[Path], None] = getattr(module, function)
    return write


def _fingerprint(dataset: str) -> str:
    """Of all that the bytes depend on: Pillow, and the code and facts that the dataset's module uses."""
    name = SAMPLES[dataset].partition(":")[0]
    code = fingerprint([__name__.removeprefix("cairnhub."), f"pipelines.samples.{name}"])
    return hashlib.sha256(f"{PIL.__version__} {code}".encode()).hexdigest()
