"""The voxels that the cameras of a keyframe see.

Every camera casts rays through its image. Neighbouring rays are a third of a voxel apart where they end, and half a
voxel at the far corners of the grid: the first rays are few, and more are cast between those that reach far. A ray sees
all voxels that it passes through, up to and including the first occupied one. Rays meet a far road at such a grazing
angle that they all miss some of its voxels. So an occupied voxel beside a seen one is seen, too, if a straight line
from a camera reaches one of the points on its faces without passing through another occupied voxel.
"""

import numpy as np
from numba import njit

from project.geometry.rigid import inverse
from project.geometry.traversal import clip_to_grid, longest_traversal, traverse
from project.grid import VoxelGrid
from project.labels.config import DEFAULT, VisibilityConfig
from project.sources.base import Cameras

COARSEST = 3
"""Halvings of the distance between rays, from the first rays to those for the farthest voxel."""

FACE_POINTS = ((0.0, 0.0), (-0.45, -0.45), (-0.45, 0.45), (0.45, -0.45), (0.45, 0.45))
"""From the middle of a face, in voxels."""

TO_FACE = 0.5 - 1e-6
"""From the middle of a voxel to a face, in voxels; a point there is still inside the voxel."""


def camera_mask(
    cameras: Cameras, grid_from_global: np.ndarray, grid: VoxelGrid, occupied: np.ndarray,
    config: VisibilityConfig = DEFAULT.visibility,
) -> np.ndarray:  # fmt: skip
    """Voxels that at least one camera sees: the free ones that its rays pass through, and the occupied ones that end
    them.

    Args:
        cameras: the cameras, each at its own time; moving objects are taken at the time of the lidar.
        grid_from_global: (4, 4) float64.
        grid: the voxels.
        occupied: (X, Y, Z) bool.
        config: thresholds.

    Returns:
        (X, Y, Z) bool.
    """
    seen = np.zeros(grid.size, bool)
    walls, shape = occupied.ravel(), np.array(grid.shape)
    path = np.empty(longest_traversal(grid.shape), np.int64)
    frame_from_voxels = np.linalg.inv(grid.voxels_from_frame)
    grid_from_cameras = grid_from_global @ cameras.global_from_camera
    eyes = (grid.voxels_from_frame @ grid_from_cameras)[:, :3, 3]
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * grid.shape
    for eye, pose, matrix, size_px in zip(eyes, grid_from_cameras, cameras.matrices, cameras.sizes_px, strict=True):
        farthest = np.linalg.norm((corners - eye) * grid.voxel_size, axis=1).max()
        step_px = min(matrix[0, 0], matrix[1, 1]) * min(grid.voxel_size) / farthest / config.rays_per_far_voxel
        voxels_from_image = grid.voxels_from_frame[:3, :3] @ pose[:3, :3] @ np.linalg.inv(matrix)
        counts = np.ceil(size_px / step_px).astype(int)
        _cast_rays(seen, walls, eye, voxels_from_image * farthest, size_px, counts, shape, path, config)
    seen = seen.reshape(grid.shape)
    candidates = _neighbours(seen, occupied & ~seen)
    image_from_voxels = cameras.matrices @ (inverse(grid_from_cameras) @ frame_from_voxels)[:, :3]
    reached = _faces_reached(candidates, walls, image_from_voxels, eyes, cameras.sizes_px, shape, path)
    seen[tuple(candidates[reached].T)] = True
    return seen


