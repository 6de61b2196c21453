"""What tests give to Ray's workers, who import this file by its name: it needs no helper of which there are several."""

import os
from pathlib import Path

import numpy as np
import torch


def die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os._exit(9)
    return marker.name


class Noise:
    """Images of a split that need no file."""

    labels = np.zeros((70, 1), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def files(self, start: int, stop: int) -> tuple[Path, ...]:
        return ()

    def __getitem__(self, index: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(index)
        return torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8, generator=generator)
