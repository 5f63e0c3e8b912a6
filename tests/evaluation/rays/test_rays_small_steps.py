"""The ray caster against points at small steps along each ray: slow, and right where no corner lies between steps."""

import numpy as np
import pytest

from project.evaluation.rays import cast_rays
from project.grid import VoxelGrid

STEP = 1 / 256
"""A binary fraction: steps along axes from borders fall exactly onto borders."""


def step_along(occupied: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> tuple[int, float] | None:
    """End and depth of one ray in a grid of unit voxels; None where a step crosses several borders at once."""
    shape = np.array(occupied.shape)
    points = origin + np.arange(0, 2 * shape.sum(), STEP)[:, None] * direction
    cells = np.floor(points).astype(int)
    inside = ((cells >= 0) & (cells < shape)).all(axis=1)
    # The rays here start inside; what counts is up to the step out of the grid.
    last = int(np.argmin(inside)) - 1
    hits = np.flatnonzero(occupied[tuple(cells[: last + 1].T)])
    end = hits[0] if len(hits) else last
    leaving = end + int(np.argmax((cells[end:] != cells[end]).any(axis=1)))
    if (np.abs(np.diff(cells[: leaving + 1], axis=0)).sum(axis=1) > 1).any():
        return None
    return int(np.ravel_multi_index(cells[end], occupied.shape)), leaving * STEP


def compare(occupied: np.ndarray, origins: np.ndarray, directions: np.ndarray) -> int:
    """Compare all rays that small steps can judge, and return their number."""
    grid = VoxelGrid('ego', (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), occupied.shape)
    voxels, depths = cast_rays(occupied, grid, origins, directions)
    judged = 0
    for i, origin in enumerate(origins):
        for j, direction in enumerate(directions):
            stepped = step_along(occupied, origin, direction)
            if stepped is not None:
                assert (voxels[i, j], abs(depths[i, j] - stepped[1]) <= STEP) == (stepped[0], True)
                judged += 1
    return judged


def unit(directions: np.ndarray) -> np.ndarray:
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


@pytest.mark.parametrize('shape', [(7, 5, 3), (16, 3, 11)])
@pytest.mark.parametrize('density', [0.0, 0.05, 0.3])
def test_random_rays(rng, shape, density):
    occupied = rng.random(shape) < density
    assert compare(occupied, rng.uniform(0, shape, (6, 3)), unit(rng.normal(size=(20, 3)))) > 60


@pytest.mark.parametrize('where', [(0, 0, 0), (0.5, 0, 0), (0, 0.25, 0.5), (0.5, 0.5, 0.5)])
def test_rays_along_axes_from_borders_edges_corners_and_centres(rng, where):
    shape = (7, 5, 3)
    occupied = rng.random(shape) < 0.15
    origins = rng.integers(0, shape, (12, 3)) + np.array(where)
    assert compare(occupied, origins, np.concatenate([np.eye(3), -np.eye(3)])) == 72


def test_grazing_rays_from_borders(rng):
    shape = (16, 5, 3)
    occupied = rng.random(shape) < 0.1
    origins = rng.integers(0, shape, (12, 3)) * (1.0, 1.0, 0.0) + (0, 0, 0.5)
    slopes = np.array([1e-12, 1e-3, 0.02, 0.1])
    along_x = np.array([(1, sign * slope, up * slope / 3) for slope in slopes for sign in (1, -1) for up in (0, 1, -1)])
    assert compare(occupied, origins, unit(along_x)) > 200
