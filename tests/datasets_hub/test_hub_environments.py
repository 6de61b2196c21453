"""Other people's environments: three versions of `datasets`, a project without Cairn, a bare `pip install`.

The environments are made once and kept in the user's cache (or `CAIRN_TEST_ENVIRONMENTS`); where packages
cannot be installed, as without a network, the tests are skipped and say so.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_toy import N_IMAGES, toy_tree

from cairnhub.datasets_hub.image_check import ImageCheck
from cairnhub.datasets_hub.push import push
from tests.odd_images import DAMAGE, EXIF, SEGMENTS, encoded, photo, with_exif, with_segment

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("CAIRN_TEST_ENVIRONMENTS", Path.home() / ".cache" / "cairn" / "environments"))
pytestmark = pytest.mark.slow
Environment = Callable[..., Path]
VERSIONS = ("3.6.0", "4.8.0", "5.2.0")


def install(python: Path, *packages: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot install {' '.join(packages)}: {done.stderr.strip().splitlines()[-1]}")


@pytest.fixture(scope="module")
def environment() -> Environment:
    """Make an environment with the given packages, or find it made; returns its Python."""

    def make(name: str, *packages: str) -> Path:
        folder = CACHE / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
        python, ready = folder / "bin" / "python", folder / "ready"
        if ready.exists() and ready.read_text() == " ".join(packages):
            return python
        venv.create(folder, with_pip=True, clear=True)
        install(python, *packages)
        ready.write_text(" ".join(packages))
        return python

    return make


def run(python: Path, code: str, *arguments: str, cwd: Path) -> str:
    """Run code in another environment that cannot see this repository."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= {
        "HF_HOME": str(cwd / "home"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(
        [str(python), "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=variables,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


READ = """
import hashlib, json, pathlib, sys
import datasets
folder, uri, options, folder_of_cache = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]

def columns(split):
    return {k: getattr(v, "names", getattr(v, "dtype", None)) for k, v in split.features.items()}

def digest(split):
    content = hashlib.sha256()
    n_rows = 0
    for row in split:
        n_rows += 1
        image = row.pop("image")
        content.update(json.dumps(row, sort_keys=True).encode() + image.convert("RGB").tobytes())
    return [n_rows, content.hexdigest()]

found = {"disk": datasets.load_dataset(folder), "stream": datasets.load_dataset(folder, streaming=True)}
head = json.load(open(folder + "/stats.json"))["splits"]
files = {name: [f"{uri}/{shard['path']}" for shard in split["shards"]] for name, split in head.items()}
remote = {"data_files": files, "storage_options": options}
found["s3"] = datasets.load_dataset("parquet", **remote)
found["s3 stream"] = datasets.load_dataset("parquet", **remote, streaming=True)
result = {}
for kind, loaded in found.items():
    result[kind] = {name: digest(split) for name, split in sorted(loaded.items())}
    result["columns of " + kind] = columns(loaded["test"])

cache = pathlib.Path(folder_of_cache)
alone = datasets.load_dataset(folder, "test", split="test", cache_dir=folder_of_cache)
result["prepared alone"] = sorted(file.name for file in cache.rglob("*.arrow"))
result["alone"] = [digest(alone), digest(datasets.load_dataset(folder, "test", split="test", streaming=True))]
result["columns alone"] = columns(alone)
nodes = datasets.load_dataset(folder, "nodes", split="train")
result["nodes"] = hashlib.sha256(json.dumps(nodes.to_dict(), sort_keys=True).encode()).hexdigest()
print(json.dumps(result))
"""


@pytest.mark.long
def test_every_version_of_datasets_reads_the_same(
    hub: Path, tmp_path: Path, s3: dict[str, object], environment: Environment
) -> None:
    push("toy", "s3://hub/matrix/toy", hub=hub, storage_options=s3)
    folder = str(hub / "sample" / "toy")
    results = []
    for version in VERSIONS:
        python = environment(f"datasets-{version}", f"datasets=={version}", "pillow", "s3fs")
        (tmp_path / version).mkdir()
        cache = str(tmp_path / version / "alone")
        output = run(
            python, READ, folder, "s3://hub/matrix/toy", json.dumps(s3), cache, cwd=tmp_path / version
        )
        results.append(json.loads(output))
    first = results[0]
    assert {name: rows for name, (rows, _) in first["disk"].items()} == N_IMAGES
    assert first["disk"] == first["stream"] == first["s3"] == first["s3 stream"]
    assert first["alone"] == [first["disk"]["test"]] * 2
    assert first["prepared alone"] == ["toy-test.arrow"]
    # Names come with the README; whoever names the files alone has images and the same integers.
    tree = toy_tree()
    named = first["columns of disk"]
    assert named == first["columns of stream"] == first["columns alone"]
    assert (named["fine"], named["middle"], named["coarse"]) == ("int64", *map(list, tree.names[1:]))
    assert (
        first["columns of s3"] == first["columns of s3 stream"] == named | dict.fromkeys(tree.levels, "int64")
    )
    assert results[1] == first
    assert results[2] == first


DECODE = """
import json, pathlib, sys, warnings
import datasets
warnings.simplefilter("ignore")
verdicts = {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        datasets.Image().decode_example({"bytes": path.read_bytes(), "path": None})
        verdicts[path.name] = True
    except Exception:
        verdicts[path.name] = False
print(json.dumps(verdicts))
"""


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_let_in_is_what_every_version_decodes(
    version: str, tmp_path: Path, environment: Environment
) -> None:
    jpeg = encoded(photo(1, (160, 120)), "JPEG")
    images = {
        **{f"exif, {name}": with_exif(jpeg, block) for name, block in EXIF.items()},
        **{f"segment, {name}": with_segment(jpeg, *segment) for name, segment in SEGMENTS.items()},
        **{f"damage, {name}": damage(jpeg) for name, damage in DAMAGE.items()},
        **{f"form, {form}": encoded(photo(), form) for form in ("AVIF", "JPEG2000", "PPM", "TGA", "TIFF", "WEBP")},
        **{f"mode, {mode}": encoded(photo().convert(mode), "TIFF") for mode in ("1", "CMYK", "LAB", "F", "RGBA")},
    }  # fmt: skip
    folder = tmp_path / "images"
    folder.mkdir()
    for name, content in images.items():
        (folder / name.replace("/", " of ")).write_bytes(content)
    expected = {
        name.replace("/", " of "): ImageCheck().fault(content) is None for name, content in images.items()
    }
    python = environment(f"datasets-{version}", f"datasets=={version}", "pillow", "s3fs")
    assert json.loads(run(python, DECODE, str(folder), cwd=tmp_path)) == expected


@pytest.mark.long
def test_the_downstream_example(hub: Path, tmp_path: Path, environment: Environment) -> None:
    example = ROOT / "examples" / "downstream"
    python = environment("downstream", *(example / "requirements.txt").read_text().split())
    code = f"import sys, runpy; runpy.run_path({str(example / 'knn.py')!r}, run_name='__main__')"
    output = run(python, code, str(hub / "sample" / "toy"), cwd=tmp_path)
    assert output.startswith("middle: ")
    assert "coarse: " in output
    loading = (example / "knn.py").read_text().split("levels =")[0]
    assert len([line for line in loading.splitlines() if line and not line.startswith('"""')]) <= 10


def test_a_bare_install_is_light(hub: Path, tmp_path: Path, environment: Environment) -> None:
    python = environment("bare", "hatchling")
    install(python, "--no-build-isolation", str(ROOT))
    code = """
import sys, time, importlib.util
from importlib.metadata import distributions
import datasets
start = time.perf_counter()
import cairnhub.datasets_hub
seconds = time.perf_counter() - start
from cairnhub.datasets_hub.loader import load_dataset, load_tree, list_datasets
names = {found.metadata["Name"].lower() for found in distributions()}
assert not {"torch", "sentence-transformers"} & names, names
loaded = load_dataset("toy", "test", hub=sys.argv[1])
print(seconds, loaded.num_rows, len(load_tree("toy", hub=sys.argv[1])), cairnhub.datasets_hub.__file__)
"""
    seconds, n_rows, n_leaves, where = run(python, code, str(hub), cwd=tmp_path).split()
    assert float(seconds) < 0.3
    assert (int(n_rows), int(n_leaves)) == (N_IMAGES["test"], 600)
    assert str(ROOT) not in where
