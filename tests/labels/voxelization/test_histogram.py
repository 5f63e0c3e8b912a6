import numpy as np
import pytest

from project.geometry.rigid import inverse, poses
from project.grid import VoxelGrid
from project.labels.aggregation.point_groups import PointCollector
from project.labels.aggregation.sweeps import Points
from project.labels.voxelization.histogram import (
    GROUND,
    PARTS,
    SYMMETRIC,
    YIELDS,
    cast,
    cast_mirrored,
    count,
    new_histogram,
)
from project.taxonomy import Taxonomy

GRID = VoxelGrid('lidar', (-3.5, -2.5, -1.5), (1.0, 1.0, 1.0), (7, 5, 3))
NOISE = np.where(np.arange(256) == 0, YIELDS, 0).astype(np.uint8)
ROAD, CAR = 24, 17
KINDS = NOISE.copy()
KINDS[[ROAD, CAR]] = GROUND, SYMMETRIC
SAME = np.arange(256, dtype=np.uint8)


def vote(xyz, raw, pose=None, label_of=SAME, grid=GRID, histogram=None, times=1):
    xyz, raw = np.asarray(xyz, np.float32).reshape(-1, 3), np.asarray(raw, np.uint8)
    collector = PointCollector(1)
    collector.add(0, Points(xyz, raw, raw), np.zeros(len(raw), np.int32))
    cloud = collector.cloud(1)
    histogram = histogram or new_histogram(grid, times * len(raw), with_sums=True)
    for _ in range(times):
        cast(
            histogram, grid, cloud, (0, 0), np.zeros(1, np.int64), np.eye(4)[None] if pose is None else pose[None],
            label_of, Taxonomy.nuscenes().ground,
        )  # fmt: skip
    return histogram, *count(histogram, NOISE)


def test_voxels_are_those_of_the_grid_under_any_transform():
    rng = np.random.default_rng(0)
    pose = poses(rng.normal(size=4), rng.normal(size=3))
    xyz = rng.uniform(-5, 5, (3000, 3)).astype(np.float32)
    _, positions, labels, _ = vote(xyz, np.full(3000, 9), pose)
    indices, inside = GRID.voxel_indices(xyz.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3])
    assert 0 < inside.sum() < 3000
    np.testing.assert_array_equal(positions, np.unique(GRID.ravel(indices)))
    np.testing.assert_array_equal(labels, 9)


def test_ranges_are_half_open():
    corner = np.array(GRID.maximum)
    below = np.nextafter(corner.astype(np.float32), np.float32(-9))
    _, positions, _, _ = vote(
        [GRID.minimum, corner, below, np.nextafter(np.float32(GRID.minimum), np.float32(-9))], [1, 2, 3, 4]
    )
    np.testing.assert_array_equal(positions, [0, GRID.size - 1])


def test_the_larger_surface_wins_over_more_points():
    many = np.full((50, 3), 0.05)
    spread = [(0.05, 0.05, 0.05), (0.3, 0.3, 0.3)]
    _, positions, labels, _ = vote(np.concatenate([many, spread]), [4] * 50 + [11] * 2)
    np.testing.assert_array_equal((positions, labels), ([GRID.ravel(np.array([[3, 2, 1]]))[0]], [11]))


def test_ground_counts_as_seen_from_above():
    """Road that lies between two layers of sub-cells has points in both, but no more area than elsewhere."""
    x, y = np.meshgrid([-0.4, -0.15, 0.1], [-0.4, -0.15, 0.1, 0.35])
    road = np.concatenate([np.column_stack([x.ravel(), y.ravel(), np.full(12, z)]) for z in (-0.01, 0.01)])
    quarters = [-0.4, -0.15, 0.1, 0.35]
    wall = np.column_stack([np.full(16, 0.4), np.repeat(quarters, 4), np.tile(quarters, 4)])
    _, _, labels, _ = vote(np.concatenate([road, wall]), [24] * 24 + [28] * 16)
    assert labels.tolist() == [28]
    assert vote(np.concatenate([road, wall[:8]]), [24] * 24 + [28] * 8)[2].tolist() == [24]


@pytest.mark.parametrize(
    ('raw', 'winner'),
    [([5, 5, 3], 5), ([3, 5], 3), ([5, 3], 3), ([0, 0, 0, 7], 7), ([0, 0], 0), ([16, 12, 12, 16], 12)],
)
def test_equal_surfaces_go_by_points_then_by_the_lower_label_and_noise_yields(raw, winner):
    assert vote(np.zeros((len(raw), 3)), raw)[2].tolist() == [winner]


def test_the_order_of_points_does_not_matter():
    rng = np.random.default_rng(1)
    xyz, raw = rng.uniform(-4, 4, (5000, 3)), rng.integers(0, 17, 5000)
    order = rng.permutation(5000)
    histogram_1, *first = vote(xyz, raw)
    histogram_2, *second = vote(xyz[order], raw[order])
    np.testing.assert_array_equal(first[:2], second[:2])
    np.testing.assert_array_equal(histogram_1.sums[first[2]], histogram_2.sums[second[2]])


