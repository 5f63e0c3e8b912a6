"""Projects the cells of a bird's-eye view into cameras and into the previous view."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from project.grid import VoxelGrid
from project.models.constants import constant

NEAREST_DEPTH = 1e-5
"""Points with at most this depth, metres, count as behind the camera."""


def pillar_anchors(grid: VoxelGrid, count: int) -> np.ndarray:
    """Anchor points on the pillar over each cell of the ground.

    Args:
        grid: voxels; their lowest layer gives the cells.
        count: points a pillar, evenly spread from 0.5 m above the floor of the range to 0.5 m below its ceiling; all
            at the middle where the range is less than 1 m high.

    Returns:
        (X, Y, count, 3) float64, the grid's frame, metres.
    """
    centres = np.repeat(grid.centres()[:, :, :1], count, axis=2)
    height = grid.maximum[2] - grid.minimum[2]
    margin = min(0.5, height / 2)
    centres[..., 2] = grid.minimum[2] + np.linspace(margin, height - margin, count)
    return centres


def baseline_pillar_anchors(grid: VoxelGrid, count: int) -> np.ndarray:
    """Anchors of the baseline: cell [i, j] has the i-th of X steps along y and the j-th of Y steps along x.

    Its labels are [x, y, z] nevertheless, so the features of a voxel come from another place than its label.
    """
    counts = (grid.shape[1], grid.shape[0])
    x, y = ((grid.maximum[axis] - grid.minimum[axis]) / counts[axis] for axis in range(2))
    turned = replace(grid, shape=(*counts, grid.shape[2]), voxel_size=(x, y, grid.voxel_size[2]))
    return pillar_anchors(turned, count).swapaxes(0, 1)


def project(points: Tensor, image_from_grid: Tensor, image_shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Project points into cameras.

    Args:
        points: (Q, P, 3), the grid's frame, metres.
        image_from_grid: (B, N, 4, 4), homogeneous pixels from the grid's frame.
        image_shape: rows and columns of the images, padding included.

    Returns:
        (B, N, Q, P, 2) float32 places (column, row) in fractions of the image, and (B, N, Q, P) bool: in front of the
        camera and inside the image.
    """
    matrices = image_from_grid.float()[:, :, None, None]
    # Products and sums instead of a matrix product, which may run in TF32 or bfloat16 and be wrong by pixels.
    pixels = (matrices[..., :3, :3] * points.float()[:, :, None]).sum(-1) + matrices[..., :3, 3]
    depth = pixels[..., 2:]
    places = pixels[..., :2] / depth.clamp(min=NEAREST_DEPTH)
    places = places / constant((image_shape[1], image_shape[0]), places.device)
    visible = (depth > NEAREST_DEPTH) & (places > 0) & (places < 1)
    return places, visible.all(-1)


def motions_between(global_from_past: np.ndarray, global_from_present: np.ndarray) -> np.ndarray:
    """Motions of the grid's frame from the present into earlier frames.

    In float64 and on the host: global coordinates are large, the motion from frame to frame is not. In products and
    sums, since BLAS has threads even for matrices as small as these, which wait for cores that loading processes use.

    Args:
        global_from_past, global_from_present: (..., 4, 4) float64 affine poses, of shapes that broadcast.

    Returns:
        (..., 4, 4) float64 past_from_present.

    Raises:
        ValueError: a pose of the past maps all points onto a plane, or is not finite.
    """
    first, second, third = (global_from_past[..., :3, axis] for axis in range(3))
    rows = np.stack([np.cross(second, third), np.cross(third, first), np.cross(first, second)], axis=-2)
    volumes = (rows[..., 0, :] * first).sum(-1)
    if not (np.isfinite(volumes) & (volumes != 0)).all():
        raise ValueError('global_from_grid of an earlier frame has no inverse: the poses of the index are damaged')
    rows /= volumes[..., None, None]
    shifts = global_from_present[..., :3, 3] - global_from_past[..., :3, 3]
    turned = np.broadcast_to(global_from_present[..., :3, :3], (*shifts.shape, 3))
    moved = np.concatenate([turned, shifts[..., None]], axis=-1)
    motions = np.zeros((*shifts.shape[:-1], 4, 4))
    motions[..., :3, :] = (rows[..., None] * moved[..., None, :, :]).sum(-2)
    motions[..., 3, 3] = 1
    return motions


def align(previous: Tensor, previous_from_current: Tensor, grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """Warp an earlier bird's-eye view into the current frame.

    Cells at the middle height of the grid are moved by the whole rigid motion, not only by its yaw.

    Args:
        previous: (B, C, X, Y) features, the grid's frame at the earlier moment.
        previous_from_current: (B, 4, 4) motion of the grid's frame.
        grid: voxels of both moments.

    Returns:
        (B, C, X, Y) features interpolated at the current cells, those of the nearest cell within half a cell of the
        earlier view's edge and beyond it, and (B, X, Y) bool: the cell's centre lies inside the earlier view.
    """
    centres = _cells(grid, previous.device).to(previous_from_current.dtype)
    motion = previous_from_current[:, None, None]
    moved = (motion[..., :2, :3] * centres[:, :, None]).sum(-1) + motion[..., :2, 3]  # (B, X, Y, 2)
    low, high = grid.minimum, grid.maximum
    fractions = torch.stack([(moved[..., axis] - low[axis]) / (high[axis] - low[axis]) for axis in range(2)], dim=-1)
    places = (2 * fractions - 1).flip(-1).float()  # grid_sample wants the column (y) first
    inside = ((fractions >= 0) & (fractions < 1)).all(-1)
    return grid_sample(previous.float(), places, padding_mode='border', align_corners=False), inside


@cache
def _cells(grid: VoxelGrid, device: torch.device) -> Tensor:
    """(X, Y, 3) float64 centres of the cells at the middle height of the grid; kept, as a ``constant`` is."""
    centres = grid.centres()[:, :, 0]
    centres[..., 2] = (grid.minimum[2] + grid.maximum[2]) / 2
    with torch.inference_mode(False):
        return torch.from_numpy(centres).to(device)
