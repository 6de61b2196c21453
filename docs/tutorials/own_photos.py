# %% [markdown]
# # Your own photos, to retrieval
#
# Photos in a folder for each class, and nothing else, become a dataset with a label tree, a trained head on a
# pretrained network, and a search. Every command here may be typed in a terminal instead; [the page](../own_data.md)
# says more of each.
#
# It needs the wheel with the extras `build` and `train`. Two minutes on two cores.

# %%
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def cairn(*words: str, cwd: str = ".") -> None:
    """Run a command of Cairn, as in a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "cairnhub", *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)


# %% [markdown]
# ## Photos
#
# Name a folder of yours here. Without one, coloured noise stands in, so that this page runs anywhere.

# %%
photos = Path("photos")
names = [
    f"{colour} {bird}"
    for bird in ("owl", "hawk", "duck", "gull")
    for colour in ("red", "grey", "black", "white", "brown")
]
if not photos.is_dir():
    rng = np.random.default_rng(0)
    for name in names:
        (photos / name).mkdir(parents=True)
        own = rng.random((8, 8, 3))
        for number in range(6):
            mixed = 0.6 * own + 0.4 * rng.random((8, 8, 3))
            picture = Image.fromarray((255 * mixed).astype(np.uint8)).resize(
                (96, 96), Image.Resampling.BICUBIC
            )
            picture.save(photos / name / f"{number}.jpg")

# %% [markdown]
# ## A project
#
# `params.yaml` declares the dataset, `decisions/` waits for yours, `recipes/birds.yaml` says how a model is trained:
# here a head on EfficientNet-Lite0, whose weights come with the extra `train`.

# %%
cairn("init", "birds", "--images", "photos", "--tree-levels", "kind", "--sizes", "4")
print(Path("birds/params.yaml").read_text())

# %% [markdown]
# ## A tree, a dataset, a model
#
# `cairn build` runs what is stale and goes on where it was stopped. Between the proposal of the tree and the rest
# stands the review, which has [a tutorial of its own](review_a_tree.py).

# %%
cairn("build", "review", cwd="birds")
cairn("tree", "show", "data/tree/sample/birds/tree.json", cwd="birds")

# %%
cairn("build", cwd="birds")
print(Path("birds/results/evaluate/sample/birds/table.md").read_text())

# %% [markdown]
# ## Load it, search in it

# %%
from cairnhub import load_dataset, load_tree  # noqa: E402
from cairnhub.training import encode  # noqa: E402

hub = "birds/data/hub/sample/birds"
test, tree = load_dataset(hub, "test"), load_tree(hub)
vectors = encode([*test["image"]], "birds/models/sample/birds")
scores = (vectors @ vectors[0]).tolist()
nearest = sorted(range(len(scores)), key=lambda row: -scores[row])[1:4]
leaves = tree.at_level("class")
print("asked:", tree.path(leaves[test[0]["class"]]))
for row in nearest:
    print(f"{scores[row]:.2f}", tree.path(leaves[test[row]["class"]]))
