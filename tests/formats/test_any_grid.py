"""The format of this project on grids other than its own."""

import numpy as np
import pytest

from project.formats import OccupancyLabels, voxels
from project.grid import VoxelGrid

ODD = VoxelGrid.from_range('ego', (-2.1, -1.5, -0.9, 0.0, 0.0, 0.0), 0.3)


def labels_on(grid: VoxelGrid, rng) -> OccupancyLabels:
    positions = np.sort(rng.choice(grid.size, 60, replace=False))
    masks = {name: rng.random(grid.shape) < 0.5 for name in ('mask_lidar', 'mask_camera')}
    return OccupancyLabels(grid, grid.unravel(positions), rng.integers(0, 17, 60).astype(np.uint8), **masks)


def test_what_is_written_is_read(tmp_path, rng):
    assert ODD.size % 8, 'masks are packed by eight voxels; this grid must not fit'
    labels = labels_on(ODD, rng)
    voxels.write(tmp_path / 'a.npz', labels)
    read = voxels.read(tmp_path / 'a.npz')
    assert read.grid == ODD
    for name in ('indices', 'classes', 'mask_lidar', 'mask_camera'):
        np.testing.assert_array_equal(getattr(read, name), getattr(labels, name))


def test_the_usual_grid_is_not_stated(tmp_path, rng):
    voxels.write(tmp_path / 'a.npz', labels_on(voxels.GRID, rng))
    with np.load(tmp_path / 'a.npz') as file:
        assert 'grid' not in file and 'frame' not in file
    assert voxels.read(tmp_path / 'a.npz').grid == voxels.GRID


@pytest.mark.parametrize(
    'stated',
    [
        {'grid': np.zeros(8)},
        {'grid': np.full(9, np.nan)},
        {'grid': np.array([0, 0, 0, 0.1, 0.1, -0.1, 7, 5, 3.0])},
        {'grid': np.array([0, 0, 0, 0.1, 0.1, 0.1, 7, 5, 3.5])},
        {'grid': np.array([0, 0, 0, 0.1, 0.1, 0.1, 7, 5, 1e9])},
        {'grid': np.array([0, 0, 0, 0.1, 0.1, 0.1, 60_000, 60_000, 3.0])},
        {'frame': np.array('camera')},
    ],
)
def test_grids_that_cannot_be_are_refused(tmp_path, stated):
    content = {'grid': np.array([0, 0, 0, 0.1, 0.1, 0.1, 7, 5, 3]), 'frame': np.array('lidar')} | stated
    np.savez(tmp_path / 'a.npz', indices=np.zeros((1, 3), np.uint16), classes=np.ones(1, np.uint8), **content)
    with pytest.raises(ValueError, match=r'a\.npz.*"grid"'):
        voxels.read(tmp_path / 'a.npz')
