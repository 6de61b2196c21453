"""A training run of seconds: coloured noise, a tiny network.

`python -m tests.training.tiny <checkpoints> <weights> [frozen]` makes one in a process that a test may kill, or launch
twice: with frozen batch norm two ranks do what one does.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from cairnhub.training.data import LabelledImages
from cairnhub.training.distributed import process_group
from cairnhub.training.loop import train
from cairnhub.training.recipes.recipe import Recipe

N_CLASSES, N_PER_CLASS, SIDE = 6, 5, 16
N_EPOCHS = 12  # of the run that is killed


class TinyImages(LabelledImages):
    """Noise with a colour per class; labels of two levels."""

    def __init__(self, fails_at: int | None = None) -> None:
        generator = torch.Generator().manual_seed(0)
        fine = np.repeat(np.arange(N_CLASSES), N_PER_CLASS)
        self.labels = np.column_stack([fine, fine // 2])
        colours = torch.randint(0, 200, (N_CLASSES, 3, 1, 1), generator=generator)
        noise = torch.randint(0, 55, (len(fine), 3, SIDE, SIDE), generator=generator)
        self.images = (colours[torch.from_numpy(fine)] + noise).to(torch.uint8)
        self.n_read, self.fails_at = 0, fails_at

    def __getitem__(self, index: int) -> torch.Tensor:
        self.n_read += 1
        if self.n_read == self.fails_at:
            raise InterruptedError
        return self.images[index]


def optimizer(learning_rate: float, proxy_learning_rate: float, name: str = "adam", **more) -> dict:
    """Settings of the network's weights, and of proxies that learn by Adam."""
    backbone = {"name": name, "learning_rate": learning_rate}
    return {"backbone": backbone, "proxies": {"learning_rate": proxy_learning_rate}, **more}


def recipe(**changes) -> Recipe:
    raw = {
        "loss": "HAPPIER",
        "network": {"backbone": "small_cnn", "width": 4, "embedding_dim": 8, "image_side_px": SIDE},
        "batch": {"size": 8, "images_per_class": 2},
        "optimizer": optimizer(0.01, 0.1, n_warmup_steps=3),
        "n_epochs": 4,
    }
    return Recipe.model_validate(raw | changes)


FROZEN = {
    "network": recipe().network.model_dump() | {"frozen_batch_norm": True},
    "optimizer": optimizer(0.01, 0.01, name="sgd"),
    "n_epochs": 1,  # float32 rounding grows from step to step
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = recipe(**FROZEN) if "frozen" in sys.argv else recipe(n_epochs=N_EPOCHS)
    with process_group() as group:
        trained = train(wanted, TinyImages(), 0, 0, checkpoints=Path(sys.argv[1]), save_every_s=0)
    if group.rank == 0:
        save_file(trained.model.state_dict(), sys.argv[2], {"curve": trained.curve.to_csv(index=False)})
