"""Model folders and checkpoints as fuzzing targets; see `targets`."""

import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

from cairnhub.core.errors import CairnError
from cairnhub.training.backbone_folder import Described
from cairnhub.training.checkpoint import Checkpoints, RunState
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model
from cairnhub.training.optimisation import Optimisation
from cairnhub.training.recipes.settings import Network
from tests.fuzz.inputs import choose, write
from tests.training.tiny import recipe


@cache
def model_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        network = recipe().network
        save_model(Path(name), RetrievalModel(network), ModelDescription("r", network, ("fine",), "0", 0))
        return {path.name: path.read_bytes() for path in sorted(Path(name).iterdir())}


def model(content: bytes, folder: Path) -> None:
    name, hostile = choose(content, list(model_files()))
    write(folder, {**model_files(), name: hostile})
    load_model(folder)


@cache
def transformer_files() -> dict[str, bytes]:
    """A model folder with a network of `transformers`."""
    layers = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    shape = {**layers, "hidden_size": 8, "image_size": 32, "patch_size": 16}
    network = Network(backbone="deit_small", embedding_dim=2, image_side_px=32, colours="unit")
    with tempfile.TemporaryDirectory() as name:
        made = RetrievalModel(network, Described({"model_type": "vit", **shape}, None))
        save_model(Path(name), made, ModelDescription("r", network, ("fine",), "0", 0))
        return {path.name: path.read_bytes() for path in sorted(Path(name).iterdir())}


def config_files() -> dict[str, bytes]:
    return {name: raw for name, raw in transformer_files().items() if name.endswith(".json")}


def model_config(content: bytes, folder: Path) -> None:
    """A stranger's description, configuration or image processor, as a trained model and as weights to begin with."""
    name, hostile = choose(content, list(config_files()))
    write(folder, {**transformer_files(), name: hostile})
    with suppress(CairnError):
        load_model(folder)
    RetrievalModel(Network(backbone=str(folder), weights=str(folder), embedding_dim=2, image_side_px=32))


def state() -> RunState:
    model = RetrievalModel(recipe().network)
    optimisation = Optimisation(recipe(), model, torch.nn.Identity(), steps_per_epoch=2)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimisation.step()
    return RunState(optimisation, torch.Generator())


@cache
def checkpoint_file() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        Checkpoints(Path(name), "run").save(1, state())
        return next(Path(name).glob("*.safetensors")).read_bytes()


def checkpoint(content: bytes, folder: Path) -> None:
    write(folder, {"step_000000001.safetensors": content})
    Checkpoints(folder, "run").resume(state())
