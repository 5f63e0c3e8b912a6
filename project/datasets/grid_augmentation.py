"""The transform that moves a model's grid through the world: mirrored, turned, scaled and tilted at random."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from numba import njit

from project.datasets.random_generator import checked_range, clip_generator
from project.formats.common import OccupancyLabels
from project.formats.object_votes import mean_flow, voted_instances
from project.formats.vote import voted
from project.grid import VoxelGrid
from project.taxonomy import UNOBSERVED

VOXEL_FIELDS = {'gt_occupancy': UNOBSERVED, 'mask_lidar': False, 'mask_camera': False, 'gt_flow': 0.0, 'gt_objects': 0}
"""Voxel arrays of a keyframe, and their values beyond the reach of the labels."""


@TRANSFORMS.register_module()
class MoveOccupancyGrid(BaseTransform):
    """Move the model's frame against the labels' frame; labels and cameras move together.

    Images and their depths do not change: the depth of a point is the third coordinate of its projection, in any frame.
    If the labels are stored in finer voxels, these are moved and voted on again; otherwise voxels take the label at
    their centre. Voxels beyond the labels are 255. Velocities are mirrored, turned and scaled as lengths are. All
    keyframes of a queue, and all of a clip, move together, so the motion between them does not change.

    Args:
        mirror: probabilities of exchanging left and right, and front and back.
        turn_deg: largest rotation about z, degrees, to either side.
        scale: factors of all lengths, between these two.
        tilt_deg: largest rotations about x and y, degrees, to either side: the ground is not always level.
    """

    def __init__(
        self, mirror: float = 0.5, turn_deg: float = 180.0, scale: Sequence[float] = (0.95, 1.05), tilt_deg: float = 1.0
    ):
        self.mirror, self.turn_deg, self.tilt_deg = mirror, turn_deg, tilt_deg
        self.scale = checked_range(self, 'scale', scale)

    def transform(self, results: dict) -> dict:
        """Move ``lidar2img``, ``global_from_grid``, the labels, the masks and the flow."""
        moved_from_grid = self.drawn(clip_generator())
        grid_from_moved = np.linalg.inv(moved_from_grid)
        for name in ('lidar2img', 'global_from_grid'):
            results[name] = results[name] @ grid_from_moved
        if results.get('gt_flow') is not None:
            results['gt_flow'] = moved_flow(results['gt_flow'], moved_from_grid)
        axes = mirrored_axes(results['grid'], moved_from_grid)
        if axes is None:
            self._move_voxels(results, moved_from_grid)
        else:
            for name in VOXEL_FIELDS:
                if results.get(name) is not None:
                    results[name] = np.ascontiguousarray(np.flip(results[name], axes))
        return results

    def _move_voxels(self, results: dict, moved_from_grid: np.ndarray) -> None:
        grid, stored = results['grid'], results.get('stored_labels')
        before = positions_before(grid, np.linalg.inv(moved_from_grid))
        for name, fill in VOXEL_FIELDS.items():
            if results.get(name) is not None:
                values = results[name].reshape(grid.size, *results[name].shape[3:])[before]
                values[before < 0] = fill
                results[name] = values.reshape(results[name].shape)
        if stored is not None and is_much_finer(stored.grid, grid):
            positions = moved_positions(stored, grid, moved_from_grid)
            semantics = voted(grid, positions, stored.classes)
            semantics[results['gt_occupancy'] == UNOBSERVED] = UNOBSERVED
            results['gt_occupancy'] = semantics
            if results.get('gt_flow') is not None:
                flow = moved_flow(stored.flow, moved_from_grid)
                results['gt_flow'] = mean_flow(grid, positions, stored.classes, flow, semantics)
            if results.get('gt_objects') is not None:
                results['gt_objects'] = voted_instances(grid, positions, stored.classes, stored.instances, semantics)

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """(4, 4) random moved_from_grid."""
        mirror = np.where(rng.random(2) < self.mirror, -1.0, 1.0)
        smallest, largest = self.scale
        scale = rng.uniform(smallest, largest)
        turn = rng.uniform(-self.turn_deg, self.turn_deg)
        tilts = rng.uniform(-self.tilt_deg, self.tilt_deg, 2)
        matrix = np.eye(4)
        matrix[:3, :3] = _turn(2, turn) @ _turn(0, tilts[0]) @ _turn(1, tilts[1]) @ np.diag([*(scale * mirror), scale])
        return matrix


def mirrored_axes(grid: VoxelGrid, moved_from_grid: np.ndarray) -> tuple[int, ...] | None:
    """The axes along which a motion only turns the voxels over: whole voxels change places, which takes no vote.

    None if it does anything else, or the grid is not as long on one side of the origin as on the other.
    """
    signs = np.diag(moved_from_grid)
    axes = tuple(np.flatnonzero(signs == -1).tolist())
    moves_whole_voxels = np.isin(signs, (-1.0, 1.0)).all() and (moved_from_grid == np.diag(signs)).all()
    is_centred = all(np.isclose(grid.minimum[axis], -grid.maximum[axis], rtol=0, atol=1e-6) for axis in axes)
    return axes if moves_whole_voxels and is_centred else None


def is_much_finer(stored: VoxelGrid, grid: VoxelGrid) -> bool:
    """Whether stored voxels are so much finer that every voxel of the grid receives some, for any rotation."""
    return all(2 * fine <= coarse for fine, coarse in zip(stored.voxel_size, grid.voxel_size, strict=True))


def moved_positions(stored: OccupancyLabels, grid: VoxelGrid, moved_from_grid: np.ndarray) -> np.ndarray:
    """The voxels of a grid in a moved frame that the centres of stored voxels move into.

    Args:
        stored: labels, in the frame of before.
        grid: voxels.
        moved_from_grid: (4, 4) where points are now.

    Returns:
        (N,) int64 positions of N stored voxels in ``grid.ravel`` order, -1 for those that leave the grid.
    """
    moved_from_stored = grid.voxels_from_frame @ moved_from_grid @ np.linalg.inv(stored.grid.voxels_from_frame)
    positions = np.empty(len(stored.indices), np.int64)
    _move(stored.indices, moved_from_stored, grid.shape, positions)
    return positions


def positions_before(grid: VoxelGrid, grid_from_moved: np.ndarray) -> np.ndarray:
    """For each voxel of a moved grid the voxel that its centre lay in.

    Args:
        grid: voxels, the same before and after.
        grid_from_moved: (4, 4) where points were before.

    Returns:
        (V,) int64 positions in ``grid.ravel`` order, -1 where the centre lay outside.
    """
    voxels_from_moved = grid.voxels_from_frame @ grid_from_moved @ np.linalg.inv(grid.voxels_from_frame)
    positions = np.empty(grid.shape, np.int64)
    _move_all(voxels_from_moved, positions)
    return positions.ravel()


@njit(cache=True, nogil=True)
def _move(indices, matrix, shape, positions):
    for n in range(len(indices)):
        positions[n] = _moved(indices[n, 0], indices[n, 1], indices[n, 2], matrix, shape)


@njit(cache=True, nogil=True)
def _move_all(matrix, positions):
    for x in range(positions.shape[0]):
        for y in range(positions.shape[1]):
            for z in range(positions.shape[2]):
                positions[x, y, z] = _moved(x, y, z, matrix, positions.shape)


@njit(inline='always')
def _moved(x, y, z, matrix, shape):
    """Position of the voxel into which a matrix moves the centre of a voxel, -1 if that is outside."""
    new_x = matrix[0, 0] * (x + 0.5) + matrix[0, 3] + matrix[0, 1] * (y + 0.5) + matrix[0, 2] * (z + 0.5)
    new_y = matrix[1, 0] * (x + 0.5) + matrix[1, 3] + matrix[1, 1] * (y + 0.5) + matrix[1, 2] * (z + 0.5)
    new_z = matrix[2, 0] * (x + 0.5) + matrix[2, 3] + matrix[2, 1] * (y + 0.5) + matrix[2, 2] * (z + 0.5)
    if 0 <= new_x < shape[0] and 0 <= new_y < shape[1] and 0 <= new_z < shape[2]:
        return (int(new_x) * shape[1] + int(new_y)) * shape[2] + int(new_z)
    return -1


def moved_flow(flow: np.ndarray, moved_from_grid: np.ndarray) -> np.ndarray:
    """(..., 2) float32 velocities along x and y in a moved frame, of (..., 2 or 3) along the axes of before."""
    axes = flow.shape[-1]
    return (flow @ moved_from_grid[:2, :axes].T).astype(np.float32)


def _turn(axis: int, degrees: float) -> np.ndarray:
    """(3, 3) turn about an axis."""
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix
