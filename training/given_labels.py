"""Labels as people have them (names or numbers, of one level or several) become class indices with names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from cairnhub.core.errors import BadInput, NotFound
from cairnhub.hierarchies.label_tree.node import Node
from cairnhub.hierarchies.label_tree.tree import LabelTree
from cairnhub.training.losses.inputs import Array

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelCodes:
    """Labels of one part or several, numbered alike.

    Attributes:
        levels: their names, fine -> coarse.
        parts: class indices (N, L) of each part; -1 where there is no label.
        names: of each level's classes; None where labels were numbers without a tree: they are their own names.
    """

    levels: tuple[str, ...]
    parts: tuple[IntArray, ...]
    names: tuple[tuple[str, ...], ...] | None

    def name(self, rank: int, code: int) -> str:
        """What a class is called."""
        return str(code) if self.names is None else self.names[rank][code]


def code_labels(
    parts: Sequence[Array], levels: Sequence[str] | None = None, tree: LabelTree | None = None
) -> LabelCodes:
    """Number labels.

    Args:
        parts: each (N,) or (N, L), fine -> coarse: names, or class indices (-1: none). Empty cells are no labels.
        levels: names of the columns; those of the tree or of a data frame, or `level0`, `level1`, ...
        tree: says what is above each leaf, so that one column will do; class indices are its own.

    Raises:
        CairnError: labels of another shape, names and numbers mixed, a name that the tree has not (says in which row),
            or names that make no strict tree.
    """
    tables = [_columns(part) for part in parts]
    widths = {table.shape[1] for table in tables}
    if len(widths) > 1:
        raise BadInput(f"labels of queries and gallery have {sorted(widths)} levels: give both the same")
    named = {_has_names(table) for table in tables}
    if len(named) > 1:
        raise BadInput("labels are names on one side and numbers on the other: give both the same")
    called = _levels(parts[0], tables[0].shape[1], levels, tree)
    if named == {False}:
        numbers = [table.astype(np.int64) for table in tables]
        if tree is None:
            return LabelCodes(called, tuple(numbers), None)
        return LabelCodes(tree.levels, tuple(_below(codes, tree) for codes in numbers), tree.names)
    texts = [_texts(table) for table in tables]
    tree = tree or _tree_of(texts, called)
    codes = [_look_up(text, tree) for text in texts]
    return LabelCodes(tree.levels, tuple(_below(each, tree) for each in codes), tree.names)


def _columns(labels: Array) -> npt.NDArray[np.generic]:
    """Labels as an array (N, L)."""
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.ndim not in (1, 2) or not array.shape[-1]:
        raise BadInput(f"labels must be (N,) or (N, levels), got shape {array.shape}")
    return array[:, None] if array.ndim == 1 else array


def _has_names(table: npt.NDArray[np.generic]) -> bool:
    if table.dtype.kind in "iu":
        return False
    if table.dtype.kind in "OUT":
        return True
    raise BadInput(
        f"labels must be names or whole numbers, got {table.dtype}; a missing number is -1, a missing name is empty"
    )


def _levels(
    labels: Array, width: int, levels: Sequence[str] | None, tree: LabelTree | None
) -> tuple[str, ...]:
    """Names of the levels, checked against the number of columns."""
    if tree is not None:
        if width not in (1, len(tree.levels)):
            raise BadInput(
                f"labels have {width} columns, the tree {len(tree.levels)} levels: give all, or leaves"
            )
        return tree.levels
    if isinstance(levels, str):
        raise BadInput(f"levels must be a list, such as [{levels!r}]")
    if levels is None:
        if isinstance(labels, pd.DataFrame):
            return tuple(map(str, labels.columns))
        return tuple(f"level{rank}" for rank in range(width))
    if len(levels) != width:
        raise BadInput(f"labels have {width} columns, but levels name {len(levels)}")
    return tuple(levels)


def _texts(table: npt.NDArray[np.generic]) -> pd.DataFrame:
    """Cells as text; None where there is no label."""
    frame = pd.DataFrame(table.astype(object))
    is_blank = frame.isna() | frame.map(lambda cell: isinstance(cell, str) and not cell.strip())
    strange = ~is_blank & ~frame.map(lambda cell: isinstance(cell, str))
    if strange.to_numpy().any():
        row, column = np.argwhere(strange.to_numpy())[0]
        raise BadInput(
            f"labels, row {row}: {frame.iat[row, column]!r} is no name; give names or numbers, not both"
        )
    return frame.where(~is_blank, None)


def _tree_of(texts: Sequence[pd.DataFrame], levels: tuple[str, ...]) -> LabelTree:
    """The tree of the rows that have all their labels."""
    rows = pd.concat(texts).dropna().drop_duplicates()
    if rows.empty:
        raise BadInput("labels are all empty: nothing can be evaluated")
    return LabelTree.from_table(rows.set_axis(list(levels), axis=1), levels, twins="keep")


def _look_up(texts: pd.DataFrame, tree: LabelTree) -> IntArray:
    """Class indices of names (N, L or 1), -1 where there is none or the row lacks one."""
    codes = np.full(texts.shape, -1, dtype=np.int64)
    for rank, (_, column) in enumerate(texts.items()):
        codes[:, rank] = pd.Index(tree.names[rank]).get_indexer(pd.Index(column))
    is_whole = texts.notna().all(axis=1).to_numpy()
    codes[~is_whole] = -1
    unknown = np.argwhere((codes < 0) & is_whole[:, None])
    if len(unknown):
        row, rank = unknown[0]
        try:
            tree.class_index(Node(tree.levels[rank], str(texts.iat[row, rank])))
        except NotFound as error:
            raise error.within(f"labels, row {row}") from None
    return codes


def _below(codes: IntArray, tree: LabelTree) -> IntArray:
    """Class indices on every level; those of leaves are completed.

    Raises:
        BadInput: an index that the tree has not, or a label that is not above its leaf.
    """
    sizes = np.array([len(names) for names in tree.names[: codes.shape[1]]])
    outside = np.argwhere((codes >= sizes) | (codes < -1))
    if len(outside):
        row, rank = outside[0]
        raise BadInput(
            f"labels, row {row}: {codes[row, rank]} is no class index of the level {tree.levels[rank]!r}: it has "
            f"{sizes[rank]:,} names, from 0; -1 is for none"
        )
    has_leaf = codes[:, 0] >= 0
    whole = np.where(has_leaf[:, None], tree.codes[codes[:, 0]], -1)
    if codes.shape[1] == 1:
        return whole
    torn = np.argwhere(has_leaf[:, None] & (codes >= 0) & (codes != whole))
    if len(torn):
        row, rank = torn[0]
        raise BadInput(
            f"labels, row {row}: {tree.names[rank][codes[row, rank]]!r} is not the {tree.levels[rank]} of "
            f"{tree.names[0][codes[row, 0]]!r} in the tree"
        )
    return codes
