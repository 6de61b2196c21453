"""Model folders and checkpoints as fuzzing targets; see `targets`."""

import tempfile
from functools import cache
from pathlib import Path

import torch

from cairnhub.training.checkpoint import Checkpoints, RunState
from cairnhub.training.models import ModelDescription, RetrievalModel, load_model, save_model
from cairnhub.training.optimisation import Optimisation
from tests.fuzz.targets import choose, write
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
