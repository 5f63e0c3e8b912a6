"""Labels on a coarser grid: the vote, what stays unobserved, masks, and what cannot be done."""

import numpy as np
import pytest

from project.formats import OccupancyLabels
from project.formats.resample import flow_on_grid, instances_on_grid, on_grid
from project.grid import VoxelGrid

FINE = VoxelGrid.from_range('lidar', (0, 0, 0, 14, 10, 6), 1.0)
COARSE = VoxelGrid.from_range('lidar', (0, 0, 0, 14, 10, 6), 2.0)  # 7 x 5 x 3


def labels_of(voxels: dict[tuple[int, int, int], int], grid: VoxelGrid = FINE, **masks) -> OccupancyLabels:
    return OccupancyLabels.from_voxels(grid, np.array(list(voxels)), np.array(list(voxels.values())), **masks)


def test_same_grid_is_passed_through():
    labels = labels_of({(13, 9, 5): 4, (0, 1, 2): 0})
    dense = on_grid(labels, FINE)
    np.testing.assert_array_equal(dense.semantics, labels.dense())


def test_majority_then_lowest_label_noise_yields_and_one_voxel_suffices():
    labels = labels_of({
        (12, 8, 4): 4, (13, 8, 4): 4, (12, 9, 5): 1,  # two against one
        (0, 8, 0): 16, (1, 8, 0): 15,  # a tie
        (4, 0, 0): 0, (5, 0, 0): 0, (5, 1, 1): 11,  # noise in the majority
        (8, 0, 4): 0,  # noise alone
    })  # fmt: skip
    semantics = on_grid(labels, COARSE).semantics
    assert semantics.shape == (7, 5, 3) and semantics.dtype == np.uint8
    found = {tuple(index): int(semantics[tuple(index)]) for index in np.argwhere(semantics != 17).tolist()}
    assert found == {(6, 4, 2): 4, (0, 4, 0): 15, (2, 0, 0): 11, (4, 0, 2): 0}


def test_agrees_with_voxelising_the_centres(rng):
    positions = np.sort(rng.choice(FINE.size, 300, replace=False))
    labels = OccupancyLabels(FINE, FINE.unravel(positions), rng.integers(1, 17, 300).astype(np.uint8))
    grid = VoxelGrid.from_range('lidar', (-1.5, 0, 0, 14, 10, 6), (3.1, 2.5, 1.2))
    semantics = on_grid(labels, grid).semantics
    cells, inside = grid.voxel_indices(FINE.centres(labels.indices))
    for x, y, z in np.argwhere(semantics < 17):
        votes = np.bincount(labels.classes[inside][(cells == (x, y, z)).all(axis=1)], minlength=17)
        assert semantics[x, y, z] == votes.argmax()
    assert (semantics[0] == 255).all() and (semantics[1:] != 255).all()


def test_voxels_beyond_the_labels_are_unobserved():
    grid = VoxelGrid.from_range('lidar', (-2, 1, 0, 12, 11, 6), 2.0)
    semantics = on_grid(labels_of({(0, 9, 0): 3}), grid).semantics
    unobserved = semantics == 255
    assert unobserved[0].all() and unobserved[:, 4].all() and not unobserved[1:, :4].any()


def test_voxels_outside_along_any_axis_do_not_count(rng):
    grid = VoxelGrid.from_range('lidar', (4, 2, 2, 10, 8, 4), 1.0)
    dense = rng.integers(0, 18, FINE.shape).astype(np.uint8)
    found = on_grid(OccupancyLabels.from_dense(FINE, dense), grid).semantics
    np.testing.assert_array_equal(found, dense[4:10, 2:8, 2:4])


