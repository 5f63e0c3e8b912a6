"""The camera rays of the pixels of feature maps, and the depth bins on them."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from project.models.constants import constant


@dataclass(frozen=True)
class DepthBins:
    """Depths along a camera's axis, in bins whose width grows in proportion to the depth.

    So a relative error of depth is the same number of bins near and far, and errors of depth are relative.

    Attributes:
        nearest: near edge of the first bin, metres.
        farthest: far edge of the last bin, metres.
        count: number D of bins.
    """

    nearest: float
    farthest: float
    count: int

    def __post_init__(self) -> None:
        if not 0 < self.nearest < self.farthest or self.count < 2:
            raise ValueError(f'depth bins need 0 < nearest < farthest and a count of 2 or more; got {self}')

    @classmethod
    def of(cls, bins: 'DepthBins | dict') -> 'DepthBins':
        """Return bins as they are, or make them from their attributes."""
        return bins if isinstance(bins, cls) else cls(**bins)

    @property
    def log_ratio(self) -> float:
        """Natural logarithm of a bin's far edge over its near edge."""
        return math.log(self.farthest / self.nearest) / self.count

    def centres(self) -> tuple[float, ...]:
        """Depth in the middle of each bin, metres."""
        return tuple(self.nearest * math.exp((index + 0.5) * self.log_ratio) for index in range(self.count))

    def coordinate(self, depth: Tensor) -> Tensor:
        """Position of depths (metres, any shape) among the bins: k in the middle of bin k, clamped to 0 and D - 1."""
        places = torch.log(depth.clamp(min=self.nearest) / self.nearest) / self.log_ratio - 0.5
        return places.clamp(0, self.count - 1)

    def within(self, reach: float) -> tuple[tuple[float, ...], ...]:
        """(D, D) share of each column's bin that lies within `reach`, metres, of the middle of the row's bin."""
        edges = [self.nearest * math.exp(index * self.log_ratio) for index in range(self.count + 1)]
        bins = list(pairwise(edges))
        rows = []
        for centre in self.centres():
            overlaps = [min(high, centre + reach) - max(low, centre - reach) for low, high in bins]
            rows.append(tuple(max(part, 0.0) / (high - low) for part, (low, high) in zip(overlaps, bins, strict=True)))
        return tuple(rows)

    def index(self, depth: Tensor) -> Tensor:
        """(...) int64 bin of each depth; depths beyond the ends belong to the first and the last bin."""
        return self.coordinate(depth).round().long()


def pixel_rays(image_from_grid: Tensor, shape: tuple[int, int], image_shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Origin and direction of the ray through the middle of each pixel of a feature map.

    A point at depth d of a pixel is ``origin + d * direction``. Depth is the third homogeneous coordinate of the
    projection, so this holds for projections from turned, mirrored and scaled grids, too.

    Args:
        image_from_grid: (..., 4, 4) homogeneous pixels from the grid's frame.
        shape: rows h and columns w of the map.
        image_shape: rows and columns of the images.

    Returns:
        (..., 3) and (..., 3, h, w) float32, the grid's frame.
    """
    matrices = image_from_grid.float()
    inverse = _inverse(matrices[..., :3, :3])
    # Products and sums instead of matrix products, which may run in TF32 or bfloat16.
    origins = -(inverse * matrices[..., None, :3, 3]).sum(-1)
    rows, columns = (_middles(count, size, matrices) for count, size in zip(shape, image_shape, strict=True))
    parts = inverse[..., :, :, None, None]
    directions = parts[..., 0, :, :] * columns + parts[..., 1, :, :] * rows[:, None] + parts[..., 2, :, :]
    return origins, directions


def _middles(count: int, size: int, like: Tensor) -> Tensor:
    """(count,) pixels of the image in the middle of each row or column of a map."""
    return (torch.arange(count, device=like.device, dtype=torch.float32) + 0.5) * (size / count)


def _inverse(matrices: Tensor) -> Tensor:
    """(..., 3, 3) inverses by cofactors: neither CUDA graphs nor ONNX support a solver."""
    a, b, c = matrices.unbind(-2)
    columns = torch.stack([_cross(b, c), _cross(c, a), _cross(a, b)], dim=-1)
    determinant = (a * columns[..., 0]).sum(-1)
    return columns / determinant[..., None, None]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    x, y, z = a.unbind(-1)
    u, v, w = b.unbind(-1)
    return torch.stack([y * w - z * v, z * u - x * w, x * v - y * u], dim=-1)


def heights(origins: Tensor, directions: Tensor, bins: DepthBins) -> Tensor:
    """(..., D, h, w) height of each ray in the middle of each bin: z of the grid's frame, metres."""
    depths = constant(bins.centres(), origins.device)[:, None, None]
    return origins[..., 2, None, None, None] + depths * directions[..., 2:3, :, :]
