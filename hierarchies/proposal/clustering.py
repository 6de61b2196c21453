"""Groups of similar vectors: average linkage, and the k-means baseline."""

import numpy as np
import numpy.typing as npt

from cairnhub.core.errors import BadInput

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_CUTS = np.round(np.arange(0.30, 0.81, 0.02), 2)  # cosine distances at which the tree may be cut
_DEFAULT_CUT = 0.55


def average_linkage(vectors: FloatArray, n_groups: int | None = None) -> IntArray:
    """Cluster unit vectors by average linkage over cosine distance.

    Args:
        vectors: shape (n, d), rows of unit length.
        n_groups: how many groups; where None, the cut with the best mean silhouette.

    Returns:
        Group per row, shape (n,); groups are numbered by their first row.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(vectors) < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    distances = np.asarray(np.clip(1 - vectors @ vectors.T, 0, 2)).round(6)
    np.fill_diagonal(distances, 0)
    links = linkage(squareform(distances, checks=False), method="average")
    if n_groups is not None:
        return _renumbered(fcluster(links, n_groups, criterion="maxclust"))
    candidates = [_renumbered(fcluster(links, cut, criterion="distance")) for cut in _CUTS]
    best = max(
        range(len(candidates)),
        key=lambda i: (_silhouette(distances, candidates[i]), -abs(_CUTS[i] - _DEFAULT_CUT)),
    )
    return candidates[best]


def k_means(vectors: FloatArray, n_groups: int | None) -> IntArray:
    """Cluster by k-means (best of ten fixed seeds), the way H-GLDv2 was made.

    Raises:
        CairnError: no number of groups was given; k-means cannot find it.
    """
    from sklearn.cluster import KMeans

    if n_groups is None or not 1 <= n_groups <= len(vectors):
        raise BadInput(f"k-means needs n_categories between 1 and {len(vectors)}, not {n_groups}")
    return _renumbered(KMeans(n_groups, n_init=10, random_state=0).fit_predict(vectors))


def _silhouette(distances: FloatArray, groups: IntArray) -> float:
    """Mean silhouette; 0 for one group, and members that are alone count 0."""
    if not 1 < len(set(groups.tolist())) < len(groups):
        return 0.0
    from sklearn.metrics import silhouette_score

    return round(float(silhouette_score(distances, groups, metric="precomputed")), 6)


def _renumbered(groups: npt.NDArray[np.integer]) -> IntArray:
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
