"""Splits of a source that gives none, by the hash of names: the same on every machine, stable when images are added.

A share of some names is cut off in the order of their hashes. The cut is where the hash passes the share, so that what
a name becomes depends on the name alone, but never farther than rounding from the exact share: of 8 names and a half, 4
are cut off. The exact share costs that a name which is added may move one other of its group; most often it moves none.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from cairnhub.pipelines.settings.sources import SplitByClass, SplitByImage

Bools = npt.NDArray[np.bool_]


def divide(rows: pd.DataFrame, levels: Sequence[str], how: SplitByClass | SplitByImage) -> "pd.Series[str]":
    """The split of each row.

    Args:
        rows: `image_id` and a column per level; of several rows of an image the first counts, and a row without a label
            on the finest level, or on the one that is divided, is `train` and moves no other.
        levels: fine -> coarse.
        how: what is divided, and how.

    Returns:
        `train` and `test`, or `train`, `query` and `gallery`; one class alone is `train`, of more some are on
        either side.
    """
    divided = levels[0] if isinstance(how, SplitByImage) else how.level or levels[0]
    whole = (rows[levels[0]] != "") & (rows[divided] != "")
    usable = rows[whole].drop_duplicates("image_id")
    if isinstance(how, SplitByImage):
        is_test = _cut_off(usable["image_id"], usable[levels[0]], how.test, how.seed, both=True)
        splits = np.where(is_test, "test", "train").astype(object)
    else:
        splits = _by_class(usable, levels, how)
    by_image = pd.Series(splits, index=pd.Index(usable["image_id"]), dtype="str")
    return rows["image_id"].map(by_image).where(whole, "train")


def describe(how: SplitByClass | SplitByImage, levels: Sequence[str]) -> str:
    """What `divide` does, in a sentence."""
    if isinstance(how, SplitByImage):
        share = f"{how.test:.0%} of the images of every {levels[0]}"
        return f"Splits by image, made by Cairn: {share} are test, the others train (seed {how.seed})."
    level = how.level or levels[0]
    above = levels[levels.index(level) + 1 :][:1]
    alike = f", of every {above[0]} alike" if above else ""
    test = f"query ({how.query_share:.0%} of each {levels[0]}) and gallery" if how.query_share else "test"
    return (
        f"Class-disjoint splits, made by Cairn: {how.test:.0%} of the labels of level {level}{alike}, are {test} with "
        f"all their images, the others train (seed {how.seed})."
    )


def _by_class(rows: pd.DataFrame, levels: Sequence[str], how: SplitByClass) -> npt.NDArray[np.object_]:
    level = how.level or levels[0]
    above = levels[levels.index(level) + 1 :][:1]
    # Per class; one of two strata is a fault that the tree names.
    strata = rows.groupby(level)[above[0] if above else level].min()
    classes = pd.Series(strata.index, index=strata.index)
    is_test = _cut_off(classes, strata if above else None, how.test, how.seed)
    if len(classes) < 2:
        is_test[:] = False
    elif is_test.all() == is_test.any():  # few classes, each alone in its stratum
        nearest = np.argmin(np.abs(_unit_hash(classes, how.seed) - how.test))
        is_test[nearest] = not is_test[nearest]
    in_test = rows[level].isin(set(classes[is_test])).to_numpy()
    splits = np.where(in_test, "test", "train").astype(object)
    if how.query_share:
        asked = rows[in_test]
        is_query = _cut_off(asked["image_id"], asked[levels[0]], how.query_share, how.seed, both=True)
        splits[in_test] = np.where(is_query, "query", "gallery")
    return splits


def _cut_off(
    names: "pd.Series[str]",
    groups: "pd.Series[str] | None",
    share: float,
    seed: int,
    both: bool = False,
) -> Bools:
    """Which names are in the share that is cut off each group.

    Args:
        names: unique.
        groups: each name's; None: all are of one group.
        share: of each group, 0..1.
        seed: of the hashes.
        both: a group of two or more has a name on either side; one that is alone is not cut off.
    """
    hashes = _unit_hash(names, seed)
    codes = np.zeros(len(names), np.int64) if groups is None else pd.factorize(groups)[0]
    n_names = np.bincount(codes)
    n_below = np.bincount(codes[hashes < share], minlength=len(n_names))
    exact = share * n_names
    n_cut = np.clip(n_below, np.floor(exact + 1e-9), np.ceil(exact - 1e-9)).astype(np.int64)
    if both:
        n_cut = np.clip(n_cut, np.minimum(1, n_names - 1), n_names - 1)
    order = np.lexsort((hashes, codes))
    starts = np.cumsum(n_names) - n_names
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names)) - starts[codes[order]]
    is_cut: Bools = rank < n_cut[codes]
    return is_cut


def _unit_hash(names: Iterable[str], seed: int) -> npt.NDArray[np.float64]:
    """A number of [0, 1) for each name, from its SHA-256."""
    digests = b"".join(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8] for name in names)
    return (np.frombuffer(digests, ">u8") >> np.uint64(11)) / 2.0**53
