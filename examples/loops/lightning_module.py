"""A hierarchical loss in a LightningModule; on several devices each rank ranks the joined batch."""

import lightning
import torch
from toy import DIM, N_SPECIES, h_ap, loader, network

from cairnhub.training.distributed import gather, ranks
from cairnhub.training.losses import HAPPIER


class Retrieval(lightning.LightningModule):
    """The network and its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.loss = network(), HAPPIER(n_classes=N_SPECIES, dim=DIM)

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """The loss of the joined batch; the mean of gradients that the strategy takes becomes their sum."""
        vectors, labels = batch
        joined = self.all_gather(labels).reshape(-1, labels.shape[1])
        value = self.loss(gather(self.model(vectors)), joined)
        self.log("loss", value)
        return value * ranks().size

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Proxies learn faster."""
        weights = [{"params": self.model.parameters()}, {"params": self.loss.parameters(), "lr": 0.1}]
        return torch.optim.Adam(weights, lr=0.01)


module = Retrieval()
print(f"H-AP before: {h_ap(module.model):.1f}")
trainer = lightning.Trainer(
    max_epochs=20,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    use_distributed_sampler=False,  # batches of several images per class are the sampler's work
)
trainer.fit(module, loader())
print(f"H-AP after: {h_ap(module.model):.1f}")