@pytest.mark.parametrize('coarse', [COARSE, VoxelGrid.from_range('lidar', (-2, 0, 1.5, 12, 12, 6), (2.8, 1.5, 1.5))])
def test_masks_are_visible_where_any_part_is(coarse, rng):
    mask = rng.random(FINE.shape) < 0.05
    labels = labels_of({(0, 0, 0): 1})
    labels.mask_camera = mask
    dense = on_grid(labels, coarse)
    cells, _ = coarse.voxel_indices(FINE.centres(np.argwhere(mask)))
    expected = np.zeros(coarse.shape, bool)
    expected[tuple(cells.T)] = True
    np.testing.assert_array_equal(dense.mask_camera, expected)
    assert dense.mask_lidar is None


def test_grids_that_share_nothing():
    dense = on_grid(labels_of({(0, 0, 0): 1}), VoxelGrid.from_range('lidar', (20, 20, 20, 27, 25, 23), 1.0))
    assert (dense.semantics == 255).all()


def test_other_frames_and_finer_grids_are_refused():
    with pytest.raises(ValueError, match="give dataset, labels and model a grid with frame='lidar'"):
        on_grid(labels_of({(0, 0, 0): 1}), VoxelGrid('ego', COARSE.minimum, COARSE.voxel_size, COARSE.shape))
    with pytest.raises(ValueError, match='coarser grid'):
        on_grid(labels_of({(0, 0, 0): 1}, COARSE), FINE)


@pytest.mark.parametrize('components', [2, 3])
def test_velocities_are_the_mean_of_those_that_have_the_label(rng, components):
    dense = rng.choice([3, 4, 17], FINE.shape).astype(np.uint8)
    labels = OccupancyLabels.from_dense(FINE, dense)
    labels.flow = rng.normal(size=(len(labels.classes), components)).astype(np.float32)
    semantics = on_grid(labels, COARSE).semantics
    flow = flow_on_grid(labels, COARSE, semantics)
    assert flow.shape == (*COARSE.shape, 2) and flow.dtype == np.float32
    cells, inside = COARSE.voxel_indices(FINE.centres(labels.indices))
    classes, given = labels.classes[inside], labels.flow[inside, :2]
    for index in np.ndindex(COARSE.shape):
        chosen = (cells == index).all(axis=1) & (classes == semantics[index])
        expected = given[chosen].mean(axis=0) if chosen.any() else 0
        np.testing.assert_allclose(flow[index], expected, atol=1e-6)


def test_velocities_on_the_same_grid_are_passed_through(rng):
    labels = OccupancyLabels.from_dense(FINE, rng.integers(0, 18, FINE.shape).astype(np.uint8))
    labels.flow = rng.normal(size=(len(labels.classes), 3)).astype(np.float32)
    flow = flow_on_grid(labels, FINE, labels.dense())
    np.testing.assert_array_equal(flow[tuple(labels.indices.T)], labels.flow[:, :2])
    assert not flow[labels.dense() == 17].any()


def test_the_object_of_a_voxel_is_the_most_frequent_of_its_label(rng):
    labels = OccupancyLabels.from_dense(FINE, rng.choice([3, 4, 17], FINE.shape).astype(np.uint8))
    labels.instances = rng.choice([0, 5, 4_000_000], len(labels.classes)).astype(np.uint32)
    semantics = on_grid(labels, COARSE).semantics
    objects = instances_on_grid(labels, COARSE, semantics)
    assert objects.shape == COARSE.shape and objects.dtype == np.int32
    cells, inside = COARSE.voxel_indices(FINE.centres(labels.indices))
    classes, given = labels.classes[inside], labels.instances[inside]
    for index in np.ndindex(COARSE.shape):
        votes = given[(cells == index).all(axis=1) & (classes == semantics[index])]
        names, counts = np.unique(votes, return_counts=True)
        assert objects[index] == (names[counts.argmax()] if len(votes) else 0)
    nothing = OccupancyLabels.from_dense(FINE, np.full(FINE.shape, 17, np.uint8), instances=np.zeros(0, np.uint32))
    assert not instances_on_grid(nothing, COARSE, np.full(COARSE.shape, 17, np.uint8)).any()
