"""Average linkage of labels or of groups of them, to a wanted number of groups; some may be kept apart."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
MAX_LINKED = 5_000  # labels that are all held against each other: the table of distances takes 200 MB
_N_MICRO = 3_000  # groups that many labels are first brought into
_MICRO_WIDTH = 128  # components that tell micro-groups apart
_MICRO_ROUNDS = 5
_DECIMALS = 6


def group_labels(
    vectors: FloatArray, sizes: IntArray, n_groups: int, apart: IntArray | None = None
) -> IntArray:
    """Merge the two groups that are most alike on average, again and again, until few enough are left.

    Args:
        vectors: mean vector of each start group, (n, d); a label by itself is a group of one.
        sizes: labels in each, (n,).
        n_groups: how many groups are wanted.
        apart: what is known of the start groups, one column per level, (n, k); two with different values >= 0 in a
            column are never merged, so more groups than wanted may stay.

    Returns:
        Group of each start group, numbered by their first row, (n,).
    """
    if len(vectors) <= n_groups:
        return np.arange(len(vectors))
    if len(vectors) > MAX_LINKED:
        micro = micro_groups(vectors, max(_N_MICRO, n_groups), apart)
        means, weights = means_of(vectors, sizes, micro)
        if n_groups >= _N_MICRO:
            return micro
        kept = None if apart is None else _first_of(apart, micro)
        return _renumbered(group_labels(means, weights, n_groups, kept)[micro])
    return _linked(vectors, sizes, n_groups, apart)


def means_of(vectors: FloatArray, sizes: IntArray, groups: IntArray) -> tuple[FloatArray, IntArray]:
    """Mean vector and size of every group of groups."""
    from scipy.sparse import csr_matrix

    weights = np.bincount(groups, sizes).astype(np.int64)
    sums = csr_matrix((sizes, (groups, np.arange(len(groups)))), (len(weights), len(groups))) @ vectors
    return np.asarray(sums / weights[:, None]), weights


def _first_of(values: IntArray, groups: IntArray) -> IntArray:
    return np.asarray(values[np.unique(groups, return_index=True)[1]])


def micro_groups(vectors: FloatArray, n_groups: int, apart: IntArray | None = None) -> IntArray:
    """Small groups by k-means, a few rounds from seeded rows; those of what must stay apart are parted, (n,)."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    if vectors.shape[1] > _MICRO_WIDTH:
        vectors = PCA(_MICRO_WIDTH, svd_solver="covariance_eigh").fit_transform(vectors)
    means = KMeans(n_groups, init="random", n_init=1, max_iter=_MICRO_ROUNDS, random_state=0)
    groups = means.fit_predict(vectors.astype(np.float32)).astype(np.int64)
    if apart is not None:
        parted = np.column_stack([groups, apart])
        groups = np.unique(parted, axis=0, return_inverse=True)[1].reshape(-1)
    return _renumbered(groups)


def _linked(vectors: FloatArray, sizes: IntArray, n_groups: int, apart: IntArray | None) -> IntArray:
    """Average linkage by chains of nearest neighbours, then the merges by height until `n_groups` are left."""
    distances = (1 - vectors @ vectors.T).round(_DECIMALS)  # of means: the average over all pairs
    for known in () if apart is None else apart.T:
        distances[(known[:, None] != known) & (known[:, None] >= 0) & (known >= 0)] = np.inf
    np.fill_diagonal(distances, np.inf)
    merges = _merges(distances, sizes.astype(np.float64))
    parents = np.arange(len(vectors))
    for _, kept, gone in sorted(merges)[: len(vectors) - n_groups]:
        parents[_root(parents, gone)] = _root(parents, kept)
    return _renumbered(np.array([_root(parents, row) for row in range(len(vectors))]))


def _merges(distances: FloatArray, sizes: FloatArray) -> list[tuple[float, int, int]]:
    """Height and the two rows of each merge (Murtagh 1983); `distances` is used up.

    A chain of nearest neighbours ends in two that are nearest to each other; merging them does not break the others,
    since an average is never nearer than the nearer of its parts.
    """
    alive = np.ones(len(sizes), bool)
    merges: list[tuple[float, int, int]] = []
    chain: list[int] = []
    while chain or alive.sum() > 1:
        if not chain:
            chain = [int(np.argmax(alive))]
        row = distances[chain[-1]]
        nearest = int(np.argmin(row))
        if not np.isfinite(row[nearest]):  # kept apart from all others
            alive[chain.pop()] = False
            continue
        if len(chain) == 1 or row[nearest] < row[chain[-2]]:
            chain.append(nearest)
            continue
        one, other = chain.pop(), chain.pop()
        kept, gone = min(one, other), max(one, other)
        merges.append((float(distances[kept, gone]), kept, gone))
        joined = (sizes[kept] * distances[kept] + sizes[gone] * distances[gone]) / (sizes[kept] + sizes[gone])
        sizes[kept] += sizes[gone]
        alive[gone] = False
        distances[kept] = distances[:, kept] = np.round(joined, 2 * _DECIMALS)
        distances[gone] = distances[:, gone] = distances[kept, kept] = np.inf
    return merges


def _root(parents: IntArray, row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _renumbered(groups: IntArray) -> IntArray:
    """Numbered by their first rows."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
