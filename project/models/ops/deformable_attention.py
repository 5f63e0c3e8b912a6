"""Multi-scale deformable attention: a weighted sum of features at fractional places of several maps.

Zhu et al., Deformable DETR (ICLR 2021), equation 3. ``torch`` below is the plain reference that defines the result.
"""

import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from project.models.ops.operator import Backend, Operator, compiled_mmcv_obstacle, runs_anywhere, triton_obstacle

Shapes = Sequence[tuple[int, int]]


def deformable_attention(
    value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor, backend: str | None = None
) -> Tensor:
    """Sample feature maps bilinearly (zero outside them) and sum with weights.

    Args:
        value: (B, S, heads, D) features of all levels, flattened row by row, one level after the other.
        shapes: (rows, columns) of each of the L levels; S is the sum of their products.
        locations: (B, Q, heads, L, P, 2) places (column, row) in fractions of a level: 0 is the outer edge of its first
            pixel, 1 that of its last. Always float32 (or wider): bfloat16 cannot distinguish neighbouring pixels.
        weights: (B, Q, heads, L, P).
        backend: name of a backend; by default ``OCCUPANCY_DEFORMABLE_ATTENTION`` or the first that can run.

    Returns:
        (B, Q, heads * D), dtype of `value`.
    """
    chosen = ATTENTION.choose(value.device.type, backend)
    # The kernels below ignore autocast, so their dtypes are chosen here.
    with torch.autocast(value.device.type, enabled=False):
        return chosen.compute(value, tuple(shapes), locations, weights)


def _torch(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    batch, _, heads, dims = value.shape
    queries = locations.shape[1]
    levels = value.flatten(2).split([rows * columns for rows, columns in shapes], dim=1)
    grids = (2 * locations - 1).transpose(1, 2).flatten(0, 1)  # (B * heads, Q, L, P, 2), -1..1 as grid_sample has it
    samples = []
    for level, (features, shape) in enumerate(zip(levels, shapes, strict=True)):
        maps = features.transpose(1, 2).reshape(batch * heads, dims, *shape).to(grids.dtype)
        samples.append(grid_sample(maps, grids[:, :, level], align_corners=False))  # (B * heads, D, Q, P)
    weights = weights.transpose(1, 2).reshape(batch * heads, 1, queries, -1)
    total = (torch.cat(samples, dim=-1) * weights).sum(-1)  # (B * heads, D, Q)
    return total.view(batch, heads * dims, queries).transpose(1, 2).to(value.dtype)


def _triton(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    from project.models.ops.triton_attention import triton_deformable_attention

    return triton_deformable_attention(value, shapes, locations, weights)


def _deformops(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    from deformops.registry import msda

    return msda(value, *_layout(shapes, value.device), locations, weights.to(value.dtype).flatten(3))


def _deformops_obstacle(device_type: str) -> str:
    if device_type != 'cuda':
        return 'its kernels need a GPU'
    if sys.version_info < (3, 12):
        return 'it needs Python 3.12'
    return '' if find_spec('deformops') else 'it is not installed (pip install deformops)'


def _mmcv(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    # mmcv casts the locations to the dtype of the values, so these must be the wider one.
    features, chunk = value.to(locations.dtype), value.shape[0]
    arguments = (features, *_layout(shapes, value.device), locations, weights.to(locations.dtype), chunk)
    return MultiScaleDeformableAttnFunction.apply(*arguments).to(value.dtype)


def _mmcv_obstacle(device_type: str) -> str:
    return compiled_mmcv_obstacle(device_type) or ('' if device_type == 'cuda' else 'its kernel needs a GPU')


@cache
def _layout(shapes: Shapes, device: torch.device) -> tuple[Tensor, Tensor]:
    """(L, 2) shapes and (L,) first rows of the levels, int64; kept, as a ``constant`` is."""
    sizes = torch.tensor(shapes)
    starts = sizes.prod(1).cumsum(0) - sizes.prod(1)
    return sizes.to(device), starts.to(device)


ATTENTION = Operator(
    'deformable_attention',
    [
        Backend('triton', _triton, triton_obstacle),
        Backend('deformops', _deformops, _deformops_obstacle),
        Backend('mmcv', _mmcv, _mmcv_obstacle),
        Backend('torch', _torch, runs_anywhere),
    ],
)
