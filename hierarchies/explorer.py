"""The tree explorer: one self-contained page of a tree, or of two trees side by side.

Trees travel compressed, as columns, a number per node and fact, so that 300,000 leaves stay a few MB; the page draws
only what is in sight.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cairnhub.core.data_uri import data_uri
from cairnhub.core.files import write_text_atomic
from cairnhub.core.html import PAGES as SHARED
from cairnhub.core.html import fill
from cairnhub.core.packed import packed_json
from cairnhub.hierarchies.agreement import Agreement, compare
from cairnhub.hierarchies.label_tree.node import Node, NodeInfo
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.hierarchies.node_results import NodeResults
from cairnhub.hierarchies.render import total_counts
from cairnhub.hierarchies.review.sentences import sentence
from cairnhub.hierarchies.review.touches import TouchedNodes
from cairnhub.hierarchies.tree_diff import Change, diff

Photos = Mapping[str, Sequence[bytes]]
Place = tuple[int, int]  # rank of the level and class index: a node, for the scripts
PAGES = Path(__file__).parent / "pages"
_SCRIPTS = ("tree.js", "outline.js", "alignment.js", "map.js", "panel.js", "explorer.js")


@dataclass(frozen=True)
class View:
    """A tree with what is known of it.

    Attributes:
        name: how the page calls it.
        tree: the tree; its `info` gives confidence, provenance and review status.
        counts: per split, images per leaf name; without any, leaves are counted.
        touches: the decisions that shaped it.
        results: what a model reaches on it.
    """

    name: str
    tree: LabelTree
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    touches: Sequence[TouchedNodes] = ()
    results: NodeResults | None = None


def write_explorer(
    path: Path,
    title: str,
    view: View,
    photos: Photos | None = None,
    beside: View | None = None,
    no_photos: str = "",
) -> None:
    """Write the page.

    Args:
        path: the file to write.
        title: its heading.
        view: the tree.
        photos: small JPEG files per leaf name.
        beside: a second tree with the same levels, to compare the first with. A tree without counts takes those of
            the other, so that both sides count the same.
        no_photos: why there is none, in a sentence.

    Raises:
        CairnError: the two trees have different levels, or no leaf in common.
    """
    views = [view] if beside is None else [_counted(view, beside), _counted(beside, view)]
    data: dict[str, object] = {
        "photos": {leaf: [data_uri(jpeg) for jpeg in jpegs] for leaf, jpegs in (photos or {}).items()},
        "trees": packed_json([_columns(each) for each in views]),
    }
    values: dict[str, object] = {"title": title, "views": [_headline(each) for each in views]}
    if beside is not None:
        counts = total_counts(views[1].counts) or None
        changes = diff(view.tree, beside.tree, counts)
        data["differences"] = [_change(change, view.tree, beside.tree) for change in changes]
        values["agreement"] = _agreement(compare(view.tree, beside.tree, counts))
    page = fill(
        PAGES / "explorer.html",
        {"agreement": None, "no_photos": no_photos, "results": any(each.results for each in views), **values},
        data,
        styles=[PAGES / "explorer.css"],
        scripts=[SHARED / "elements.js", *(PAGES / name for name in _SCRIPTS)],
    )
    write_text_atomic(path, page)


def _counted(view: View, other: View) -> View:
    """A tree with counts: its own, else those that the other has for labels of these names."""
    return view if view.counts else replace(view, counts=other.counts)


def _headline(view: View) -> dict[str, str]:
    sizes = [
        f"{level} {len(names):,}" for level, names in zip(view.tree.levels, view.tree.names, strict=True)
    ]
    images = [f"{sum(total_counts(view.counts).values()):,} images"] if view.counts else []
    return {"name": view.name, "sizes": " · ".join([*images, *sizes])}


def _columns(view: View) -> dict[str, object]:
    """What `tree.js` reads: one list per fact, in class order, levels fine to coarse."""
    tree = view.tree
    infos = [
        [tree.info.get(Node(level, name), NodeInfo()) for name in names]
        for level, names in zip(tree.levels, tree.names, strict=True)
    ]
    words = sorted({word for level in infos for info in level for word in (info.source, info.status) if word})
    code = {word: i for i, word in enumerate(words)} | {None: -1}
    return {
        "name": view.name,
        "levels": tree.levels,
        "names": tree.names,
        "parents": [parents.tolist() for parents in tree.parents],
        "unit": "images" if view.counts else tree.levels[0],
        "splits": list(view.counts),
        "counts": [[split.get(leaf, 0) for leaf in tree.names[0]] for split in view.counts.values()],
        "confidence": [_known([_percent(info.confidence) for info in level]) for level in infos],
        "source": [_known([code[info.source] for info in level]) for level in infos],
        "status": [_known([code[info.status] for info in level]) for level in infos],
        "words": words,
        "decisions": [_decision(touch, tree) for touch in view.touches],
        "results": None if view.results is None else _results(view.results, tree),
    }


def _results(results: NodeResults, tree: LabelTree) -> dict[str, object]:
    """Measures in percent; of nodes that the tree has."""
    return {
        "name": results.name,
        "pages": dict(results.pages),
        "nodes": [
            {
                "place": place,
                "n": node_measures.n_queries,
                "values": [
                    [name, *(round(100 * end, 1) for end in (each.value, each.low, each.high))]
                    for name, each in node_measures.measures.items()
                ],
            }
            for node, node_measures in results.nodes.items()
            for place in _places(tree, node.level, [node.name])
        ],
        "confusions": [
            [*pair[0], pair[1][1], each.n_queries]
            for each in results.confusions
            if len(pair := _places(tree, each.node.level, [each.node.name, each.found])) == 2
        ],
    }


def _percent(confidence: float | None) -> int:
    return -1 if confidence is None else round(100 * confidence)


def _known(column: list[int]) -> list[int]:
    """Nothing where nothing is known."""
    return column if any(value >= 0 for value in column) else []


def _decision(touch: TouchedNodes, tree: LabelTree) -> dict[str, object]:
    decision = touch.decision
    return {
        "act": sentence(decision),
        "author": decision.author,
        "date": decision.date,
        "reason": decision.reason,
        "places": [p for node in touch.nodes for p in _places(tree, node.level, [node.name])],
    }


def _change(change: Change, before: LabelTree, after: LabelTree) -> dict[str, object]:
    """A change in words, and the nodes of either tree that it is about."""
    level = change.level
    left: Iterable[str] = [change.before]
    right: Iterable[str] = [change.after]
    match change.what:
        case "renamed":
            text = f"{level} “{change.before}” is now “{change.after}”"
        case "merged":
            text = f"{level} “{change.before}” joined “{change.after}”"
        case "split":
            text = f"{level} “{change.after}” was taken out of “{change.before}”"
        case "moved":
            text = f"{change.n_labels:,} {level} from “{change.before}” to “{change.after}”"
            left = right = change.labels
        case "added":
            text, left, right = f"{change.n_labels:,} {level} new", [], change.labels
        case "removed":
            text, left, right = f"{change.n_labels:,} {level} gone", change.labels, []
    return {
        "what": change.what,
        "text": text,
        "n": change.n_images,
        "left": _places(before, level, left),
        "right": _places(after, level, right),
    }


def _places(tree: LabelTree, level: str, names: Iterable[str]) -> list[Place]:
    """Nodes of those names that the tree has: a moved label may have been renamed, too."""
    rank = tree.levels.index(level)
    return [(rank, tree.class_index(Node(level, name))) for name in names if tree.has(Node(level, name))]


def _agreement(levels: Mapping[str, Agreement]) -> list[tuple[str, int, int, str, str, str]]:
    """Rows of the page's table: level, groups on either side, and three measures."""
    return [
        (
            level,
            agreement_of_level.n_groups,
            agreement_of_level.n_reference,
            f"{agreement_of_level.v_measure:.3f}",
            f"{agreement_of_level.ari:.3f}",
            f"{agreement_of_level.matched_accuracy:.3f}",
        )
        for level, agreement_of_level in levels.items()
    ]
