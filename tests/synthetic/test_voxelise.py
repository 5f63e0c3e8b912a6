"""Areas inside voxels, on shapes whose areas are known, on odd grids."""

import numpy as np
import pytest

from project.geometry.rigid import apply
from project.grid import VoxelGrid
from project.synthetic.clipping import area
from project.synthetic.materials import Material
from project.synthetic.solids import box, joined
from project.synthetic.voxelise import LEAST_AREA, surface_areas

GRID = VoxelGrid('ego', (-1.5, -1.0, -0.5), (0.5, 0.4, 0.3), (7, 5, 3))


def areas(triangles: np.ndarray, grid: VoxelGrid = GRID) -> np.ndarray:
    positions, _, found = surface_areas(triangles, np.zeros(len(triangles), np.uint8), grid)
    dense = np.zeros(grid.size)
    dense[positions] = found
    return dense.reshape(grid.shape)


def test_a_level_square() -> None:
    # One square metre at z = 0: in the second layer, over 2 x 2.5 voxels.
    corners = np.array([[-0.5, -0.6, 0], [0.5, -0.6, 0], [0.5, 0.4, 0], [-0.5, 0.4, 0]])
    found = areas(corners[[[0, 1, 2], [0, 2, 3]]])
    expected = np.zeros(GRID.shape)
    expected[2:4, 1:3, 1] = 0.2
    expected[2:4, 3, 1] = 0.1
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_surface_between_voxels_belongs_to_the_higher_one() -> None:
    corners = np.array([[0.5, -0.6, -0.2], [0.5, 0.2, -0.2], [0.5, 0.2, 0.1], [0.5, -0.6, 0.1]])
    found = areas(corners[[[0, 1, 2], [0, 2, 3]]])
    assert np.argwhere(found > 0).tolist() == [[4, 1, 1], [4, 2, 1]]


def test_a_box_touches_its_shell_only() -> None:
    grid = VoxelGrid('ego', (0.0, 0.0, 0.0), (0.4, 0.4, 0.4), (7, 5, 4))
    found = areas(joined([box((0.6, 0.5, 0.5), (2.3, 1.5, 1.4), Material.METAL)]).triangles, grid)
    shell = np.zeros(grid.shape, bool)
    shell[1:6, 1:4, 1:4] = True
    shell[2:5, 2:3, 2:3] = False
    assert ((found > 0) == shell).all()
    assert found.sum() == pytest.approx(2 * (1.7 * 1.0 + 1.7 * 0.9 + 1.0 * 0.9))


def test_no_area_is_lost_or_found_twice(rng: np.random.Generator, random_rigid) -> None:
    triangles = apply(random_rigid(0.5), rng.normal(size=(200, 3, 3)))
    grid = VoxelGrid.from_range('lidar', (-6, -6.3, -6.4, 6, 6.3, 6.4), (0.4, 0.7, 0.2))
    assert areas(triangles, grid).sum() == pytest.approx(
        sum(area(triangle) for triangle in triangles), abs=1000 * LEAST_AREA
    )


def test_against_points_strewn_over_the_surface(rng: np.random.Generator) -> None:
    triangles = rng.normal(size=(30, 3, 3))
    found = areas(triangles)
    weights = rng.dirichlet((1, 1, 1), (30, 40_000))
    points = np.einsum('tnk,tki->tni', weights, triangles).reshape(-1, 3)
    each = np.repeat([area(triangle) for triangle in triangles], 40_000) / 40_000
    indices, inside = GRID.voxel_indices(points)
    strewn = np.bincount(GRID.ravel(indices), weights=each[inside], minlength=GRID.size).reshape(GRID.shape)
    np.testing.assert_allclose(found, strewn, atol=0.02)
    assert found[strewn > 0].min() > 0


def test_labels_are_kept_apart() -> None:
    triangles = np.array([[[0, 0, 0], [0.3, 0, 0], [0, 0.1, 0]]] * 3)
    positions, labels, found = surface_areas(triangles, np.array([4, 11, 4], np.uint8), GRID)
    assert positions.tolist() == [int(GRID.ravel(np.array([[3, 2, 1]]))[0])] * 2
    assert labels.tolist() == [4, 11]
    np.testing.assert_allclose(found, [0.03, 0.015])
