"""What the embed and cluster stages call: a table of landmarks in, one proposal for all of them out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key
from cairnhub.hierarchies.label_tree.label_rules import check_names
from cairnhub.hierarchies.proposal.concepts import load_concepts
from cairnhub.hierarchies.proposal.kinds import HUMAN_MADE, NATURAL
from cairnhub.hierarchies.proposal.name_likeness import NameLikeness
from cairnhub.hierarchies.proposal.name_model import Assignment, fit
from cairnhub.hierarchies.proposal.photo_votes import photo_votes
from cairnhub.hierarchies.proposal.propose import (
    PLACES,
    Chains,
    anchor_texts,
    place_groups,
    propose,
    text_to_embed,
)
from cairnhub.hierarchies.proposal.text_vectors import Embedder, SentenceEmbedder
from cairnhub.hierarchies.proposal.tree_proposal import TYPE, GroupEntry, LabelEntry, TreeProposal

UNCLEAR = {NATURAL: "unclear natural", HUMAN_MADE: "unclear human-made"}
_N_EXAMPLES = 20  # names shown to the proposal per type


def texts_to_embed(landmarks: pd.DataFrame) -> list[str]:
    """Every text that `propose_landmarks` embeds, sorted: distinct types, category descriptions, and all names.

    Names only where some landmark has no type: those with one then tell how far vectors of names can be trusted.
    """
    table = _table(landmarks)
    types = {text_to_embed(text) for text in table["type"].dropna()}
    names = set(table["landmark"]) if table["type"].isna().any() else set()
    return sorted(types | names | set(anchor_texts(load_concepts())))


def propose_landmarks(
    landmarks: pd.DataFrame,
    embedder: Embedder | None = None,
    chains: Chains | None = None,
    photo_vectors: npt.NDArray[np.float64] | None = None,
) -> TreeProposal:
    """Propose a category for every landmark: by its type, or where it has none by its name.

    Where the name is not clear either, the landmark goes to `unclear natural` or `unclear human-made`,
    whichever is likelier, at the head of the review queue: no landmark, and so no image, is lost.

    Args:
        landmarks: columns `landmark` (names, unique but for case), `type` (text or null), and if wanted
            `n_images`.
        embedder: for types and names; by default the pinned model of the installed wheel.
        chains: per type, labels of its superclasses, nearest first.
        photo_vectors: what a network sees in the photographs of each landmark, zeros where it has none, (n, d): those
            that look like it vote, as far as that proves right among landmarks with a type.

    Raises:
        CairnError: a column is missing, a name is empty or repeats (see `disambiguate`).
    """
    table = _table(landmarks)
    embedder = embedder or SentenceEmbedder()
    typed = table[table["type"].notna()]
    if len(typed):
        per_type = typed.groupby("type", sort=True)
        examples = {str(text): sorted(group["landmark"])[:_N_EXAMPLES] for text, group in per_type}
        weights = per_type["n_images"].sum()
        texts = [str(text) for text in weights.index]
        proposal = propose(texts, weights.tolist(), embedder, chains=chains, examples=examples)
    else:
        proposal = TreeProposal((TYPE, *PLACES), (), place_groups(()), models=(embedder.model,))
    untyped = table[table["type"].isna()]
    likeness = NameLikeness.by(embedder) if len(untyped) else None
    votes = None
    if photo_vectors is not None and len(untyped):
        groups = [None if text is None else proposal.group_of[text] for text in table["type"]]
        votes = photo_votes(table["landmark"].tolist(), photo_vectors[table["row"].to_numpy()], groups)
    names = typed["landmark"].tolist()
    model = fit(names, [proposal.group_of[text] for text in typed["type"]], likeness, votes)
    assigned = dict(zip(untyped["landmark"], model.assign(untyped["landmark"].tolist(), votes), strict=True))
    return _with_landmarks(proposal, table, assigned)


def _table(landmarks: pd.DataFrame) -> pd.DataFrame:
    """The columns in use, checked, in the order of the names."""
    missing = {"landmark", "type"} - set(landmarks.columns)
    if missing:
        raise BadInput(f"the table of landmarks lacks the column(s) {sorted(missing)}")
    table = pd.DataFrame({"landmark": landmarks["landmark"], "type": landmarks["type"].astype("object")})
    table["n_images"] = landmarks.get("n_images", 1)
    table["row"] = range(len(landmarks))
    blank = table["type"].isna() | (table["type"].astype(str).str.strip() == "")
    table["type"] = table["type"].where(~blank, None)
    if table["landmark"].isna().any():
        raise BadInput("a landmark has no name; use its id as its name")
    names = table["landmark"].astype(str).tolist()
    if len(set(names)) != len(names):
        repeated = table["landmark"][table["landmark"].duplicated()].iloc[0]
        raise BadInput(f"landmark {repeated!r} repeats; cairnhub.hierarchies.disambiguate makes names unique")
    check_names(names, "landmark")
    return table.sort_values("landmark", ignore_index=True)


def _with_landmarks(
    proposal: TreeProposal, table: pd.DataFrame, assigned: Mapping[str, Assignment]
) -> TreeProposal:
    concepts = load_concepts()
    categories = {entry.name: entry for entry in proposal.of_level(PLACES[0])}
    type_of = {text: entry for entry in proposal.types for text in entry.spellings}
    entries: list[LabelEntry] = []
    columns = table[["landmark", "type", "n_images"]]
    rows: Sequence[tuple[str, str | None, int]] = list(columns.itertuples(index=False, name=None))
    for name, text, n_images in rows:
        if text is not None:
            of_type = type_of[text]
            typed = LabelEntry(name, text, None, of_type.confidence, of_type.source, n_images=int(n_images))
            entries.append(typed)
            continue
        guess = assigned[name]
        known = categories.get(guess.best)
        kind = known.parent if known else concepts.by_name[guess.best].kind
        category = guess.category or UNCLEAR[kind]
        second = guess.second if guess.category else guess.best
        if category not in categories:
            categories[category] = GroupEntry(PLACES[0], category, kind, 0.98 if guess.category else 0.5)
        entries.append(
            LabelEntry(
                name, None, category, guess.confidence, "assigned", second=second, n_images=int(n_images)
            )
        )
    ordered = sorted(categories.values(), key=lambda entry: label_key(entry.name))
    groups = (*ordered, *proposal.of_level(PLACES[1]))
    return replace(proposal, levels=("landmark", *PLACES), groups=groups, labels=tuple(entries))
