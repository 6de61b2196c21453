# %% [markdown]
# # H-AP in your own loop
#
# The losses are `torch` modules that take embeddings (B, d) and labels (B, L), fine -> coarse; the metrics take
# arrays. Nothing else of Cairn is needed, and no dataset: here noisy vectors stand for photographs. It needs the
# extra `train`.

# %%
import torch
from torch.utils.data import DataLoader, TensorDataset

from cairnhub import evaluate_embeddings
from cairnhub.training.losses import HAPPIER, SmoothAP
from cairnhub.training.recipes.settings import Batch
from cairnhub.training.samplers import make_sampler

N_SPECIES, PER_GENUS, DIM = 12, 3, 8
GENUS = torch.arange(N_SPECIES) // PER_GENUS


def images(n_each: int, seed: int) -> TensorDataset:
    """Vectors of species whose centres lie by their genus, and labels (species, genus)."""
    fixed, chance = (torch.Generator().manual_seed(number) for number in (0, seed))
    genera = torch.randn(N_SPECIES // PER_GENUS, 12, generator=fixed)
    centres = genera[GENUS] + 0.7 * torch.randn(N_SPECIES, 12, generator=fixed)
    species = torch.arange(N_SPECIES).repeat_interleave(n_each)
    signal = centres[species] + 0.6 * torch.randn(len(species), 12, generator=chance)
    noise = 3 * torch.randn(len(species), 12, generator=chance)
    return TensorDataset(torch.cat([signal, noise], 1), torch.stack([species, GENUS[species]], 1))


train_images, test_images = images(16, seed=1), images(8, seed=2)

# %% [markdown]
# ## Batches with several images of each class
#
# A rank loss learns from images of the same class in one batch: a sampler draws them.

# %%
sampler = make_sampler(train_images.tensors[1].numpy(), Batch(size=48, images_per_class=4), seed=0)
loader = DataLoader(train_images, batch_sampler=sampler)

# %% [markdown]
# ## A loop, and what it is worth
#
# H-AP counts at each level how far down the list the images lie that share it. HAPPIER ranks the whole path, SmoothAP
# the species alone.


# %%
def trained(loss: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(24, 32), torch.nn.ReLU(), torch.nn.Linear(32, DIM))
    optimizer = torch.optim.Adam([*model.parameters(), *loss.parameters()], lr=0.01)
    for epoch in range(20):
        sampler.set_epoch(epoch)
        for vectors, labels in loader:
            optimizer.zero_grad()
            loss(torch.nn.functional.normalize(model(vectors), dim=1), labels).backward()
            optimizer.step()
    return model.eval()


vectors, labels = test_images.tensors
for name, loss in {"HAPPIER": HAPPIER(n_classes=N_SPECIES, dim=DIM), "SmoothAP": SmoothAP()}.items():
    model = trained(loss)
    with torch.inference_mode():
        embeddings = torch.nn.functional.normalize(model(vectors), dim=1)
    result = evaluate_embeddings(embeddings, labels, levels=["species", "genus"])
    print(name, f"H-AP {100 * result.values['h_ap']:.1f}")
print(result)
