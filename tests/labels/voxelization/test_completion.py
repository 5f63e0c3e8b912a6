"""Holes are filled where their surroundings agree, and nowhere else; nothing measured changes."""

from dataclasses import replace

import numpy as np
import pytest

from project.formats import OccupancyLabels, voxels
from project.grid import VoxelGrid
from project.labels.config import DEFAULT
from project.labels.voxelization.completion import complete
from project.taxonomy import CLASSES, FREE, Taxonomy

GRID = VoxelGrid.from_range('lidar', (-4, -5, -1, 4, 5, 3), 0.2)
X, Y, Z = GRID.shape
ROAD, SIDEWALK, WALL, LEAVES, CAR = (
    CLASSES.index(name) + 1 for name in ('driveable_surface', 'sidewalk', 'manmade', 'vegetation', 'car')
)
LEVEL = 4
HOLE = slice(18, 23), slice(20, 25)
TAXONOMY = Taxonomy.nuscenes()


def road(hole=HOLE) -> np.ndarray:
    dense = np.full(GRID.shape, FREE, np.uint8)
    dense[:, :, LEVEL] = ROAD
    dense[(*hole, LEVEL)] = FREE
    return dense


def completed(dense: np.ndarray, **limits) -> OccupancyLabels:
    config = DEFAULT._replace(completion=DEFAULT.completion._replace(**limits))
    return complete(OccupancyLabels.from_dense(GRID, dense), TAXONOMY, config)


def filled_voxels(labels: OccupancyLabels) -> set:
    return set(map(tuple, labels.indices[labels.filled].tolist()))


def test_a_hole_in_the_road_is_filled_and_marked():
    dense = road()
    labels = completed(dense)
    whole = dense.copy()
    whole[:, :, LEVEL] = ROAD
    np.testing.assert_array_equal(labels.dense(), whole)
    assert filled_voxels(labels) == {(x, y, LEVEL) for x in range(18, 23) for y in range(20, 25)}
    assert (np.diff(GRID.ravel(labels.indices)) > 0).all()


@pytest.mark.parametrize('seed', range(3))
def test_what_was_measured_stays(seed):
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random(GRID.shape) < 0.3, rng.integers(0, 17, GRID.shape), FREE).astype(np.uint8)
    labels = completed(dense)
    np.testing.assert_array_equal(labels.dense()[dense != FREE], dense[dense != FREE])
    assert labels.filled.sum() == (labels.dense() != FREE).sum() - (dense != FREE).sum()


def test_ground_ends_at_another_class_another_level_and_a_long_gap():
    kerb = road((slice(0, X), slice(20, 25)))
    kerb[:, 25:, LEVEL] = SIDEWALK
    assert not completed(kerb).filled.any()
    step = road((slice(0, X), slice(20, 25)))
    step[:, 25:, LEVEL], step[:, 25:, LEVEL + 2] = FREE, ROAD
    assert not completed(step).filled.any()
    wide = road((slice(0, X), slice(10, 40)))
    assert not completed(wide, ground_gap_m=5.0).filled.any()
    assert completed(wide, ground_gap_m=9.0).filled.any()


def test_between_two_levels_ground_is_filled_near_to_either_only():
    slope = road((slice(0, X), slice(20, 29)))
    slope[:, 29:, LEVEL], slope[:, 29:, LEVEL + 1] = FREE, ROAD
    dense = completed(slope).dense()[X // 2]
    levels = [np.flatnonzero(dense[y] == ROAD).tolist() for y in range(20, 29)]
    assert levels == [[LEVEL]] * 3 + [[]] * 3 + [[LEVEL + 1]] * 3


def test_nothing_is_filled_under_or_behind_what_stands():
    dense = road((slice(0, X), slice(20, 25)))
    dense[:, 22, LEVEL : LEVEL + 8] = WALL
    assert not {voxel for voxel in filled_voxels(completed(dense)) if voxel[2] == LEVEL}
    overhead = road()
    overhead[:, :, LEVEL + 12] = LEAVES
    assert completed(overhead).filled.sum() == 25


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('label, is_filled', [(WALL, True), (LEAVES, False), (CAR, False)])
def test_a_gap_in_a_wall_is_filled_but_none_in_leaves_or_objects(axis, label, is_filled):
    dense = np.full(GRID.shape, FREE, np.uint8)
    plane = [slice(3, 15)] * 3
    plane[axis] = slice(9, 10)
    dense[tuple(plane)] = label
    dense[9, 9, 9] = FREE
    assert filled_voxels(completed(dense)) == ({(9, 9, 9)} if is_filled else set())


def test_a_door_stays_open():
    dense = np.full(GRID.shape, FREE, np.uint8)
    dense[9, 3:15, 3:15] = WALL
    dense[9, 7:11, 3:10] = FREE
    assert not completed(dense).filled.any()


def test_classes_may_be_named_otherwise():
    label_of = TAXONOMY.label_of.copy()
    label_of[list(TAXONOMY.ground)] = 3
    dense = road()
    dense[dense == ROAD] = 3
    labels = complete(OccupancyLabels.from_dense(GRID, dense), replace(TAXONOMY, label_of=label_of))
    assert labels.filled.sum() == 25 and (labels.classes[labels.filled] == 3).all()


def test_the_mark_survives_a_file(tmp_path):
    dense = np.full(voxels.GRID.shape, FREE, np.uint8)
    dense[100:140, 200:240, 10] = ROAD
    dense[120:123, 220:223, 10] = FREE
    labels = complete(OccupancyLabels.from_dense(voxels.GRID, dense), TAXONOMY)
    voxels.write(tmp_path / 'a.npz', labels)
    back = voxels.read(tmp_path / 'a.npz')
    np.testing.assert_array_equal(back.filled, labels.filled)
    np.testing.assert_array_equal(back.indices, labels.indices)
    assert back.filled.sum() == 9