def _neighbours(seen: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(N, 3) indices of wanted voxels that share a face with a seen one."""
    indices = np.stack(np.unravel_index(np.flatnonzero(wanted), wanted.shape), axis=1)
    beside = np.zeros(len(indices), bool)
    for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int)):
        neighbours = indices + step
        inside = ((neighbours >= 0) & (neighbours < seen.shape)).all(axis=1)
        beside[inside] |= seen[tuple(neighbours[inside].T)]
    return indices[beside]


@njit(cache=True, error_model='numpy')
def _cast_rays(seen, walls, eye, far_from_image, size_px, counts, shape, path, config):
    """Cast rays through every 8th point of a raster along both sides of the image, then between the rays that reach
    far."""
    reached = np.ones((counts[0], counts[1]), np.float32)
    for halving in range(COARSEST, -1, -1):
        step = 1 << halving
        before = 2 * step
        for i in range(0, counts[0], step):
            for j in range(0, counts[1], step):
                if halving < COARSEST:
                    if i % before == 0 and j % before == 0:
                        continue
                    around = _farthest_around(reached, i, j, before)
                    # The rays before this halving were close enough together, up to where they ended.
                    if around * before * config.rays_per_voxel <= config.rays_per_far_voxel:
                        reached[i, j] = around
                        continue
                u, v = (i + 0.5) * size_px[0] / counts[0], (j + 0.5) * size_px[1] / counts[1]
                reached[i, j] = _cast_ray(seen, walls, eye, _times(far_from_image, u, v), shape, path)


@njit(inline='always')
def _farthest_around(reached, i, j, step):
    """How far the farthest ray around this one reached, among those cast in larger steps; 1 beyond the raster."""
    i_low, j_low = i - i % step, j - j % step
    i_high, j_high = min(i_low + step, reached.shape[0]), min(j_low + step, reached.shape[1])
    if (i_high == reached.shape[0] and i > i_low) or (j_high == reached.shape[1] and j > j_low):
        return np.float32(1)
    farthest = max(reached[i_low, j_low], reached[i_high if i > i_low else i_low, j_low])
    j_other = j_high if j > j_low else j_low
    return max(farthest, reached[i_low, j_other], reached[i_high if i > i_low else i_low, j_other])


@njit(error_model='numpy')
def _cast_ray(seen, walls, eye, far_away, shape, path):
    """Mark the voxels that a ray sees; returns the distance to the last one as a fraction of the ray's length."""
    far = (eye[0] + far_away[0], eye[1] + far_away[1], eye[2] + far_away[2])
    enter, leave = clip_to_grid(eye, far, shape)
    if enter >= leave:
        return 0.0
    n = traverse(_along(eye, far, enter), _along(eye, far, leave), shape, path, walls)
    for at in range(n):
        seen[path[at]] = True
    x, y, z = path[n - 1] // (shape[1] * shape[2]), path[n - 1] // shape[2] % shape[1], path[n - 1] % shape[2]
    length = far_away[0] ** 2 + far_away[1] ** 2 + far_away[2] ** 2
    return np.sqrt(((x + 0.5 - eye[0]) ** 2 + (y + 0.5 - eye[1]) ** 2 + (z + 0.5 - eye[2]) ** 2) / length)


@njit(inline='always')
def _times(m, u, v):
    """A (3, 3) matrix times (u, v, 1)."""
    return (
        m[0, 0] * u + m[0, 1] * v + m[0, 2],
        m[1, 0] * u + m[1, 1] * v + m[1, 2],
        m[2, 0] * u + m[2, 1] * v + m[2, 2],
    )


@njit(inline='always', error_model='numpy')
def _along(start, stop, share):
    """The point at a share of a line."""
    return (
        start[0] + share * (stop[0] - start[0]),
        start[1] + share * (stop[1] - start[1]),
        start[2] + share * (stop[2] - start[2]),
    )


@njit(cache=True, error_model='numpy')
def _faces_reached(candidates, walls, image_from_voxels, eyes, sizes_px, shape, path):
    reached = np.zeros(len(candidates), np.bool_)
    for i in range(len(candidates)):
        for camera in range(len(eyes)):
            if not reached[i]:
                reached[i] = _face_reached(
                    candidates[i], walls, image_from_voxels[camera], eyes[camera], sizes_px[camera], shape, path
                )
    return reached


@njit(error_model='numpy')
def _face_reached(voxel, walls, image_from_voxels, eye, size_px, shape, path):
    point = np.empty(3)
    for axis in range(3):
        towards = eye[axis] - voxel[axis] - 0.5
        if abs(towards) <= 0.5:
            continue
        for a, b in FACE_POINTS:
            point[axis] = voxel[axis] + 0.5 + (TO_FACE if towards > 0 else -TO_FACE)
            point[(axis + 1) % 3] = voxel[(axis + 1) % 3] + 0.5 + a
            point[(axis + 2) % 3] = voxel[(axis + 2) % 3] + 0.5 + b
            if _in_image(point, image_from_voxels, size_px):
                _, leave = clip_to_grid(point, eye, shape)
                n = traverse(point, _along(point, eye, leave), shape, path, walls)
                if n == 1 or not walls[path[n - 1]]:
                    return True
    return False


@njit(inline='always', error_model='numpy')
def _in_image(point, image_from_voxels, size_px):
    m = image_from_voxels
    depth = m[2, 0] * point[0] + m[2, 1] * point[1] + m[2, 2] * point[2] + m[2, 3]
    u = m[0, 0] * point[0] + m[0, 1] * point[1] + m[0, 2] * point[2] + m[0, 3]
    v = m[1, 0] * point[0] + m[1, 1] * point[1] + m[1, 2] * point[2] + m[1, 3]
    return depth > 0 and 0 <= u < size_px[0] * depth and 0 <= v < size_px[1] * depth
