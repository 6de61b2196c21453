"""Vectors of a frozen backbone: made once for all recipes that look at images alike, and again where they must be."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load, save
from transformers import AutoConfig, AutoModel

from cairnhub.datasets_hub.mmap_images import OpenSplit
from cairnhub.pipelines import image_vectors
from cairnhub.pipelines.image_vectors import frozen_features
from cairnhub.training.recipes.settings import Network
from tests.odd_images import encoded, photo


class Encoded(list[bytes]):
    """Encoded images that lie in no file."""

    def files(self, start: int, stop: int) -> list[Path]:
        return []


class Toy:
    """A dataset of five pictures."""

    fingerprint = "toy"

    def __init__(self) -> None:
        self.n_opened = 0

    def open(self, split: str) -> OpenSplit:
        images = Encoded(encoded(photo(), "PNG") for _ in range(5))
        self.n_opened += 1
        return OpenSplit(images, np.zeros((5, 2), np.int64))

    def columns(self, split: str, names: list[str]) -> pa.Table:
        return pa.table({name: [f"image {row}" for row in range(5)] for name in names})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Weights, in a project."""
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    shape = {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"}
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.for_model("resnet", **shape)).save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


def network(folder: Path, **changes) -> Network:
    raw = {
        "weights": str(folder),
        "frozen": "all",
        "pooling": "average",
        "image_side_px": 32,
        "embedding_dim": 8,
    }
    return Network.model_validate(raw | changes)


def test_vectors_are_kept_and_made_again_where_they_must_be(folder, monkeypatch):
    made = []
    embed_blocks = image_vectors.embed_blocks

    def counted(*arguments):
        made.append(1)
        return embed_blocks(*arguments)

    monkeypatch.setattr(image_vectors, "embed_blocks", counted)
    first = frozen_features(network(folder), Toy(), "train")
    assert first.embeddings.shape == (5, 16)
    again = frozen_features(network(folder, embedding_dim=4, norm="none"), Toy(), "train")  # another head
    assert torch.equal(again.embeddings, first.embeddings)
    assert len(made) == 1
    frozen_features(network(folder, image_side_px=64), Toy(), "train")
    frozen_features(network(folder, pooling="max"), Toy(), "train")
    frozen_features(network(folder, colours="imagenet"), Toy(), "train")
    assert len(made) == 4
    weights = AutoModel.from_pretrained(folder)
    with torch.no_grad():
        weights.embedder.embedder.convolution.weight.add_(0.1)
    weights.save_pretrained(folder)
    other = frozen_features(network(folder), Toy(), "train")
    assert len(made) == 5
    assert not torch.equal(other.embeddings, first.embeddings)


def not_finite(kept: dict[str, torch.Tensor]) -> bytes:
    kept["embeddings"][2, 3] = float("nan")
    return save(kept)


def huge(kept: dict[str, torch.Tensor]) -> bytes:
    """A header that promises a terabyte."""
    header = b'{"embeddings":{"dtype":"F32","shape":[5,50000000000],"data_offsets":[0,1000000000000]}}'
    return len(header).to_bytes(8, "little") + header


STRANGE = {
    "not finite": not_finite,
    "a header without end": lambda kept: b"\xff" * 7 + b"\x7f" + save(kept)[8:],
    "a terabyte": huge,
    "cut": lambda kept: save(kept)[:-9],
    "other rows": lambda kept: save({"embeddings": kept["embeddings"][:4].clone()}),
    "other dimensions": lambda kept: save({"embeddings": kept["embeddings"][:, :7].clone()}),
    "three axes": lambda kept: save({"embeddings": kept["embeddings"][None].clone()}),
    "whole numbers": lambda kept: save({"embeddings": kept["embeddings"].long()}),
    "another tensor": lambda kept: save({"vectors": kept["embeddings"]}),
    "one tensor more": lambda kept: save({**kept, "more": torch.zeros(3)}),
    "a pickle": lambda kept: pickle.dumps(kept),
    "nothing": lambda kept: b"",
}


def test_kept_vectors_that_are_not_what_was_written_are_made_again(folder, caplog):
    first = frozen_features(network(folder), Toy(), "train")
    (path,) = image_vectors.Paths(Path.cwd(), "", "").image_vectors.glob("*.safetensors")
    written = path.read_bytes()
    for name, strange in STRANGE.items():
        path.write_bytes(strange(load(written)))
        assert torch.equal(frozen_features(network(folder), Toy(), "train").embeddings, first.embeddings), (
            name
        )
        assert "made again" in caplog.text, name
        assert path.read_bytes() == written, name
        caplog.clear()
    path.unlink()
    path.symlink_to(folder / "elsewhere")
    (folder / "elsewhere").write_bytes(b"somebody else's")
    assert torch.equal(frozen_features(network(folder), Toy(), "train").embeddings, first.embeddings)
    assert (folder / "elsewhere").read_bytes() == b"somebody else's"
