"""The part of the world that labels can show."""

import numpy as np
import pytest

from project.formats import FORMATS
from project.labels.aggregation.tiles import TILE_M, tile_map_around
from project.labels.config import DEFAULT


@pytest.mark.parametrize('name', FORMATS)
def test_points_are_kept_into_the_corners_of_every_format_however_the_car_is_turned(name):
    farthest = np.abs(FORMATS[name].GRID.extent).reshape(2, 3).max(axis=0)
    assert np.hypot(*farthest[:2]) < DEFAULT.tiles.reach_m
    assert farthest[2] < DEFAULT.tiles.height_m


@pytest.mark.parametrize('step_m', [0.5, 30, 400])
def test_the_map_has_the_tiles_within_reach_of_a_keyframe_and_no_others(step_m):
    positions = np.cumsum(np.random.default_rng(7).normal(scale=step_m, size=(23, 3)), axis=0)
    tile_map = tile_map_around(positions)
    corners = np.moveaxis(np.indices(tile_map.tiles.shape), 0, -1) * TILE_M + tile_map.origin[:2]
    centres = corners + TILE_M / 2
    apart = np.abs(centres[:, :, None] - positions[:, :2]).max(axis=-1).min(axis=-1)
    near = apart < DEFAULT.tiles.reach_m + TILE_M
    near[[0, -1]] = near[:, [0, -1]] = False
    np.testing.assert_array_equal(tile_map.tiles >= 0, near)
    np.testing.assert_array_equal(tile_map.tiles[near], np.arange(near.sum()))
    np.testing.assert_allclose(tile_map.centres, centres[near])