def test_more_points_than_sixteen_bits_are_counted():
    xyz = np.zeros((3, 3))
    histogram, _, labels, entries = vote(xyz, [4, 4, 11], times=40_000)
    assert labels.tolist() == [4] and histogram.entries['points'][entries].tolist() == [80_000]


def test_a_histogram_can_be_used_again():
    histogram, *_ = vote([(0, 0, 0), (1, 1, 1)], [3, 4])
    _, positions, labels, _ = vote([(-1, 0, 0)], [9], histogram=histogram)
    assert positions.tolist() == [GRID.ravel(np.array([[2, 2, 1]]))[0]] and labels.tolist() == [9]


def test_labels_are_learned_from_lidarseg_indices():
    label_of = SAME.copy()
    label_of[[17, 23]] = 4
    assert vote(np.zeros((3, 3)), [24, 17, 23], label_of=label_of)[2].tolist() == [4]


def test_sums_tell_the_mean_position_of_the_winner():
    histogram, _, _, entries = vote(
        [(0.1, 0.2, 0.3), (0.3, 0.4, 0.1), (0.4, 0.4, 0.4)], [200, 100, 50], label_of=np.minimum(SAME, 77)
    )
    assert entries.tolist() == [1] or histogram.entries['points'][entries].tolist() == [2]
    means = histogram.sums[entries[0]] / histogram.entries['points'][entries[0]]
    np.testing.assert_allclose(means, [700, 800, 700, 150], atol=1)
    assert PARTS == 1000


def test_a_rotated_cloud_votes_for_the_rotated_voxels():
    pose = poses([1, 0, 0, 1], [0, 0, 0])
    centre = GRID.centres(np.array([[5, 3, 2]]))
    _, positions, _, _ = vote(centre @ inverse(pose)[:3, :3].T, [6], pose)
    assert positions.tolist() == GRID.ravel(np.array([[5, 3, 2]])).tolist()


QUARTERS = np.array([-0.4, -0.15, 0.1, 0.35])
ROAD_OF_A_VOXEL = np.column_stack([np.repeat(QUARTERS, 4), np.tile(QUARTERS, 4), np.full(16, -0.4)])


def wheel(cells: int, y: float) -> np.ndarray:
    """One side of a wheel: points in so many sub-cells of the voxel around the origin."""
    return np.column_stack([np.repeat(QUARTERS, 4), np.full(16, y), np.tile(QUARTERS, 4)])[:cells]


def shared(cells: int, road: int, y: float = -0.4, kinds=KINDS) -> str:
    """Whose is a voxel in which a vehicle and the ground have so many sub-cells?"""
    clouds = []
    for xyz, raw in ((wheel(cells, y), CAR), (ROAD_OF_A_VOXEL[:road], ROAD)):
        collector = PointCollector(1)
        raw = np.full(len(xyz), raw, np.uint8)
        collector.add(0, Points(xyz.astype(np.float32), raw, raw), np.zeros(len(raw), np.int32))
        clouds.append(collector.cloud(1))
    histogram = new_histogram(GRID, 64)
    where = (0, 0), np.zeros(1, np.int64), np.eye(4)[None], SAME
    for cloud in clouds:
        cast(histogram, GRID, cloud, *where, Taxonomy.nuscenes().ground)
    cast_mirrored(histogram, GRID, clouds[0], *where)
    return {CAR: 'car', ROAD: 'road'}[int(count(histogram, kinds)[1][0])]


def test_the_unseen_side_of_a_wheel_counts_where_it_shares_a_voxel_with_the_ground():
    assert shared(8, 16) == 'car' and shared(7, 16) == 'road'
    assert shared(8, 16, kinds=NOISE) == 'road'


def test_the_ground_fills_a_voxel_that_few_rays_met():
    assert shared(3, 2) == 'road' and shared(5, 2) == 'car'


def test_what_stands_alone_keeps_its_voxel():
    assert shared(1, 0) == 'car'


def test_nothing_is_put_where_nothing_was_seen():
    far = np.full((1, 3), 1.2)
    collector = PointCollector(1)
    collector.add(
        0, Points(far.astype(np.float32), np.array([CAR], np.uint8), np.zeros(1, np.uint8)), np.zeros(1, np.int32)
    )
    cloud, histogram = collector.cloud(1), new_histogram(GRID, 8)
    where = (0, 0), np.zeros(1, np.int64), np.eye(4)[None], SAME
    cast(histogram, GRID, cloud, *where, Taxonomy.nuscenes().ground)
    cast_mirrored(histogram, GRID, cloud, *where)
    assert count(histogram, KINDS)[0].tolist() == GRID.ravel(GRID.voxel_indices(far)[0]).tolist()
