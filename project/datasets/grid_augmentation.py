"""The transform that moves a model's grid through the world: mirrored, turned, scaled and tilted at random."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from project.datasets.random_generator import checked_range, clip_generator
from project.formats.common import OccupancyLabels
from project.formats.object_votes import mean_flow, voted_instances
from project.formats.vote import vote
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
        positions, inside = moved_positions(grid, np.linalg.inv(moved_from_grid))
        for name, fill in VOXEL_FIELDS.items():
            if results.get(name) is not None:
                shape = results[name].shape
                values = results[name].reshape(grid.size, -1)[positions]
                values[~inside] = fill
                results[name] = values.reshape(shape)
        if stored is not None and is_much_finer(stored.grid, grid):
            cells, inside = moved_cells(stored, grid, moved_from_grid)
            classes = stored.classes[inside]
            voted = vote(grid, cells, classes).dense()
            results['gt_occupancy'] = np.where(results['gt_occupancy'] == UNOBSERVED, UNOBSERVED, voted)
            if results.get('gt_flow') is not None:
                flow = moved_flow(stored.flow[inside], moved_from_grid)
                results['gt_flow'] = mean_flow(grid, cells, classes, flow, results['gt_occupancy'])
            if results.get('gt_objects') is not None:
                instances = stored.instances[inside]
                results['gt_objects'] = voted_instances(grid, cells, classes, instances, results['gt_occupancy'])

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


def moved_cells(stored: OccupancyLabels, grid: VoxelGrid, moved_from_grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The voxels of a grid in a moved frame that the centres of stored voxels move into.

    Args:
        stored: labels, in the frame of before.
        grid: voxels.
        moved_from_grid: (4, 4) where points are now.

    Returns:
        (M, 3) int32 voxels, and (N,) bool, the M of N stored voxels that move into the grid.
    """
    moved_from_stored = grid.voxels_from_frame @ moved_from_grid @ np.linalg.inv(stored.grid.voxels_from_frame)
    cells = (stored.indices + 0.5) @ moved_from_stored[:3, :3].T + moved_from_stored[:3, 3]
    cells = np.floor(cells).astype(np.int32)
    inside = ((cells >= 0) & (cells < grid.shape)).all(axis=1)
    return cells[inside], inside


def moved_flow(flow: np.ndarray, moved_from_grid: np.ndarray) -> np.ndarray:
    """(..., 2) float32 velocities along x and y in a moved frame, of (..., 2 or 3) along the axes of before."""
    axes = flow.shape[-1]
    return (flow @ moved_from_grid[:2, :axes].T).astype(np.float32)


def moved_positions(grid: VoxelGrid, grid_from_moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each voxel of a moved grid the voxel that its centre lay in.

    Args:
        grid: voxels, the same before and after.
        grid_from_moved: (4, 4) where points were before.

    Returns:
        (V,) int64 positions in ``grid.ravel`` order, and (V,) bool, whether the centre lay in the grid; where it did
        not, the position is 0.
    """
    # A centre is a sum of one vector for each of its three indices.
    voxels_from_moved = grid.voxels_from_frame @ grid_from_moved @ np.linalg.inv(grid.voxels_from_frame)
    middles = [np.arange(count) + 0.5 for count in grid.shape]
    axes = [np.multiply.outer(middle, voxels_from_moved[:3, axis]) for axis, middle in enumerate(middles)]
    start = axes[0] + voxels_from_moved[:3, 3]
    cells = start[:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]
    cells = np.floor(cells).astype(np.int64).reshape(-1, 3)
    inside = ((cells >= 0) & (cells < grid.shape)).all(axis=1)
    return np.where(inside, grid.ravel(cells), 0), inside


def _turn(axis: int, degrees: float) -> np.ndarray:
    """(3, 3) turn about an axis."""
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix
