"""Names in, a tree out: labels of any domain, groups on any number of levels."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput
from cairnhub.core.text import label_key, quoted
from cairnhub.hierarchies.label_tree.label_rules import check_names
from cairnhub.hierarchies.label_tree.tree_rules import check_levels
from cairnhub.hierarchies.proposal.agglomeration import group_labels, means_of
from cairnhub.hierarchies.proposal.clean_text import clean_label
from cairnhub.hierarchies.proposal.disagreement import disagreements
from cairnhub.hierarchies.proposal.group_names import GroupName, name_groups
from cairnhub.hierarchies.proposal.label_features import LabelFeatures, label_features
from cairnhub.hierarchies.proposal.language import (
    HOW_TO_GET_MULTILINGUAL,
    Language,
    mostly_foreign,
    multilingual_embedder,
    required_multilingual_embedder,
)
from cairnhub.hierarchies.proposal.named_groups import OTHER, NamedGroup, nearest_names
from cairnhub.hierarchies.proposal.neighbours import nearest_labels
from cairnhub.hierarchies.proposal.spelling import put_right, slips
from cairnhub.hierarchies.proposal.text_vectors import Embedder, SentenceEmbedder
from cairnhub.hierarchies.proposal.tree_proposal import GroupEntry, LabelEntry, TreeProposal
from cairnhub.hierarchies.proposal.usual_levels import usual_levels
from cairnhub.hierarchies.proposal.wordnet import HOW_TO_GET, WordNet, find_wordnet, open_wordnet

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_N_NEIGHBOURS = 10  # that an entry keeps
_N_REASONS = 3  # of them that say why
_BLOCK = 1024  # labels that are held against all groups at once
_LEAST, _MOST = 0.05, 0.5  # confidence that likeness alone may give before anybody decided anything
_WORD = re.compile(r"[^\W\d_]{2,}")
_ID = re.compile(r"^[a-z]{0,3}[\d_-]{3,}$|^q\d+$")


@dataclass(frozen=True)
class _Plan:
    """What is asked for, checked; one entry per label, sorted by label."""

    labels: list[str]
    texts: list[str]
    descriptions: list[str] | None
    levels: tuple[str, ...]
    sizes: list[int]
    known: list[list[str]]  # per level above the labels; "" where it is to be proposed
    views: list[FloatArray]
    notes: tuple[str, ...]


def propose_tree(
    labels: Sequence[str],
    *,
    texts: Sequence[str] | None = None,
    descriptions: Sequence[str] | None = None,
    levels: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    depth: int | None = None,
    known: Mapping[str, Sequence[str]] | None = None,
    names: Sequence[NamedGroup] = (),
    views: Sequence[FloatArray] = (),
    embedder: Embedder | None = None,
    wordnet: WordNet | Literal["auto"] | None = "auto",
    language: Language = "auto",
) -> TreeProposal:
    """Propose groups for labels, groups for those groups, and so on, with a name, a confidence and a reason each.

    Labels are alike as far as their words, what they mean and what they are kinds of are alike; average linkage brings
    them together until a level has as many groups as are wanted. The labels are handled in sorted order and nothing is
    random, so the tree does not depend on the order of the rows.

    Args:
        labels: the names of the classes; one that is repeated counts once.
        texts: what each label is in words, where the label itself is an id; by default the labels.
        descriptions: a sentence for each label, `""` where there is none.
        levels: names of the levels, fine to coarse, that of the labels first; by default `label`, `group`, ...
        sizes: how many groups each level above the labels has, fine to coarse; by default n^(i / (L + 1)) for the
            i-th level from the top.
        depth: how many levels stand above the labels; by default as many as `sizes` or `levels` have, else 2.
        known: per level above the labels, what is known of each label's group: `""` where it is to be proposed. What
            is known is kept; labels join known groups or make new ones.
        names: groups that a person wants on the first level, with examples if they have any. Each label goes to the
            nearest, or to `other`.
        views: further vectors of the labels, such as means of their photographs, (n, d) each; zeros where unknown.
        embedder: of texts; by default the pinned sentence-transformers model of the installed wheel, or, for labels
            that are not English, the multilingual one.
        wordnet: `auto` looks where it is usually installed; None does without.
        language: `en`, `many` for any other language or a mixture, which WordNet is not asked about; `auto` takes
            labels for English unless most of their words are not.

    Raises:
        BadInput: labels that say nothing, are empty or alike; levels, sizes or columns that do not fit.
        NotFound: `many` is asked for, and no multilingual text model is installed.

    Example:
        >>> proposal = propose_tree(["oak tree", "pine tree", "city bus", "school bus"], sizes=[2])
        >>> {entry.label: entry.group for entry in proposal.labels}
        {'city bus': 'bus', 'oak tree': 'tree', 'pine tree': 'tree', 'school bus': 'bus'}
    """
    plan = _plan(labels, texts, descriptions, levels, sizes, depth, known or {}, names, views)
    embedder, nouns, notes = _readers(plan.texts, language, embedder, _wordnet(wordnet))
    plan = _spelt(plan, nouns) if nouns else plan
    wanted = [part for group in names for part in (group.name, *group.examples)]
    features, of_names = _features(plan, wanted, embedder, nouns)
    if names:
        plan.known[0] = nearest_names(features.vectors, names, of_names)
    groups = _groups(plan, features.vectors)
    named = [
        _with_known(name_groups(plan.texts, plan.labels, codes, features, nouns), codes, given)
        for codes, given in zip(groups, plan.known, strict=True)
    ]
    models = (embedder.model, nouns.record) if nouns else (embedder.model,)
    entries = _label_entries(plan, features, groups[0], named[0], "named" if names else "known")
    group_entries = _group_entries(plan.levels, groups, named)
    return TreeProposal(plan.levels, entries, group_entries, models=models, notes=(*plan.notes, *notes))


# ---- what is asked for ------------------------------------------------------------------------------------------


def _plan(
    labels: Sequence[str],
    texts: Sequence[str] | None,
    descriptions: Sequence[str] | None,
    levels: Sequence[str] | None,
    sizes: Sequence[int] | None,
    depth: int | None,
    known: Mapping[str, Sequence[str]],
    names: Sequence[NamedGroup],
    views: Sequence[FloatArray],
) -> _Plan:
    if not len(labels):
        raise BadInput("no labels to make a tree of")
    columns: dict[str, Sequence[str] | None] = {"texts": texts, "descriptions": descriptions, **known}
    lengths = {what: len(column) for what, column in columns.items() if column is not None}
    lengths |= {f"view {i}": len(view) for i, view in enumerate(views)}
    for what, length in lengths.items():
        if length != len(labels):
            raise BadInput(f"{what}: {length:,} values for {len(labels):,} labels; give one for each")
    first = {label: row for row, label in reversed(list(enumerate(labels)))}
    order = [first[label] for label in sorted(first)]
    distinct = [labels[row] for row in order]
    named = tuple(levels) if levels else ("label", *usual_levels(depth or (len(sizes) if sizes else 2)))
    check_levels(named)
    check_names(distinct, named[0])
    if unknown := [level for level in known if level not in named[1:]]:
        raise BadInput(f"known levels {quoted(unknown)} are not among {quoted(named[1:])}")
    if depth is not None and depth != len(named) - 1:
        raise BadInput(
            f"depth is {depth}, but {len(named) - 1} levels stand above the labels: {quoted(named[1:])}"
        )
    cleaned = [clean_label((texts or labels)[row]) for row in order]
    told = None if descriptions is None else [descriptions[row].strip() for row in order]
    notes = _speechless(distinct, cleaned, told)
    nothing = [""] * len(labels)
    given = [[known.get(level, nothing)[row].strip() for row in order] for level in named[1:]]
    if names and any(given[0]):
        raise BadInput(f"level {named[1]!r} is known and has wanted names too; give one of them")
    chosen = _sizes(sizes, len(distinct), named, [len(names) or len({*column, ""}) - 1 for column in given])
    arrays = [np.asarray(view, np.float64)[order] for view in views]
    return _Plan(distinct, cleaned, told, named, chosen, given, arrays, notes)


def _speechless(
    labels: Sequence[str], texts: Sequence[str], descriptions: Sequence[str] | None
) -> tuple[str, ...]:
    """A note on labels that say nothing of what they are.

    Raises:
        BadInput: most do.
    """
    bare = [re.sub(r"\d+", "", text).strip() for text in texts]
    often = {text for text, count in Counter(bare).items() if count > len(bare) / 2 and count > 1}
    silent = [
        label
        for row, (label, text) in enumerate(zip(labels, texts, strict=True))
        if (not _WORD.search(text) or _ID.match(text) or (bare[row] in often and bare[row] != text))
        and not (descriptions and descriptions[row])
    ]
    if len(silent) > len(labels) / 2:
        raise BadInput(
            f"{len(silent):,} of {len(labels):,} labels are numbers, ids or signs that say nothing of what they are "
            f"({quoted(silent)}); name a column with words in it (`texts`), or describe them (`descriptions`)"
        )
    said = f"{len(silent):,} of {len(labels):,} labels say nothing of what they are: {quoted(silent)}"
    return (said,) if silent else ()


def _sizes(
    sizes: Sequence[int] | None, n_labels: int, levels: tuple[str, ...], n_known: Sequence[int]
) -> list[int]:
    """Groups per level above the labels, fine to coarse; no fewer than are known."""
    n_levels = len(levels) - 1
    if sizes is None:
        usual = [n_labels ** ((n_levels - i) / (n_levels + 1)) for i in range(n_levels)]
        sizes = [max(1, round(size)) for size in usual]
    elif len(sizes) != n_levels:
        raise BadInput(
            f"{len(sizes)} sizes for {n_levels} levels above the labels ({quoted(levels[1:])}); give one for each"
        )
    for fine, coarse in pairwise([n_labels, *sizes]):
        if not 1 <= coarse <= fine:
            raise BadInput(
                f"sizes must fall from {n_labels:,} labels to 1 or more, fine to coarse: {list(sizes)}; give smaller "
                "ones, or none"
            )
    return [max(size, known) for size, known in zip(sizes, n_known, strict=True)]


def _spelt(plan: _Plan, wordnet: WordNet) -> _Plan:
    """The plan with single slips put right, and said."""
    meant = slips(plan.texts, wordnet.knows)
    if not meant:
        return plan
    said = "read as slips: " + ", ".join(f"{word} for {right}" for word, right in meant.items())
    return replace(plan, texts=[put_right(text, meant) for text in plan.texts], notes=(*plan.notes, said))


def _readers(
    texts: Sequence[str], language: Language, embedder: Embedder | None, nouns: WordNet | None
) -> tuple[Embedder, WordNet | None, tuple[str, ...]]:
    """The text model for the labels' language, WordNet if that is English, and a note on what would help.

    Raises:
        NotFound: another language is asked for, and no text model reads it.
    """
    foreign = language == "many" or (
        language == "auto" and embedder is None and mostly_foreign(texts, nouns.knows if nouns else None)
    )
    if not foreign:
        notes = () if nouns else (f"made from the texts alone. {HOW_TO_GET}",)
        return embedder or SentenceEmbedder(), nouns, notes
    if language == "many":
        return embedder or required_multilingual_embedder(), None, ()
    if reader := multilingual_embedder():
        return reader, None, ()
    said = f"most labels are not English, which the text model reads. {HOW_TO_GET_MULTILINGUAL}"
    return SentenceEmbedder(), nouns, (said,)


def _wordnet(wordnet: WordNet | Literal["auto"] | None) -> WordNet | None:
    if wordnet != "auto":
        return wordnet
    place = find_wordnet()
    return open_wordnet(place) if place else None


# ---- the tree ---------------------------------------------------------------------------------------------------


def _features(
    plan: _Plan, wanted: Sequence[str], embedder: Embedder, wordnet: WordNet | None
) -> tuple[LabelFeatures, FloatArray]:
    """Features of the labels, and vectors of the wanted names and examples, seen with the labels' eyes."""
    n = len(plan.labels)
    descriptions = None if plan.descriptions is None else [*plan.descriptions, *("" for _ in wanted)]
    views = [np.vstack([view, np.zeros((len(wanted), view.shape[1]))]) for view in plan.views]
    texts = [*plan.texts, *map(clean_label, wanted)]
    whole = label_features(texts, embedder, wordnet, descriptions, views)
    return whole.rows(slice(n)), whole.vectors[n:]


def _groups(plan: _Plan, vectors: FloatArray) -> list[IntArray]:
    """Group of each label on every level above, (n,) each. A coarser level brings groups of the finer together."""
    known = np.stack([_codes(column) for column in plan.known], axis=1)
    place = np.arange(len(plan.labels))
    levels = []
    for level, size in enumerate(plan.sizes):
        place = _joined_by(known[:, level], place)
        means, sizes = means_of(vectors, np.ones(len(place), np.int64), place)
        apart = np.full((len(means), known.shape[1] - level), -1)
        np.maximum.at(apart, place, known[:, level:])
        place = group_labels(means, sizes, size, apart)[place]
        levels.append(place)
    return levels


def _codes(names: Sequence[str]) -> IntArray:
    """Numbers of names, -1 for `""`."""
    number = {name: i for i, name in enumerate(sorted({*names} - {""}))}
    return np.array([number.get(name, -1) for name in names], np.int64)


def _joined_by(known: IntArray, place: IntArray) -> IntArray:
    """Groups, those together that are known to be one."""
    of_group = np.full(place.max() + 1, -1)
    np.maximum.at(of_group, place, known)
    one = np.where(of_group >= 0, len(of_group) + of_group, np.arange(len(of_group)))
    return np.unique(one[place], return_inverse=True)[1].astype(np.int64)


