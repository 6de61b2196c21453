"""What the loops train on: noisy vectors in place of photographs, with species and genus, and a small network."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cairnhub import evaluate_embeddings
from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers import make_sampler

N_SPECIES, PER_GENUS, N_INPUTS, DIM = 12, 3, 24, 8
CLASS_LABELS = torch.stack([torch.arange(N_SPECIES), torch.arange(N_SPECIES) // PER_GENUS], dim=1)


def images(n_per_species: int, seed: int) -> TensorDataset:
    """Vectors (N, N_INPUTS), and labels (N, 2), fine -> coarse."""
    centres = torch.randn(N_SPECIES, N_INPUTS // 2, generator=torch.Generator().manual_seed(0))
    labels = CLASS_LABELS.repeat_interleave(n_per_species, 0)
    noise = torch.randn(len(labels), N_INPUTS, generator=torch.Generator().manual_seed(seed))
    noise[:, : N_INPUTS // 2] = centres[labels[:, 0]] + 0.5 * noise[:, : N_INPUTS // 2]
    noise[:, N_INPUTS // 2 :] *= 3  # says nothing about the species
    return TensorDataset(noise, labels)


TRAIN, TEST = images(16, seed=1), images(8, seed=2)


def loader() -> DataLoader:
    """Batches of 48: 4 images of each of 12 species."""
    batch = Batch(size=48, images_per_class=4)
    return DataLoader(TRAIN, batch_sampler=make_sampler(TRAIN.tensors[1].numpy(), batch, seed=0))


def network() -> nn.Module:
    """From vectors to unit vectors (B, DIM)."""

    class Unit(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.normalize(x, dim=1)

    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(N_INPUTS, 32), nn.ReLU(), nn.Linear(32, DIM), Unit())


@torch.inference_mode()
def h_ap(model: nn.Module) -> float:
    """H-AP of the test images, in per cent."""
    vectors, labels = TEST.tensors
    embeddings = model.eval()(vectors)
    model.train()
    return 100 * evaluate_embeddings(embeddings, labels, levels=["species", "genus"]).values["h_ap"]
