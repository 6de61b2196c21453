"""A hierarchical loss in the Trainer of transformers: the model returns it, from labels of all levels."""

import tempfile

import torch
from torch import nn
from torch.utils.data import DataLoader, default_collate
from toy import DIM, N_SPECIES, TRAIN, h_ap, loader, network
from transformers import Trainer, TrainingArguments

from cairnhub.training.losses import HAPPIER


class WithLoss(nn.Module):
    """What the Trainer calls: gives the loss first, then embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.loss = network(), HAPPIER(n_classes=N_SPECIES, dim=DIM)

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Labels (B, L), fine -> coarse."""
        embeddings = self.model(pixel_values)
        return {"loss": self.loss(embeddings, labels), "embeddings": embeddings}


class RetrievalTrainer(Trainer):
    """The Trainer with batches of several images per class."""

    def get_train_dataloader(self) -> DataLoader:
        """Batches of our sampler, in the Trainer's form."""
        batches = loader()
        return DataLoader(TRAIN, batch_sampler=batches.batch_sampler, collate_fn=self.data_collator)


def collate(rows: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """By the names of the arguments of `forward`."""
    return dict(zip(("pixel_values", "labels"), default_collate(rows), strict=True))


model = WithLoss()
print(f"H-AP before: {h_ap(model.model):.1f}")
weights = [{"params": model.model.parameters()}, {"params": model.loss.parameters(), "lr": 0.1}]
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder, num_train_epochs=20, report_to="none", use_cpu=True, save_strategy="no"
    )
    optimizers = (torch.optim.Adam(weights, lr=0.01), None)
    RetrievalTrainer(model, arguments, collate, TRAIN, optimizers=optimizers).train()
print(f"H-AP after: {h_ap(model.model):.1f}")
