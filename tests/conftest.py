"""Fixtures that every folder of tests shares."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cairnhub.training.recipes.files import recipe_files
from tests.project import BUILT, ROOT, Project, copy_repository

N_EPOCHS = 3


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The workshop's reference data; tests that use it are marked `shared`."""
    folder = ROOT.parent / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip("the reference data (../shared) is not on this machine")
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The sample of `BUILT`, built by `dvc repro`."""
    project = copy_repository(tmp_path_factory.mktemp("project"))
    params = (project.root / "params.yaml").read_text(encoding="utf-8")
    from_data = [name for name in BUILT if name in yaml.safe_load(params)["tree_from_data"]]
    for key, names in (("datasets", BUILT), ("tree_from_data", from_data)):
        params = re.sub(rf"(?m)^{key}: \[.*\]", f"{key}: [{', '.join(names)}]", params)
    (project.root / "params.yaml").write_text(params, encoding="utf-8")
    for recipe in recipe_files(project.root / "training/recipes"):
        raw = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        recipe.write_text(yaml.safe_dump({**raw, "n_epochs": N_EPOCHS}), encoding="utf-8")
    project.repro()
    return project


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, object]]:
    """Storage options of an S3 server on this machine, with the empty bucket `hub`."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    import boto3

    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "k", "secret": "s", "endpoint_url": f"http://{host}:{port}"}
    client = boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
    )
    client.create_bucket(Bucket="hub")
    yield options
    server.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
