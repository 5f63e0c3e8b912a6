"""Selects the queries that each camera sees; only these are computed for it."""

from dataclasses import dataclass

import torch
from torch import Tensor


def count_seen(visible: Tensor) -> Tensor:
    """(B, N) int64, how many queries each camera sees, of (B, N, Q, P) bool."""
    return visible.any(-1).sum(-1)


def most_seen(visible: Tensor) -> Tensor:
    """() int64, the most queries that any camera sees, but at least 1, of (B, N, Q, P) bool."""
    return count_seen(visible).max().clamp(min=1)


@dataclass(frozen=True)
class CameraViews:
    """The queries of each camera, padded to the same number M.

    Attributes:
        queries: (B, N, M) int64, positions of a camera's queries, in order; any others in the padding.
        valid: (B, N, M) bool, False in the padding.
        places: (B, N, M, P, 2) float32, the queries' anchors in fractions of the image (column, row).
        cameras: (B, Q, 1) float32, number of cameras that see a query, at least 1.
    """

    queries: Tensor
    valid: Tensor
    places: Tensor
    cameras: Tensor

    @classmethod
    def of(cls, places: Tensor, visible: Tensor, capacity: int | None = None) -> 'CameraViews':
        """Keep a query in a camera that sees at least one of its anchors (and then with all its anchors).

        Args:
            places: (B, N, Q, P, 2) anchors in fractions of the image.
            visible: (B, N, Q, P) bool.
            capacity: M, no less than ``most_seen(visible)``, which it is by default.
        """
        capacity = int(most_seen(visible)) if capacity is None else capacity  # the host waits for the device
        seen = visible.any(-1)
        queries = seen.to(torch.uint8).argsort(dim=-1, descending=True, stable=True)[..., :capacity]
        index = queries[..., None, None].expand(*queries.shape, *places.shape[-2:])
        cameras = seen.sum(1).clamp(min=1).float()[..., None]
        return cls(queries, seen.gather(2, queries), places.gather(2, index), cameras)

    def pick(self, features: Tensor) -> Tensor:
        """(B, N, M, C) features of each camera's queries, of (B, Q, C)."""
        batch, cameras, most = self.queries.shape
        index = self.queries.flatten(1)[..., None].expand(-1, -1, features.shape[-1])
        return features.gather(1, index).view(batch, cameras, most, -1)

    def average(self, features: Tensor) -> Tensor:
        """(B, Q, C) float32 mean over the cameras that see a query of (B, N, M, C); zero where none does."""
        kept = (features.float() * self.valid[..., None]).flatten(1, 2)
        index = self.queries.flatten(1)[..., None].expand_as(kept)
        total = kept.new_zeros(kept.shape[0], self.cameras.shape[1], kept.shape[-1]).scatter_add(1, index, kept)
        return total / self.cameras
