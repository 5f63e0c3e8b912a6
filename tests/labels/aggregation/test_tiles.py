"""The part of the world that labels can show."""

import numpy as np
import pytest

from project.formats import FORMATS
from project.labels.config import DEFAULT


@pytest.mark.parametrize('name', FORMATS)
def test_points_are_kept_into_the_corners_of_every_format_however_the_car_is_turned(name):
    farthest = np.abs(FORMATS[name].GRID.extent).reshape(2, 3).max(axis=0)
    assert np.hypot(*farthest[:2]) < DEFAULT.tiles.reach_m
    assert farthest[2] < DEFAULT.tiles.height_m
