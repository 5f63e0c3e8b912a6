"""Rays through labels whose fate can be worked out on paper."""

import numpy as np
import pytest

from project.checking.config import RayConfig
from project.checking.placing import PlacedRays
from project.checking.ray_checks import AGREES, EARLY, HOLE, Verdicts, cast
from project.grid import VoxelGrid

GRID = VoxelGrid.from_range('lidar', (-2.0, -3.0, -1.0, 12.0, 3.0, 2.0), 0.2)
"""70 x 30 x 15 voxels: no two sides are equal."""

CONFIG = RayConfig()
LIDAR = (0.0, 0.1, 0.9)


def cast_at(
    occupied: list[tuple[float, float, float]], ends: list[tuple[float, float, float]], hits=(), grid: VoxelGrid = GRID
) -> tuple[Verdicts, np.ndarray]:
    """Rays from the lidar to `ends` through voxels around the points `occupied`, some of which other rays have hit."""
    walls, hit, passes = np.zeros(grid.size, bool), np.zeros(grid.size, bool), np.zeros(grid.size, np.uint8)
    walls[position(grid, occupied)] = True
    hit[position(grid, hits)] = True
    n = len(ends)
    starts, tracks = np.full(n, CONFIG.start_m), np.full(n, -1, np.int32)
    rays = PlacedRays(np.tile(LIDAR, (n, 1)), np.array(ends, float), starts, tracks)
    return cast(grid, walls, hit, passes, rays, CONFIG), passes


def position(grid: VoxelGrid, points) -> np.ndarray:
    """Positions of the voxels around points."""
    indices, inside = grid.voxel_indices(np.reshape(np.array(points, float), (-1, 3)))
    assert inside.all()
    return grid.ravel(indices)


def wall(x: float) -> list[tuple[float, float, float]]:
    """Points of a wall across the x axis."""
    return [(x, y, z) for y in np.arange(-2.9, 3, 0.2) for z in np.arange(-0.9, 2, 0.2)]


def floor(z: float) -> list[tuple[float, float, float]]:
    """Points of a floor."""
    return [(x, y, z) for x in np.arange(-1.9, 12, 0.2) for y in np.arange(-2.9, 3, 0.2)]


def test_a_ray_ends_on_the_wall_that_is_labelled():
    verdicts, _ = cast_at(wall(8.1), [(8.1, 0.1, 0.9)])
    assert verdicts.outcomes == [AGREES]
    assert verdicts.stops == verdicts.ends == position(GRID, [(8.1, 0.1, 0.9)])
    assert verdicts.errors == pytest.approx([-0.1])


def test_a_wall_in_the_way_stops_it_early():
    verdicts, passes = cast_at(wall(8.1) + wall(5.1), [(8.1, 0.1, 0.9)])
    assert verdicts.outcomes == [EARLY]
    assert verdicts.stops == position(GRID, [(5.1, 0.1, 0.9)])
    assert verdicts.errors == pytest.approx([-3.1])
    assert np.flatnonzero(passes).tolist() == verdicts.stops.tolist()


def test_a_ray_into_nothing_is_a_hole():
    verdicts, _ = cast_at(wall(11.9), [(8.1, 0.1, 0.9), (9.3, 0.1, 0.9)])
    assert verdicts.outcomes.tolist() == [HOLE, HOLE]
    # Behind its end a ray is followed for three metres.
    assert np.isnan(verdicts.errors[0]) and verdicts.errors[1] == pytest.approx(2.5)


def test_beside_a_labelled_voxel_is_no_hole():
    assert cast_at([(8.1, 0.1, 0.9)], [(8.25, 0.25, 0.9)])[0].outcomes == [AGREES]
    assert cast_at([(8.1, 0.1, 0.9)], [(8.1, 0.45, 0.9)])[0].outcomes == [HOLE]


def test_where_other_rays_ended_something_is():
    pole = [(5.1, 0.1, 0.9)]
    assert cast_at(wall(8.1) + pole, [(8.1, 0.1, 0.9)])[0].outcomes == [EARLY]
    assert cast_at(wall(8.1) + pole, [(8.1, 0.1, 0.9)], hits=pole)[0].outcomes == [AGREES]


