"""Step 6, look: which voxels the cameras of a keyframe see.

Every camera casts rays through its image, so many that neighbours are nowhere further apart than half a voxel. A ray
sees all voxels that it passes through, up to and with the first that is occupied. Far away a road is seen at so grazing
an angle that all rays miss some of its voxels; so an occupied voxel beside a seen one is seen too where a straight line
from a camera reaches one of the points on its faces without passing through another that is occupied.
"""

import numpy as np
from numba import njit
from scipy.ndimage import binary_dilation

from project.grid import VoxelGrid
from project.labels.geometry import inverse
from project.labels.scene import Cameras
from project.labels.walk import clipped, longest, walk

RAYS_PER_VOXEL = 2
"""Along each side of the image, for the voxel that is farthest away."""

FACE_POINTS = ((0.0, 0.0), (-0.45, -0.45), (-0.45, 0.45), (0.45, -0.45), (0.45, 0.45))
"""From the middle of a face, in voxels."""

TO_FACE = 0.5 - 1e-6
"""From the middle of a voxel to a face, in voxels; a point there is still the voxel's own."""


def seen_by_cameras(
    cameras: Cameras, grid_from_global: np.ndarray, grid: VoxelGrid, occupied: np.ndarray
) -> np.ndarray:
    """Voxels that at least one camera sees: those it sees through, and those that end its view.

    Args:
        cameras: the cameras, each at its own time; what moves is taken to be where it is at the lidar's.
        grid_from_global: (4, 4) float64.
        grid: the voxels.
        occupied: (X, Y, Z) bool.

    Returns:
        (X, Y, Z) bool.
    """
    seen = np.zeros(grid.size, bool)
    walls, shape = occupied.ravel(), np.array(grid.shape)
    path = np.empty(longest(grid.shape), np.int64)
    grid_from_cameras = grid_from_global @ cameras.global_from_camera
    eyes = (grid_from_cameras[:, :3, 3] - grid.minimum) / grid.voxel_size
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * grid.shape
    for eye, pose, matrix, size_px in zip(eyes, grid_from_cameras, cameras.matrices, cameras.sizes_px, strict=True):
        farthest = np.linalg.norm((corners - eye) * grid.voxel_size, axis=1).max()
        step_px = min(matrix[0, 0], matrix[1, 1]) * min(grid.voxel_size) / farthest / RAYS_PER_VOXEL
        grid_from_image = pose[:3, :3] @ np.linalg.inv(matrix) / np.array(grid.voxel_size)[:, None]
        _cast_rays(
            seen, walls, eye, grid_from_image * farthest, size_px, np.ceil(size_px / step_px).astype(int), shape, path
        )
    seen = seen.reshape(grid.shape)
    candidates = np.argwhere(occupied & ~seen & binary_dilation(seen))
    metres_from_voxels = np.diag([*grid.voxel_size, 1.0])
    metres_from_voxels[:3, 3] = grid.minimum
    image_from_voxels = cameras.matrices @ (inverse(grid_from_cameras) @ metres_from_voxels)[:, :3]
    reached = _faces_reached(candidates, walls, image_from_voxels, eyes, cameras.sizes_px, shape, path)
    seen[tuple(candidates[reached].T)] = True
    return seen


@njit(cache=True, error_model='numpy')
def _cast_rays(seen, walls, eye, far_from_image, size_px, counts, shape, path):
    for i in range(counts[0]):
        for j in range(counts[1]):
            u, v = (i + 0.5) * size_px[0] / counts[0], (j + 0.5) * size_px[1] / counts[1]
            m = far_from_image
            far = (
                eye[0] + m[0, 0] * u + m[0, 1] * v + m[0, 2],
                eye[1] + m[1, 0] * u + m[1, 1] * v + m[1, 2],
                eye[2] + m[2, 0] * u + m[2, 1] * v + m[2, 2],
            )
            enter, leave = clipped(eye, far, shape)
            if enter < leave:
                n = walk(_along(eye, far, enter), _along(eye, far, leave), shape, path, walls)
                for at in range(n):
                    seen[path[at]] = True


@njit(inline='always', error_model='numpy')
def _along(start, stop, share):
    """The point at a share of the way."""
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
                _, leave = clipped(point, eye, shape)
                n = walk(point, _along(point, eye, leave), shape, path, walls)
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
