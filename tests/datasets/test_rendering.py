"""Labels rendered into cameras, against rays followed in small steps."""

import numpy as np
import pytest

from project.datasets.rendering import rendered
from project.formats.common import OccupancyLabels
from project.geometry.traversal import clip_to_grid, traverse
from project.grid import VoxelGrid

GRID = VoxelGrid.from_range('lidar', (-14.0, -10.0, -3.0, 14.0, 10.0, 3.0), (4.0, 4.0, 2.0))
IMAGE, STRIDE = (24, 40), 8


def camera(yaw_deg, height=0.7, focal=20.0):
    """(4, 4) image from lidar of a camera above the origin, its axis level."""
    sine, cosine = np.sin(np.deg2rad(yaw_deg)), np.cos(np.deg2rad(yaw_deg))
    pose = np.array([[cosine, sine, 0, 0], [0, 0, -1, height], [-sine, cosine, 0, 0], [0, 0, 0, 1]])
    return np.array([[focal, 0, 20, 0], [0, focal, 12, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ pose


def in_small_steps(dense, matrix, row, column):
    """Depth and label of the first voxel that is not free, by the plainest way there is."""
    rays = np.linalg.inv(matrix[:3, :3])
    depths = np.arange(0.0, 30.0, 0.002)
    way = rays @ ((column + 0.5) * STRIDE, (row + 0.5) * STRIDE, 1.0)
    points = -rays @ matrix[:3, 3] + depths[:, None] * way
    indices, inside = GRID.voxel_indices(points)
    labels = dense[tuple(indices.T)]
    hits = np.flatnonzero(labels != 17)
    return (depths[inside][hits[0]], labels[hits[0]]) if len(hits) else (np.inf, 17)


def test_it_is_what_rays_in_small_steps_meet(rng):
    dense = np.where(rng.random(GRID.shape) < 0.4, rng.integers(0, 17, GRID.shape), 17).astype(np.uint8)
    dense[3, 2] = 17  # the camera's own place
    matrices = np.stack([camera(yaw) for yaw in (0.0, 77.0, 201.0)])
    depths, labels = rendered(OccupancyLabels.from_dense(GRID, dense), matrices, (3, 5), STRIDE)
    assert depths.shape == labels.shape == (3, 3, 5) and depths.dtype == np.float32
    met = 0
    for index in np.ndindex(depths.shape):
        depth, label = in_small_steps(dense, matrices[index[0]], *index[1:])
        assert labels[index] == label
        assert depths[index] == pytest.approx(depth, abs=0.01)
        met += label != 17
    assert 15 < met < 45


def label_by_walking(grid, dense, start, stop):
    """Label of the first voxel on a line that is not free, from voxel to voxel; 255 where the line misses the grid."""
    start, stop = (start - grid.minimum) / grid.voxel_size, (stop - grid.minimum) / grid.voxel_size
    enter, leave = clip_to_grid(start, stop, np.array(grid.shape))
    if enter >= leave:
        return 255
    path, way = np.empty(sum(grid.shape) + 3, np.int64), stop - start
    n = traverse(start + enter * way, start + leave * way, np.array(grid.shape), path)
    labels = dense.ravel()[path[:n]]
    return (*labels[labels != 17], 17)[0]


@pytest.mark.parametrize('share', [0.0, 0.001, 0.05])
def test_labels_are_those_that_walks_from_voxel_to_voxel_find(rng, random_rigid, share):
    grid = VoxelGrid.from_range('lidar', (-11.0, -19.0, -6.0, 11.0, 19.0, 6.0), (0.5, 1.0, 0.3))
    dense = np.where(rng.random(grid.shape) < share, rng.integers(0, 17, grid.shape), 17).astype(np.uint8)
    lens = np.array([[20.0, 0, 20, 0], [0, 20, 12, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    matrices = np.stack([lens @ random_rigid(15.0) for _ in range(12)])
    depths, labels = rendered(OccupancyLabels.from_dense(grid, dense), matrices, (3, 5), STRIDE)
    for index in np.ndindex(labels.shape):
        rays = np.linalg.inv(matrices[index[0]][:3, :3])
        eye = -rays @ matrices[index[0]][:3, 3]
        way = rays @ ((index[2] + 0.5) * STRIDE, (index[1] + 0.5) * STRIDE, 1.0)
        assert labels[index] == label_by_walking(grid, dense, eye, eye + 70 * way)
    np.testing.assert_array_equal(np.isfinite(depths), labels < 17)
    assert len(np.unique(labels)) > (2 if share else 1)


def test_a_wall_is_as_far_as_it_is_from_camera_to_border():
    dense = np.full(GRID.shape, 17, np.uint8)
    dense[:, 4] = 15  # y from 6 to 10
    depths, labels = rendered(OccupancyLabels.from_dense(GRID, dense), camera(0.0)[None], (3, 5), STRIDE)
    np.testing.assert_allclose(depths[0, 1], 6.0, atol=1e-5)
    assert (labels[0, 1] == 15).all()


def test_rays_that_never_come_near_the_grid_tell_nothing():
    labels = OccupancyLabels.from_dense(GRID, np.full(GRID.shape, 17, np.uint8))
    depths, semantics = rendered(labels, camera(0.0, height=-50.0)[None], (3, 5), STRIDE)
    assert np.isinf(depths).all()
    assert (semantics[0, 2] == 255).all()