def _with_known(named: Sequence[GroupName], groups: IntArray, known: Sequence[str]) -> list[GroupName]:
    """Names of groups, those that are known in place of those that were found."""
    given = {group: name for group, name in zip(groups.tolist(), known, strict=True) if name}
    taken = {label_key(name) for name in given.values()}
    names = []
    for group, found in enumerate(named):
        free = (f"{found.name} {i}" if i > 1 else found.name for i in range(1, len(named) + 2))
        other = GroupName(next(name for name in free if label_key(name) not in taken), found.why)
        names.append(GroupName(given[group], "given") if group in given else other)
        taken.add(label_key(names[-1].name))
    return names


# ---- entries ----------------------------------------------------------------------------------------------------


def _group_entries(
    levels: tuple[str, ...], groups: Sequence[IntArray], named: Sequence[Sequence[GroupName]]
) -> tuple[GroupEntry, ...]:
    entries: list[GroupEntry] = []
    for rank, level in enumerate(levels[1:]):
        first = np.unique(groups[rank], return_index=True)[1]
        above = groups[rank + 1][first] if rank + 1 < len(groups) else None
        parents = [""] * len(first) if above is None else [named[rank + 1][group].name for group in above]
        sure = 1.0 if above is None else _MOST
        of_level = [
            GroupEntry(level, n.name, p, sure, n.why) for n, p in zip(named[rank], parents, strict=True)
        ]
        entries += sorted(of_level, key=lambda entry: entry.name)
    return tuple(entries)


