"""Sums of a sigmoid over items, for all positives at once: through a grid, by Lagrange interpolation.

A sigmoid is smooth (its poles lie pi widths away from the real axis): items may be spread onto a few grid points around
them, and positives read from those around them, with an error no larger than the rounding of such sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Precision:
    """How fine the sums are made.

    Attributes:
        n_nodes: grid points that an item is spread over, even.
        spacing: of the grid, in widths of the sigmoid.
        reach: differences, in widths, from where on a sigmoid counts as 0 or 1.
    """

    n_nodes: int
    spacing: float
    reach: float


# Errors of one item: up to 6e-7, most of it the rounding of places, and 1e-11.
PRECISION = {torch.float32: Precision(8, 0.25, 18.0), torch.float64: Precision(10, 0.125, 28.0)}


class Grid:
    """Evenly spaced places low .. high, in widths of the sigmoid."""

    def __init__(self, low: float, high: float, like: Tensor) -> None:
        precision = PRECISION[like.dtype]
        self.low, self.high = low, high
        self.n_nodes, self.spacing = precision.n_nodes, precision.spacing
        self.size = math.ceil((high - low) / self.spacing) + self.n_nodes
        places = torch.arange(self.size, dtype=like.dtype, device=like.device) * self.spacing
        self.sigmoid = torch.sigmoid(places[:, None] - places)  # of items (rows) above positives (columns)


class Nodes:
    """The grid points around some places."""

    def __init__(self, grid: Grid, place: Tensor) -> None:
        """Take places (Q, N); those outside the grid are moved to its ends."""
        steps = (place.clamp(grid.low, grid.high) - grid.low) / grid.spacing
        cell = steps.floor()
        self.grid, self.first = grid, cell.long()
        powers = steps.new_empty(grid.n_nodes, *place.shape)
        powers[0] = 1
        torch.sub(steps, cell, out=powers[1]).sub_(0.5)
        for power in range(2, grid.n_nodes):
            torch.mul(powers[power - 1], powers[1], out=powers[power])
        to_weights, to_slopes = (matrix.to(place.device) for matrix in _lagrange(grid.n_nodes, place.dtype))
        self.weights = (to_weights @ powers.flatten(1)).view_as(powers)
        self.slopes = ((to_slopes / grid.spacing) @ powers.flatten(1)).view_as(powers)

    def spread(self, group: Tensor, n_groups: int, amount: Tensor | None = None) -> Tensor:
        """Put an amount per place, 1 if None, onto a grid per group (Q, N); (Q, n_groups, size)."""
        grid = self.weights.new_zeros(len(group), n_groups * self.grid.size)
        for index, weight in zip(self._indices(group), self.weights, strict=True):
            grid.scatter_add_(1, index, weight if amount is None else weight * amount)
        return grid.view(len(group), n_groups, self.grid.size)

    def value(self, grid: Tensor, group: Tensor) -> Tensor:
        """What a grid (Q, n_groups, size) holds at each place, in the place's group; (Q, N)."""
        return self._read(grid, group, self.weights)

    def slope(self, grid: Tensor, group: Tensor) -> Tensor:
        """The derivative of `value` by the place."""
        return self._read(grid, group, self.slopes)

    def _read(self, grid: Tensor, group: Tensor, weights: Tensor) -> Tensor:
        total, flat = torch.zeros_like(weights[0]), grid.flatten(1)
        for index, weight in zip(self._indices(group), weights, strict=True):
            total.addcmul_(flat.gather(1, index), weight)
        return total

    def _indices(self, group: Tensor) -> Iterator[Tensor]:
        first = self.first + group * self.grid.size
        return (first + node for node in range(self.grid.n_nodes))


@cache
def _lagrange(n_nodes: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What turns powers of u, -.5 .. .5 from the middle, into the nodes' weights and slopes; (nodes, powers) each."""
    nodes = torch.arange(n_nodes, dtype=torch.float64) - (n_nodes - 1) / 2
    weights = torch.linalg.inv(torch.vander(nodes).flip(1).T)
    slopes = torch.zeros_like(weights)
    slopes[:, :-1] = weights[:, 1:] * torch.arange(1, n_nodes)
    return weights.to(dtype), slopes.to(dtype)
