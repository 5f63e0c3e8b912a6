"""The transform that makes the targets of a head for instances: where the centres of objects are."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from project.grid import VoxelGrid
from project.taxonomy import MOVING


@TRANSFORMS.register_module()
class FindObjectCentres(BaseTransform):
    """Find the centres of objects as seen from above; use it after the grid has moved.

    The centre of an object is the mean of its voxels. Adds ``gt_centres``, (X, Y) float32, 1 in the cell of each centre
    and falling off around it, and ``gt_offsets``, (X, Y, Z, 2) float32 from each voxel to its object's centre, in
    cells, NaN for voxels of no object.

    Args:
        labels: of things whose objects are told apart; by default those of panoptic quality.
        reach: distance at which a centre's value has fallen to 0.6, metres.
    """

    def __init__(self, labels: Sequence[int] = MOVING, reach: float = 1.0):
        self.labels, self.reach = tuple(labels), reach

    def transform(self, results: dict) -> dict:
        """Look at ``gt_objects`` of the voxels whose ``gt_occupancy`` is a thing's."""
        objects = np.where(np.isin(results['gt_occupancy'], self.labels), results['gt_objects'], 0)
        results['gt_centres'], results['gt_offsets'] = centres_of(objects, results['grid'], self.reach)
        return results


def centres_of(objects: np.ndarray, grid: VoxelGrid, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of the cells, (X, Y) float32, and offsets, (X, Y, Z, 2) float32, as of :class:`FindObjectCentres`.

    Args:
        objects: (X, Y, Z) which object each voxel belongs to, 0 for none.
        grid: the voxels.
        reach: metres.
    """
    voxels = np.argwhere(objects)
    values, offsets = np.zeros(grid.shape[:2], np.float32), np.full((*grid.shape, 2), np.nan, np.float32)
    _, owner, sizes = np.unique(objects[tuple(voxels.T)], return_inverse=True, return_counts=True)
    sums = [np.bincount(owner, voxels[:, axis], minlength=len(sizes)) for axis in range(2)]
    centres = np.stack(sums, axis=1) / sizes[:, None] if len(sizes) else np.zeros((0, 2))
    offsets[tuple(voxels.T)] = centres[owner] - voxels[:, :2]
    for centre in centres:
        x, y = ((np.arange(grid.shape[axis]) - centre[axis]) * grid.voxel_size[axis] for axis in range(2))
        np.maximum(values, np.exp(-(x[:, None] ** 2 + y**2) / (2 * reach**2)), out=values)
    cells = np.rint(centres).astype(int)
    values[cells[:, 0], cells[:, 1]] = 1
    return values, offsets
