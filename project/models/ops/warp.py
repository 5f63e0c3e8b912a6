"""Warps volumes of features by rigid motions: every voxel samples the volumes of other moments at its centre.

``torch`` below is the plain reference that defines the result.
"""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from project.grid import VoxelGrid
from project.models.ops.operator import Backend, Operator, runs_anywhere, triton_obstacle
from project.models.ops.pull import axis_centres


def warp(
    volumes: Tensor, rows: Tensor, motions: Tensor, exists: Tensor, grid: VoxelGrid, backend: str | None = None
) -> Tensor:
    """Features of T volumes at the voxels' centres, and whether the centres lie inside of them.

    Features are interpolated trilinearly between the centres of voxels, and clamped beyond the outer ones.

    Args:
        volumes: (R, Z, X, Y, C), the grid's frame at R moments.
        rows: (B, T) int64, which volumes each of B samples looks into.
        motions: (B, T, 4, 4) rigid motions from the grid's frame of a sample to that of a volume; no gradient.
        exists: (B, T) bool, False for volumes that do not count.
        grid: voxels (X, Y, Z) of all moments.
        backend: name of a backend; by default ``OCCUPANCY_WARP`` or the first that can run.

    Returns:
        (B, Z, X, Y, T, C + 1), dtype of `volumes`; the last channel is 1 where a centre lies inside of a volume that
        counts. All channels are 0 elsewhere. Sums are in float32; by ``torch`` in float64 if `volumes` are.
    """
    chosen = WARP.choose(volumes.device.type, backend)
    # Positions are always float32: bfloat16 cannot distinguish neighbouring voxels.
    with torch.autocast(volumes.device.type, enabled=False):
        return chosen.compute(volumes, rows, motions.float(), exists, grid)


def _torch(volumes: Tensor, rows: Tensor, motions: Tensor, exists: Tensor, grid: VoxelGrid) -> Tensor:
    parts = []
    for index in range(rows.shape[1]):
        moved, inside = _moved(volumes[rows[:, index]], motions[:, index], grid)
        known = (inside & exists[:, index, None, None, None])[..., None]
        parts.append(torch.where(known, pad(moved, (0, 1), value=1.0), 0))
    return torch.stack(parts, dim=-2).to(volumes.dtype)


def _moved(volumes: Tensor, motions: Tensor, grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """(B, Z, X, Y, C) features of (B, Z, X, Y, C) volumes at (B, 4, 4) moved centres, and (B, Z, X, Y) bool, inside."""
    wide = torch.promote_types(volumes.dtype, torch.float32)
    axes = [axis_centres(grid, axis, volumes.device) for axis in range(3)]
    z, x, y = torch.meshgrid(axes[2], axes[0], axes[1], indexing='ij')
    lines = motions[:, :3, None, None, None]  # (B, 3, 1, 1, 1, 4)
    # Products and sums instead of a matrix product, which may run in TF32.
    moved = lines[..., 0] * x + lines[..., 1] * y + lines[..., 2] * z + lines[..., 3]  # (B, 3, Z, X, Y)
    low, high = grid.minimum, grid.maximum
    shares = [(moved[:, axis] - low[axis]) / (high[axis] - low[axis]) for axis in range(3)]
    inside = torch.stack([(share >= 0) & (share < 1) for share in shares]).all(0)
    places = 2 * torch.stack([shares[1], shares[0], shares[2]], dim=-1) - 1  # grid_sample wants the last axis first
    features = volumes.movedim(-1, 1).to(wide)
    sampled = grid_sample(features, places.to(wide), padding_mode='border', align_corners=False)
    return sampled.movedim(1, -1), inside


def _triton(volumes: Tensor, rows: Tensor, motions: Tensor, exists: Tensor, grid: VoxelGrid) -> Tensor:
    from project.models.ops.triton_warp import triton_warp

    return triton_warp(volumes, rows, motions, exists, grid)


WARP = Operator('warp', [Backend('triton', _triton, triton_obstacle), Backend('torch', _torch, runs_anywhere)])
