"""Point files, the vote that turns them into voxels, and the baseline's own voxeliser."""

import os
from pathlib import Path

import numpy as np
import pytest

from project.formats import points
from project.formats.vote import majority, voted
from project.grid import VoxelGrid

GRID = VoxelGrid.from_range('lidar', (0, 0, 0, 7, 5, 3), 1.0)
GOLDEN = Path(os.environ.get('OCCUPANCY_GOLDEN', '../shared/golden')) / 'voxeliser.npz'


def labelled(rows: list[tuple]) -> np.ndarray:
    """Points of intensity 0 from (x, y, z, lidarseg index)."""
    return np.array([(x, y, z, 0, raw) for x, y, z, raw in rows], np.float32)


def test_round_trip_keeps_ids_and_half_precision(tmp_path):
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.uniform(-60, 60, (99, 3)), rng.uniform(0, 255, 99), np.arange(99) % 33])
    points.write(tmp_path / 'a.pcd.bin', rows)
    assert (tmp_path / 'a.pcd.bin').stat().st_size == 99 * 10
    np.testing.assert_array_equal(points.read(tmp_path / 'a.pcd.bin'), rows.astype(np.float16))


def test_centres_of_the_format_grid_keep_their_voxel_in_half_precision():
    grid = points.GRID
    axis = np.arange(max(grid.shape))[:, None].repeat(3, axis=1) % grid.shape
    indices, inside = grid.voxel_indices(grid.centres(axis).astype(np.float16))
    assert inside.all()
    np.testing.assert_array_equal(indices, axis)


@pytest.mark.parametrize(
    'content', [b'123', *(np.array([0, 0, 0, 0, raw], np.float16) for raw in (33, -1, 0.5, np.nan))]
)
def test_wrong_file_is_named(content, tmp_path):
    (tmp_path / 'a.bin').write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r'a\.bin: not a file of labelled points'):
        points.read(tmp_path / 'a.bin')


def test_vote_by_majority_then_lowest_label_and_noise_yields():
    rows = [(6.5, 0.5, 0.5, 17)] * 2 + [(6.5, 0.5, 0.5, 24)]  # two car, one driveable surface
    rows += [(0.5, 4.5, 2.5, 30), (0.5, 4.5, 2.5, 28)]  # one vegetation, one manmade
    rows += [(1.5, 0, 0, 0)] * 9 + [(1.5, 0, 0, 26)]  # noise and one sidewalk
    rows += [(2.5, 0, 0, 31)]  # the ego car, mapped to noise, alone
    rows += [(3.5, 0, 0, points.RAW_EMPTY), (7.0, 0, 0, 17), (-0.01, 0, 0, 17)]  # empty; outside; outside
    labels = points.voxelise(labelled(rows)[::-1], GRID)
    found = {tuple(index): label for index, label in zip(labels.indices.tolist(), labels.classes.tolist(), strict=True)}
    assert found == {(6, 0, 0): 4, (0, 4, 2): 15, (1, 0, 0): 13, (2, 0, 0): 0}
    assert (np.diff(GRID.ravel(labels.indices)) > 0).all()


def test_vote_agrees_with_counting_by_hand():
    rng = np.random.default_rng(3)
    positions, labels = rng.integers(0, 50, 3000), rng.integers(0, 17, 3000).astype(np.uint8)
    found = dict(zip(*(array.tolist() for array in majority(positions, labels)), strict=True))
    for position in range(50):
        counts = np.bincount(labels[positions == position], minlength=17)
        assert found[position] == 1 + counts[1:].argmax()


@pytest.mark.parametrize('votes', [0, 1, 60, 3000])
def test_a_vote_for_all_voxels_is_that_for_each(votes):
    rng = np.random.default_rng(votes)
    positions, labels = rng.integers(-9, GRID.size, votes), rng.integers(0, 17, votes).astype(np.uint8)
    labels[rng.random(votes) < 0.5] = 0
    expected = np.full(GRID.size, 17, np.uint8)
    places, winners = majority(positions[positions >= 0], labels[positions >= 0])
    expected[places] = winners
    found = voted(GRID, positions, labels)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected.reshape(GRID.shape))


def test_vote_on_a_grid_too_large_for_short_keys():
    positions, winners = majority(np.array([2**40, 5, 2**40]), np.array([3, 2, 3], np.uint8))
    assert positions.tolist() == [5, 2**40] and winners.tolist() == [2, 3]


def test_points_do_not_fill_a_grid_of_another_frame():
    with pytest.raises(ValueError, match='ego'):
        points.voxelise(labelled([]).reshape(0, 5), VoxelGrid.from_range('ego', (0, 0, 0, 7, 5, 3), 1.0))


@pytest.mark.skipif(not GOLDEN.exists(), reason='no golden voxels; set OCCUPANCY_GOLDEN to their folder')
def test_seed_voxeliser_is_reproduced():
    golden = np.load(GOLDEN)
    cases = [key.removesuffix('.points') for key in golden.files if key.endswith('.points')]
    assert cases
    for case in cases:
        shape = tuple(golden[f'{case}.grid_size'].tolist())
        extent = (*golden['min_bound'].tolist(), *golden['max_bound'].tolist())
        fill = int(golden[f'{case}.fill_label'])
        dense = points.voxelise_like_baseline(
            golden[f'{case}.points'], golden[f'{case}.labels'][:, 0], extent, shape, fill
        )
        np.testing.assert_array_equal(dense, golden[f'{case}.voxel_label'], err_msg=case)


def test_seed_voxeliser_clips_lets_noise_win_and_wraps_its_counters():
    rows = labelled(
        [(99.0, 0, 0, 1)] + [(-9, 9, 9, 0)] * 2 + [(-9, 9, 9, 5)] + [(3, 2, 0, 9)] * 65536 + [(3, 2, 0, 12)]
    )
    dense = points.voxelise_like_baseline(rows, rows[:, 4].astype(np.uint8), GRID.extent, GRID.shape)
    assert dense[6, 0, 0] == 1 and dense[0, 4, 2] == 0 and dense[2, 1, 0] == 12
    assert (dense == 17).sum() == GRID.size - 3
