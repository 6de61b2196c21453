"""What the embed and cluster stages call for labels of any kind: a table of labels in, a proposal out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key
from cairnhub.hierarchies.proposal.clean_text import clean_label
from cairnhub.hierarchies.proposal.concepts import GENERIC, load_concepts
from cairnhub.hierarchies.proposal.language import Language, mostly_foreign, multilingual_place
from cairnhub.hierarchies.proposal.named_groups import NamedGroup
from cairnhub.hierarchies.proposal.propose import PLACES, propose
from cairnhub.hierarchies.proposal.propose_tree import propose_tree
from cairnhub.hierarchies.proposal.text_vectors import Embedder
from cairnhub.hierarchies.proposal.tree_proposal import LabelEntry, TreeProposal

FloatArray = npt.NDArray[np.float64]
Pack = Literal["auto", "places", "none"]
PACKS: Mapping[str, Pack] = {"auto": "auto", "places": "places", "none": "none"}
_MOSTLY_PLACES = 0.6  # share of labels with words for places from which they are taken for places


@dataclass(frozen=True)
class LabelTable:
    """Labels, what is said of them, and what tree is wanted; see `propose_tree`.

    Attributes:
        labels: distinct.
        levels: fine to coarse, that of the labels first.
        texts: what each label is in words.
        descriptions: a sentence each; None where there are none.
        known: per level above the labels, the groups that are known.
        sizes: groups per level above the labels; None: found by itself.
        names: groups wanted on the first level.
        n_images: per label.
        views: further vectors of the labels, (n, d) each; zeros where unknown.
    """

    labels: Sequence[str]
    levels: Sequence[str]
    texts: Sequence[str] | None = None
    descriptions: Sequence[str] | None = None
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sizes: Sequence[int] | None = None
    names: Sequence[NamedGroup] = ()
    n_images: Sequence[int] = ()
    views: Sequence[FloatArray] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing is wanted but two levels above the labels."""
        return len(self.levels) == 3 and not (self.known or self.sizes or self.names or len(self.views))


def propose_labels(
    table: LabelTable, embedder: Embedder | None = None, pack: Pack = "auto", language: Language = "auto"
) -> TreeProposal:
    """Propose a tree of labels, as places where they are such, else by what they mean.

    Args:
        table: the labels.
        embedder: of texts; None: the installed one for their language.
        pack: `auto`: everyday categories of places where six of ten labels have words for them and a plain tree of two
            levels above the labels is asked for, and WordNet where it is installed; `places`: these categories in any
            case; `none`: the texts alone.
        language: of the labels, see `propose_tree`.

    Raises:
        BadInput: as `propose_tree`.
    """
    if pack == "places" or (pack == "auto" and language != "many" and _are_places(table)):
        proposal = _as_places(table, embedder)
    else:
        proposal = propose_tree(
            table.labels,
            texts=table.texts,
            descriptions=table.descriptions,
            levels=table.levels,
            sizes=table.sizes,
            known=table.known,
            names=table.names,
            views=table.views,
            embedder=embedder,
            wordnet=None if pack == "none" else "auto",
            language=language,
        )
    counts = dict(zip(table.labels, table.n_images, strict=False))
    labels = tuple(replace(entry, n_images=counts.get(entry.label, 1)) for entry in proposal.labels)
    return replace(proposal, labels=labels)


def spoken(table: LabelTable, language: Language) -> Language:
    """`en` or `many`: what `auto` comes to for these labels with the text models that are installed."""
    if language != "auto":
        return language
    foreign = mostly_foreign([clean_label(text) for text in table.texts or table.labels])
    return "many" if foreign and multilingual_place() else "en"


def _are_places(table: LabelTable) -> bool:
    """Whether a plain tree is asked for, of labels that are mostly words for places."""
    concepts = load_concepts()
    found = [concepts.of_type(text) for text in table.texts or table.labels]
    n_places = sum(each is not None and each.category != GENERIC for each in found)
    return table.is_plain and n_places >= _MOSTLY_PLACES * len(found)


def _as_places(table: LabelTable, embedder: Embedder | None) -> TreeProposal:
    """The proposal of places, each label in the category of its text."""
    if len(table.levels) > 1 + len(PLACES):
        raise BadInput(
            f"places have {len(PLACES)} levels above the labels, not {len(table.levels) - 1}; say pack: none"
        )
    texts = list(table.texts or table.labels)
    proposal = propose(texts, embedder=embedder)
    level_of = dict(zip(PLACES, table.levels[1:], strict=False))
    entry_of = {label_key(entry.text): entry for entry in proposal.types}
    labels = []
    for label, text in sorted(zip(table.labels, texts, strict=True)):
        entry = entry_of[label_key(text)]
        labels.append(
            LabelEntry(label, None, entry.group, entry.confidence, entry.source, entry.why, entry.second)
        )
    groups = [
        replace(group, level=level_of[group.level], parent=group.parent if PLACES[1] in level_of else "")
        for group in proposal.groups
        if group.level in level_of
    ]
    return TreeProposal(tuple(table.levels), tuple(labels), tuple(groups), models=proposal.models)