def _label_entries(
    plan: _Plan, features: LabelFeatures, groups: IntArray, named: Sequence[GroupName], given: str
) -> tuple[LabelEntry, ...]:
    """Each label with its group; how sure is how much more like it than like the next one."""
    seconds, leads = _seconds(features.vectors, groups)
    nearest, likeness = nearest_labels(features.vectors, _N_NEIGHBOURS)
    disputed = disagreements(features.words, features.views, groups)
    entries = []
    for row, (label, group, second) in enumerate(
        zip(plan.labels, groups.tolist(), seconds.tolist(), strict=True)
    ):
        near = nearest[row].tolist()
        source = given if plan.known[0][row] not in ("", OTHER) else "text"
        sense = features.senses[row]
        dispute = ""
        if row in disputed and source != "known":
            second, witness = disputed[row]
            dispute = f"{witness} speak for {named[second].name}"
        entries.append(
            LabelEntry(
                label=label,
                group=named[group].name,
                confidence=_confidence(source, float(leads[row]), is_disputed=bool(dispute)),
                why="given" if source == "known" else _why(near[:_N_REASONS], plan.labels, groups, group),
                second="" if second == group else named[second].name,
                neighbours=tuple(plan.labels[other] for other in near),
                likeness=tuple(likeness[row].round(3).tolist()),
                source=source,
                meaning=sense.sense.name if sense else "",
                dispute=dispute,
            )
        )
    return tuple(entries)


def _confidence(source: str, lead: float, *, is_disputed: bool) -> float:
    """That a group is right: known, or as far as likeness alone may say."""
    if source == "known":
        return 1.0
    return _LEAST if is_disputed else round(min(max(_LEAST + lead, _LEAST), _MOST), 3)


def _seconds(vectors: FloatArray, groups: IntArray) -> tuple[IntArray, FloatArray]:
    """The next best group of each label, and how much more like the others of its own group it is, (n,) each."""
    means, sizes = means_of(vectors, np.ones(len(groups), np.int64), groups)
    if len(means) == 1:
        return groups, np.zeros(len(groups))
    seconds, leads = [], []
    for start in range(0, len(groups), _BLOCK):
        part = vectors[start : start + _BLOCK]
        own = groups[start : start + _BLOCK]
        rows = np.arange(len(part))
        alike = part @ means.T
        to_itself = np.einsum("ij,ij->i", part, part)
        n_others = sizes[own] - 1
        to_others = (alike[rows, own] * sizes[own] - to_itself) / np.maximum(n_others, 1)
        alike[rows, own] = -np.inf
        second = np.argmax(alike.round(6), axis=1)
        seconds.append(second)
        leads.append(np.where(n_others > 0, to_others, 0) - alike[rows, second])
    return np.concatenate(seconds), np.concatenate(leads)


def _why(near: Sequence[int], labels: Sequence[str], groups: IntArray, group: int) -> str:
    inside = [labels[row] for row in near if groups[row] == group]
    return f"like {', '.join(inside)}" if inside else "like nothing else here"
