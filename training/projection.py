"""Vectors on a plane: principal components, then t-SNE; the same vectors give the same places."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
N_LANDMARKS, N_COMPONENTS, N_NEAREST, PERPLEXITY = 2_000, 50, 8, 30
_FEW = 10  # vectors that need no more than their principal components
_STEP = 4_096


def project(vectors: npt.NDArray[np.float32], seed: int = 0) -> npt.NDArray[np.float32]:
    """A place on the unit square for each vector, such that like lies near like.

    Up to `N_LANDMARKS` vectors, spread evenly over the rows, are laid out by t-SNE (van der Maaten and Hinton, 2008),
    which starts from the first two principal components; each other lies among the landmarks that are nearest to it.

    Args:
        vectors: (N, d).
        seed: of t-SNE.

    Returns:
        (N, 2), 0..1; the longer side is 1 long.
    """
    if not len(vectors):
        return np.empty((0, 2), np.float32)
    components = principal_components(vectors)
    n = len(components)
    if n <= _FEW:
        return _on_unit_square(components[:, :2])
    landmarks = np.unique(np.linspace(0, n - 1, min(n, N_LANDMARKS)).round().astype(np.int64))
    places = _t_sne(components[landmarks], seed)
    if len(landmarks) == n:
        return _on_unit_square(places)
    return _on_unit_square(_among(components, components[landmarks], places))


def principal_components(vectors: npt.NDArray[np.float32]) -> FloatArray:
    """The first components, (N, `N_COMPONENTS`); each points to where its largest loading is positive."""
    centred = np.asarray(vectors, np.float64)
    centred = centred - centred.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :N_COMPONENTS]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return np.asarray(centred @ (axes * np.where(largest < 0, -1.0, 1.0)))


def _t_sne(components: FloatArray, seed: int) -> FloatArray:
    from sklearn.manifold import TSNE

    start = components[:, :2] / (components[:, :2].std() or 1) * 1e-4
    perplexity = min(PERPLEXITY, (len(components) - 1) / 3)
    layout = TSNE(2, perplexity=perplexity, init=start.astype(np.float32), random_state=seed, n_jobs=1)
    return np.asarray(layout.fit_transform(components), np.float64)


def _among(components: FloatArray, landmarks: FloatArray, places: FloatArray) -> FloatArray:
    """Means of the places of the nearest landmarks, the nearer the weightier."""
    found = np.empty((len(components), 2))
    for first in range(0, len(components), _STEP):
        some = components[first : first + _STEP]
        squares = (some**2).sum(1)[:, None] - 2 * some @ landmarks.T + (landmarks**2).sum(1)
        nearest = np.argpartition(squares, N_NEAREST, axis=1)[:, :N_NEAREST]
        near = np.take_along_axis(squares, nearest, axis=1).clip(0)
        weights = 1 / (near + 1e-3 * near.mean(axis=1, keepdims=True) + 1e-12)
        found[first : first + _STEP] = (places[nearest] * weights[..., None]).sum(1) / weights.sum(1)[:, None]
    return found


def _on_unit_square(places: FloatArray) -> npt.NDArray[np.float32]:
    low, high = places.min(axis=0), places.max(axis=0)
    span = (high - low).max() or 1.0
    return np.asarray((places - low) / span, np.float32)
