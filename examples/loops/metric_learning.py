"""A hierarchical loss in a loop of pytorch-metric-learning: labels are numbers of species, the tree knows the rest."""

import torch
from pytorch_metric_learning import losses
from toy import CLASS_LABELS, DIM, h_ap, loader, network

from cairnhub.training.losses import SupHAP, for_metric_learning


class RankMemory(losses.CrossBatchMemory):
    """That package's memory asks for losses by name, and does not know ours."""

    @staticmethod
    def supported_losses() -> list[str]:
        """Names of classes."""
        return ["HierarchicalLoss"]


model = network()
print(f"H-AP before: {h_ap(model):.1f}")
loss = for_metric_learning(SupHAP(), CLASS_LABELS)  # `DistributedLossWrapper(loss)` takes it as it is
memory = RankMemory(loss, embedding_size=DIM, memory_size=96)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
batches = loader()
for epoch in range(20):
    batches.batch_sampler.set_epoch(epoch)
    for vectors, labels in batches:
        optimizer.zero_grad()
        embeddings, species = model(vectors), labels[:, 0]
        (loss(embeddings, species) + memory(embeddings, species)).backward()
        optimizer.step()
print(f"H-AP after: {h_ap(model):.1f}")
