"""Heights of a slope that is seen from keyframes of which some stand too high."""

import numpy as np
import pytest

from project.checking.config import GroundCheckConfig
from project.checking.ground_checks import flat_ground, height_differences, label_layers
from project.formats import OccupancyLabels
from project.grid import VoxelGrid

CONFIG = GroundCheckConfig()
GRID = VoxelGrid.from_range('lidar', (-10.0, -8.0, -3.0, 10.0, 8.0, 1.0), 0.2)


def slope(rng: np.random.Generator, height: float = -1.7, count: int = 4000) -> np.ndarray:
    """Returns of ground that climbs by two percent."""
    xy = rng.uniform((-9, -7), (9, 7), (count, 2))
    return np.column_stack([xy, height + 0.02 * xy[:, 0] + rng.normal(0, 0.01, count)])


def labels_of(points: np.ndarray) -> OccupancyLabels:
    indices = np.unique(GRID.voxel_indices(points)[0], axis=0)
    return OccupancyLabels(GRID, indices, np.full(len(indices), 11, np.uint8))


def test_heights_differ_by_what_a_keyframe_stands_too_high(rng):
    grounds = [flat_ground(slope(rng, -1.7 + lift), CONFIG) for lift in (0, 0, 0.3, 0, 0)]
    differences = height_differences(grounds, CONFIG)
    assert differences[2] == pytest.approx(0.3, abs=0.01)
    assert np.median(differences) < 0.02


def test_a_wall_and_a_bush_are_no_ground(rng):
    wall = rng.uniform((3, 3, -1.7), (3.1, 6, 0.5), (3000, 3))
    ground = flat_ground(np.concatenate([slope(rng), wall]), CONFIG)
    beside = np.floor(wall[:, :2]).astype(np.int64)
    assert len(ground.cells) > 150
    assert not np.isin(beside[:, 0] * (1 << 24) + beside[:, 1], ground.cells).any()


def test_too_little_common_ground_tells_nothing(rng):
    here, there = flat_ground(slope(rng), CONFIG), flat_ground(slope(rng) + np.array([100, 0, 0]), CONFIG)
    assert np.isnan(height_differences([here, there], CONFIG)).all()
    assert np.isnan(height_differences([here], CONFIG)).all()
    assert np.isnan(label_layers(flat_ground(np.zeros((0, 3)), CONFIG), labels_of(slope(rng)), np.eye(4), CONFIG)).all()


@pytest.mark.parametrize(
    ('lifts', 'several', 'thickness_m'), [((0,), 0.0, 0.22), ((0, 0.2), 0.1, 0.42), ((0, 0.5), 0.97, 0.7)]
)
def test_ground_in_layers_shows(rng, lifts, several, thickness_m):
    labels = labels_of(np.concatenate([slope(rng, -1.7 + lift, 60_000) for lift in lifts]))
    layers = label_layers(flat_ground(slope(rng), CONFIG), labels, np.eye(4), CONFIG)
    assert layers == pytest.approx((several, thickness_m), abs=0.1)
