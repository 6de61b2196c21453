# %% [markdown]
# # A tree from names
#
# A list of class names is enough for a tree of any number of levels, whatever they are names of. It needs the extra
# `build`.

# %%
from rich import print

from cairnhub.hierarchies import NamedGroup, propose_tree
from cairnhub.hierarchies.render import render_text

names = [
    "otter",
    "beaver",
    "dolphin",
    "whale",
    "oak tree",
    "pine tree",
    "willow tree",
    "poppy",
    "tulip",
    "bus",
    "tractor",
    "bicycle",
]
proposal = propose_tree(names, levels=["thing", "group", "supergroup"], sizes=[6, 3])
tree = proposal.tree()
print(render_text(tree))

# %% [markdown]
# Each label says how sure its place is, and what it is like. Nobody has decided anything yet, so confidence is low on
# purpose.

# %%
for entry in proposal.labels[:4]:
    print(entry.label, tree.path(entry.label), f"{entry.confidence:.2f}, like", entry.neighbours[:3])

# %% [markdown]
# ## What is known already
#
# Known groups are kept, and where a cell is empty a group is proposed. Groups that are wanted can be named, with
# examples or without: every label goes to the nearest.

# %%
known = {"group": ["" if name not in ("oak tree", "pine tree") else "wood" for name in names]}
kept = propose_tree(names, levels=["thing", "group"], sizes=[5], known=known).tree()
print(kept.path("oak tree"), kept.path("pine tree"))

wanted = [NamedGroup("animal", ("otter",)), NamedGroup("plant", ("poppy",)), NamedGroup("vehicle", ("bus",))]
named = propose_tree(names, levels=["thing", "group"], names=wanted).tree()
print({group: [child.name for child in named.children(group)] for group in named.at_level("group")})

# %% [markdown]
# ## Keep it
#
# `tree.json` has a node in each line, so that a label that moves is one changed line. Trees are compared and
# exported.

# %%
from pathlib import Path  # noqa: E402

from cairnhub import LabelTree  # noqa: E402

named.save(Path("tree.json"))
again = LabelTree.load(Path("tree.json"))
assert again.fingerprint == named.fingerprint
print(again.match_depth([again.at_level("thing").index("otter")], [again.at_level("thing").index("whale")]))
