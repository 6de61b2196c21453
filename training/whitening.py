"""PCA whitening, learnt on one set of vectors and applied to others (Jegou and Chum, ECCV 2012)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cairnhub.core.errors import BadInput


@dataclass(frozen=True)
class Whitening:
    """Vectors centred, turned to their principal axes, and divided by the deviation along each.

    Attributes:
        mean: (d,).
        axes: principal axes, strongest first, (k, d); the entry of largest size of each is positive.
        deviations: along each, (k,).
    """

    mean: Tensor
    axes: Tensor
    deviations: Tensor

    @classmethod
    def learn(cls, vectors: Tensor, n_dimensions: int | None = None) -> Whitening:
        """From vectors that are not those to be searched, such as those of the training split.

        Args:
            vectors: (N, d), N above `n_dimensions`.
            n_dimensions: how many axes are kept, k; all by default.

        Raises:
            BadInput: there are too few vectors, or they do not reach into as many dimensions.

        Example:
            >>> import torch
            >>> from cairnhub.training.whitening import Whitening
            >>> learnt = Whitening.learn(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
            >>> [round(variance, 4) for variance in (learnt.deviations**2).tolist()]
            [2.6667, 0.6667]
        """
        n_kept = vectors.shape[1] if n_dimensions is None else n_dimensions
        if not 1 <= n_kept <= vectors.shape[1] or len(vectors) <= n_kept:
            raise BadInput(
                f"whitening to {n_kept} dimensions needs vectors of as many and more of them than that; got "
                f"{len(vectors)} of {vectors.shape[1]}"
            )
        mean = vectors.double().mean(0)
        _, values, axes = torch.linalg.svd(vectors.double() - mean, full_matrices=False)
        deviations = values[:n_kept] / (len(vectors) - 1) ** 0.5
        if float(deviations[-1]) <= 1e-7 * float(deviations[0]):
            n_reached = int((deviations > 1e-7 * deviations[0]).sum())
            raise BadInput(f"the vectors vary in {n_reached} dimensions only: whiten to {n_reached} at most")
        largest = axes[:n_kept].gather(1, axes[:n_kept].abs().argmax(1, keepdim=True))
        return cls(mean, axes[:n_kept] * largest.sign(), deviations)

    def apply(self, vectors: Tensor) -> Tensor:
        """Unit vectors (N, k), in the precision of `vectors` (N, d)."""
        whitened = (vectors.double() - self.mean) @ self.axes.T / self.deviations
        return functional.normalize(whitened, dim=1).to(vectors.dtype)
