# %% [markdown]
# # Review a tree
#
# A proposal says where each label belongs and how sure that is. A review goes through what it doubts; every act is
# one line in a file that belongs into git. Here the acts are made in Python, so that this page runs; [`cairn review
# --app`](../review.md) asks the same questions with photos, in the same order, and writes the same lines. It needs
# the extra `build`.

# %%
from pathlib import Path

from rich import print

from cairnhub.hierarchies import propose_tree
from cairnhub.hierarchies.render import render_text
from cairnhub.hierarchies.review.apply import apply_decisions
from cairnhub.hierarchies.review.decisions import Decision, append_decision, read_decisions
from cairnhub.hierarchies.review.question import ask
from cairnhub.hierarchies.review.session import Session

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
proposal = propose_tree(names, levels=["thing", "group"], sizes=[4])
print(render_text(proposal.tree()))

# %% [markdown]
# ## What is asked, and what is said
#
# A session knows what to ask next. An act shows its effect before it is saved.

# %%
decisions = Path("decisions.jsonl")
session = Session(proposal, decisions, author="ada")
question = session.first()
print("asked first: the", question.level, question.label)

group = ask(session.state, "thing", "oak tree").group
question = ask(session.state, "group", group)
act = session.draft("move", question, to="trees of a wood", members=["oak tree", "pine tree", "willow tree"])
print(session.preview(act).groups)
session.save(act)
print(decisions.read_text())

# %% [markdown]
# ## What the tree is now
#
# The stage `review` does this: the proposal and the lines make the tree, the same one each time. Lines that do not
# fit any more are kept and said.

# %%
tree, report = apply_decisions(proposal, read_decisions(decisions))
print(render_text(tree))
print(report.counts())
assert tree.path("oak tree")[1] == "trees of a wood"

# %% [markdown]
# ## Take it back
#
# Undo is one more line, for the file is a history.

# %%
session.undo()
tree, report = apply_decisions(proposal, read_decisions(decisions))
print(tree.path("oak tree"))

# %% [markdown]
# A script can write lines of its own, such as those of a table that somebody filled in.

# %%
append_decision(decisions, Decision("rename", "group", tree.path("bus")[1], to="vehicle", author="ada"))
tree, _ = apply_decisions(proposal, read_decisions(decisions))
print(tree.path("bus"))
