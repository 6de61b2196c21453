"""A hierarchical loss over several processes: `accelerate launch examples/loops/accelerate_loop.py`.

Each process embeds its part of a batch; all rank the whole of it. Gradients are those of one process.
"""

import torch
from accelerate import Accelerator
from toy import DIM, N_SPECIES, h_ap, loader, network

from cairnhub.training.distributed import gather
from cairnhub.training.losses import HAPPIER

accelerator = Accelerator(cpu=True)
torch.manual_seed(0)  # the same proxies in every process
model, loss = network(), HAPPIER(n_classes=N_SPECIES, dim=DIM)
accelerator.print(f"H-AP before: {h_ap(model):.1f}")
weights = [{"params": model.parameters()}, {"params": loss.parameters(), "lr": 0.1}]
model, optimizer = accelerator.prepare(model, torch.optim.Adam(weights, lr=0.01))
batches, rank, n_ranks = loader(), accelerator.process_index, accelerator.num_processes
for epoch in range(20):
    batches.batch_sampler.set_epoch(epoch)
    for vectors, labels in batches:  # the same whole batch everywhere, since ours are seeded
        optimizer.zero_grad()
        value = loss(gather(model(vectors.chunk(n_ranks)[rank])), labels)
        # The wrapper takes the mean of gradients over processes, and the whole batch needs their sum. Proxies are not
        # wrapped: each process has their whole gradient, made n_ranks times too large here, which Adam does not see.
        accelerator.backward(value * n_ranks)
        optimizer.step()
accelerator.print(f"H-AP after: {h_ap(accelerator.unwrap_model(model)):.1f}")
accelerator.end_training()
