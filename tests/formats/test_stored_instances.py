"""Instances in the formats that have a place for them."""

import numpy as np
import pytest

from project.formats import FORMATS, OccupancyLabels
from project.formats.occ3d import panoptic_instances

CAR, ROAD, WALL = 4, 11, 15


def labels_of(name: str, rng) -> OccupancyLabels:
    grid = FORMATS[name].GRID
    positions = np.sort(rng.choice(grid.size, 500, replace=False))
    classes = rng.choice([0, CAR, 7, ROAD, WALL], 500).astype(np.uint8)
    instances = np.where(np.isin(classes, [CAR, 7]), rng.integers(0, 90, 500) * 10, 0).astype(np.uint32)
    return OccupancyLabels(grid, grid.unravel(positions), classes, instances=instances)


def test_voxels_keep_the_numbers(tmp_path, rng):
    labels = labels_of('voxels', rng)
    FORMATS['voxels'].write(tmp_path / 'a.npz', labels)
    read = FORMATS['voxels'].read(tmp_path / 'a.npz')
    np.testing.assert_array_equal(read.instances, labels.instances)
    assert read.instances.dtype == np.uint32


def test_occ3d_keeps_which_voxels_belong_together(tmp_path, rng):
    labels = labels_of('occ3d', rng)
    FORMATS['occ3d'].write(tmp_path / 'labels.npz', labels)
    read = FORMATS['occ3d'].read(tmp_path / 'labels.npz')
    # Numbers differ, but as one number stands for one object, pairs of old and new are as many as objects.
    pairs = np.unique(np.column_stack([labels.instances, read.instances]), axis=0)
    assert len(pairs) == len(np.unique(labels.instances)) == len(np.unique(read.instances))
    np.testing.assert_array_equal(labels.instances == 0, read.instances == 0)


def test_numbers_of_the_panoptic_file_worked_out_by_hand():
    classes = np.array([CAR, ROAD, CAR, WALL, CAR, 0, ROAD, 7], np.uint8)
    instances = np.array([30, 0, 7, 0, 0, 0, 0, 9], np.uint32)
    # Objects 7, 9, 30 are 1, 2, 3; others, road and wall are 4, 5, 6; a car of no box has none.
    assert panoptic_instances(classes, instances).tolist() == [3, 5, 1, 6, 0, 4, 5, 2]


def test_labels_that_say_nothing_of_instances_have_none(tmp_path, rng):
    for name in ('voxels', 'occ3d'):
        labels = labels_of(name, rng)
        labels.instances = None
        FORMATS[name].write(tmp_path / f'{name}.npz', labels)
        assert FORMATS[name].read(tmp_path / f'{name}.npz').instances is None


def test_instances_of_another_shape_or_type_are_refused(tmp_path):
    voxels = {'indices': np.zeros((2, 3), np.uint16), 'classes': np.array([4, 4], np.uint8)}
    np.savez(tmp_path / 'a.npz', **voxels, instances=np.zeros(3, np.uint32))
    with pytest.raises(ValueError, match=r'a\.npz.*"instances" is uint32 of shape \(3,\)'):
        FORMATS['voxels'].read(tmp_path / 'a.npz')
    dense = np.full(FORMATS['occ3d'].GRID.shape, 17, np.uint8)
    np.savez(tmp_path / 'labels.npz', semantics=dense, instances=np.full(dense.shape, -1, np.int32))
    with pytest.raises(ValueError, match=r'labels\.npz.*"instances" holds int32 from -1'):
        FORMATS['occ3d'].read(tmp_path / 'labels.npz')
