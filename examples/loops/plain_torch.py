"""A hierarchical loss in a plain loop of torch."""

import torch
from toy import DIM, N_SPECIES, h_ap, loader, network

from cairnhub.training.losses import HAPPIER

model, loss = network(), HAPPIER(n_classes=N_SPECIES, dim=DIM)
print(f"H-AP before: {h_ap(model):.1f}")
optimizer = torch.optim.Adam(
    [{"params": model.parameters()}, {"params": loss.parameters(), "lr": 0.1}],  # its proxies learn too
    lr=0.01,
)
batches = loader()
for epoch in range(20):
    batches.batch_sampler.set_epoch(epoch)
    for vectors, labels in batches:  # labels (B, L), fine -> coarse
        optimizer.zero_grad()
        loss(model(vectors), labels).backward()
        optimizer.step()
print(f"H-AP after: {h_ap(model):.1f}")