def test_a_ray_may_cut_the_corner_of_a_voxel():
    """A surface need not fill its voxel: only its core, the inner half, stops a ray."""
    # The voxel's inner half spans y from 0.05 to 0.15; the ray passes it at y = 0.1 plus `beside`.
    for beside, outcome in ((0.0, EARLY), (0.04, EARLY), (0.07, AGREES)):
        at = 0.1 + beside * 8.1 / 5.1
        assert cast_at([*wall(8.1), (5.1, 0.1, 0.9)], [(8.1, at, 0.9)])[0].outcomes == [outcome]


def test_a_ray_that_grazes_the_ground_may_enter_its_voxels_long_before_its_end():
    """It meets the top of the voxels of the ground a metre before the ground."""
    end = (9.0, 0.1, -0.15)
    verdicts, _ = cast_at(floor(-0.1), [end])
    assert verdicts.outcomes == [AGREES]
    # A layer of ground that is two voxels too high is another surface.
    assert cast_at(floor(-0.1) + floor(0.3), [end])[0].outcomes == [EARLY]


def test_a_ray_that_grazes_a_wall_may_enter_its_voxels_as_well():
    side = [(x, 2.1, z) for x in np.arange(-1.9, 12, 0.2) for z in np.arange(-0.9, 2, 0.2)]
    doubled = [(x, 1.5, z) for x, _, z in side]
    assert cast_at(side, [(9.0, 2.15, 0.9)])[0].outcomes == [AGREES]
    assert cast_at(side + doubled, [(9.0, 2.15, 0.9)])[0].outcomes == [EARLY]


def test_voxels_of_another_size_and_another_shape():
    grid = VoxelGrid('ego', (-2.0, -3.0, -1.0), (0.5, 0.4, 0.3), (28, 15, 10))
    verdicts, _ = cast_at([(8.1, y, 0.9) for y in np.arange(-2.9, 3, 0.3)], [(8.1, 0.1, 0.9)], grid=grid)
    assert verdicts.outcomes == [AGREES] and verdicts.errors == pytest.approx([-0.1])


def test_against_small_steps(rng):
    """Without surfaces and hits to excuse it, a ray is stopped by the first voxel whose core small steps meet."""
    occupied = np.unique(rng.integers(0, GRID.shape, (150, 3)), axis=0)
    walls = np.zeros(GRID.size, bool)
    walls[GRID.ravel(occupied)] = True
    ends = GRID.centres(rng.integers(0, GRID.shape, (400, 3))) + rng.uniform(-0.1, 0.1, (400, 3))
    verdicts, _ = cast_at(GRID.centres(occupied).tolist(), ends.tolist())
    compared = 0
    for i, end in enumerate(ends):
        length = np.linalg.norm(end - LIDAR)
        if length < 2.5:
            continue
        along = np.arange(CONFIG.start_m, length, 0.002)[:, None] / length
        cells = (LIDAR + along * (end - LIDAR) - GRID.minimum) / GRID.voxel_size
        inside = ((cells >= 0) & (cells < GRID.shape)).all(axis=1)
        offset = np.abs(cells % 1 - 0.5).max(axis=1)
        met = inside & walls[GRID.ravel(np.clip(cells, 0, np.array(GRID.shape) - 1).astype(int))]
        # The core of a voxel lies up to the diagonal of a voxel behind where the ray enters it.
        before = along[:, 0] * length < length - CONFIG.depth_m - 0.35
        surely, perhaps = met & (offset < 0.24) & before, met & (offset < 0.26)
        cells = cells[perhaps].astype(int)
        if surely.any() == perhaps.any() and not any(_flat(occupied, cell) for cell in cells):
            assert (verdicts.outcomes[i] == EARLY) == surely.any()
            compared += 1
    assert compared > 200


def _flat(occupied: np.ndarray, cell: np.ndarray) -> bool:
    """Whether so much is around a voxel that it may be part of a surface."""
    return (np.abs(occupied - cell).max(axis=1) <= 2).sum() > 3
