"""Removes the trails that unboxed movers leave in the static world: places that rays pass through at other times.

The static world does not change, so it is judged once for all keyframes and formats, in small cells fixed to the scene.
A moment is the time from one keyframe to the next. Three numbers are counted for every cell:

- the moments in which points lie in it;
- the moments in which it is *clear*: several rays pass through it, and no point lies in it or in any cell around it;
- the moments in which it is *passed*: a ray passes through it, and no point lies in it.

A static thing is hit nearly every time rays come near, even if it is as thin as a pole or as open as a hedge: some rays
pass, others stop in it or beside it. A mover fills its cells for a moment; at other times these cells and those around
them are clear. So a cell is dynamic if it was clear in at least a third as many moments as it held points, unless it
lies alone among static cells. A cell that was passed that often, but not clear, is dynamic if several cells around it
are: it is the rim of a trail. A cell that held points in few moments and that no ray judged is dynamic if most cells
around it are (`strays.py`).

Ground is never judged and does not count as a point in a cell, because rays at a grazing angle pass through many of its
cells. Dynamic points of keyframes appear at their own keyframe, as noise: something was there, but its static label is
wrong. All other dynamic points are dropped.
"""

from dataclasses import replace

import numpy as np
from numba import njit

from project.geometry.bitgrid import MOST_LAYERS, bit
from project.labels.aggregation.moments import count_hits, judge_moment, new_window
from project.labels.aggregation.point_groups import PointGroups, ScenePoints
from project.labels.aggregation.static_cells import (
    BLOCK_CELLS,
    StaticCells,
    cell_indices,
    cell_number,
    cell_of_point,
    indices_of,
    static_cells,
)
from project.labels.aggregation.strays import mark_strays
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import TILE_M
from project.labels.config import DEFAULT, DynamicRemovalConfig, LabelConfig
from project.labels.visibility.lidar_rays import Rays, read_rays
from project.sources.base import Scene
from project.taxonomy import NOISE


def read_sample_rays(scene: Scene, scene_from_global: np.ndarray, config: LabelConfig = DEFAULT) -> Rays:
    """Rays to judge the static world of a scene by: those of one sweep every `period_s`.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    thresholds = config.dynamic_removal
    sweeps = scene.sweeps_of_lidars()[0]
    apart_s = np.median(np.diff(scene.timestamps_us[sweeps])) / 1e6 if len(sweeps) > 1 else thresholds.period_s
    every = max(round(thresholds.period_s / max(apart_s, 1e-3)), 1)
    return read_rays(scene, scene_from_global, config, every, thresholds.cell_m)


def without_dynamic_points(
    world: ScenePoints, rays: Rays, time_steps: np.ndarray, config: DynamicRemovalConfig = DEFAULT.dynamic_removal
) -> ScenePoints:
    """The scene's points without the static ones that rays contradict.

    Args:
        world: the points of a scene; its arrays are used again.
        rays: as :func:`read_sample_rays` returns them.
        time_steps: (S,) int64 time step of each sweep, as the scene has it.
        config: thresholds.
    """
    is_ground = np.isin(np.arange(256), world.taxonomy.ground)
    cells = static_cells(world, is_ground, config.cell_m, config.layer_m, config.below_m)
    dynamic = _dynamic_cells(world, cells, rays, time_steps, is_ground, config)
    if not dynamic.any():
        return world
    static, own_time = _drop(world, cells, dynamic, is_ground)
    own_time.points.raw[:] = NOISE
    return replace(world, static=static, unboxed=_with(world.unboxed, own_time))


def _dynamic_cells(
    world: ScenePoints, cells: StaticCells, rays: Rays, time_steps: np.ndarray, is_ground: np.ndarray,
    config: DynamicRemovalConfig,
) -> np.ndarray:  # fmt: skip
    """(cells,) bool."""
    size = len(cells.bases) * BLOCK_CELLS
    # Memory that is never touched is never taken.
    hit, clear, passed = (np.zeros(size, np.uint8) for _ in range(3))
    static = world.static
    parts = static.points.xyz, static.points.raw, static.starts
    standing = count_hits(cells, *parts, is_ground, hit)
    dynamic = np.zeros(size, bool)
    window = new_window(config.reach_m, config.cell_m)
    moments = np.where(time_steps >= 0, time_steps // 2, -1)
    for moment in range(moments.max() + 1):
        sweeps = np.flatnonzero((moments == moment) & (np.diff(rays.starts) > 0))
        if len(sweeps):
            judge_moment(
                cells, window, *parts, is_ground, moment, sweeps, rays.ends, rays.shares, rays.starts, rays.origins,
                standing, hit, clear, passed, dynamic, config.rays, config.clear_share,
            )  # fmt: skip
    # A cell that was clear by chance lies alone at the rim of something static.
    seeds = np.flatnonzero(dynamic)
    around = _cells_around(cells, indices_of(cells, seeds), dynamic, standing)
    dynamic[seeds[around[:, 0] < config.max_dynamic_ratio * around[:, 1]]] = False
    rim = np.flatnonzero(passed)
    rim = rim[(passed[rim] >= config.clear_share * hit[rim]) & ~dynamic[rim]]
    where = indices_of(cells, rim)
    while True:
        further = rim[_cells_around(cells, where, dynamic, standing)[:, 0] >= config.rim_neighbours]
        if dynamic[further].all():
            break
        dynamic[further] = True
    mark_strays(
        cells, dynamic, hit, standing, config.stray_moments, config.stray_neighbours, config.stray_ratio
    )  # fmt: skip
    return dynamic


@njit(cache=True, error_model='numpy')
def _cells_around(cells, where, dynamic, standing):
    """Counts, for some cells, how many of the 26 cells around each are dynamic and standing; `where`: (N, 3) their
    indices."""
    numbers, bases = cells.numbers, cells.bases
    counts = np.zeros((len(where), 2), np.int64)
    for i in range(len(where)):
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    cell = cell_number(numbers, bases, where[i, 0] + dx, where[i, 1] + dy, where[i, 2] + dz)
                    if cell >= 0 and (dx != 0 or dy != 0 or dz != 0):
                        counts[i, 0] += dynamic[cell]
                        counts[i, 1] += (standing[cell // MOST_LAYERS] & bit(cell % MOST_LAYERS)) != 0
    return counts


def _drop(
    world: ScenePoints, cells: StaticCells, dynamic: np.ndarray, is_ground: np.ndarray
) -> tuple[PointGroups, PointGroups]:
    """The static world without its dynamic points, and the dynamic points of keyframes as one group."""
    points, starts = world.static.points, world.static.starts.copy()
    tiles = np.flatnonzero(_tiles_with(world.tile_centres, cells, np.flatnonzero(dynamic)))
    taken, steps = _remove(cells, dynamic, tiles, is_ground, points.xyz, points.raw, points.intensity, starts)
    order = np.argsort(steps, kind='stable')
    own_time = Points(taken[order, :3].copy(), taken[order, 3].astype(np.uint8), taken[order, 4].astype(np.uint8))
    ends = np.searchsorted(steps[order], np.arange(starts.shape[1]))
    return PointGroups(points, starts), PointGroups(own_time, ends[None])


def _tiles_with(tile_centres: np.ndarray, cells: StaticCells, numbers: np.ndarray) -> np.ndarray:
    """(tiles,) bool: the tile holds one of the cells."""
    places = np.floor((tile_centres - cells.origin) / TILE_M).astype(int)
    marked = np.zeros(places.max(axis=0) + 1, bool)
    marked[tuple(((indices_of(cells, numbers)[:, :2] + 0.5) * cells.cell_m / TILE_M).astype(int).T)] = True
    return marked[tuple(places.T)]


@njit(cache=True, error_model='numpy')
def _remove(cells, dynamic, groups, is_ground, xyz, raw, intensity, starts):
    """Move the points of some groups that are not dynamic to the front of their group, and adapt `starts`.

    Returns:
        (N, 5) float32 x, y, z, category, intensity of the points removed from keyframes, and (N,) int64 their time
        steps.
    """
    origin, cell_m, layer_m, numbers, bases = cells.origin, cells.cell_m, cells.layer_m, cells.numbers, cells.bases
    taken, steps, count = np.empty((1024, 5), np.float32), np.empty(1024, np.int64), 0
    for group in groups:
        n = at = starts[group, 0]
        for step in range(starts.shape[1] - 1):
            stop = starts[group, step + 1]
            for i in range(at, stop):
                x, y, layer = cell_indices(origin, cell_m, layer_m, xyz[i])
                cell = cell_of_point(numbers, bases, x, y, layer)
                if cell < 0 or not dynamic[cell] or is_ground[raw[i]]:
                    xyz[n], raw[n], intensity[n] = xyz[i], raw[i], intensity[i]
                    n += 1
                elif step % 2 == 0:
                    if count == len(taken):
                        taken = np.concatenate((taken, np.empty_like(taken)))
                        steps = np.concatenate((steps, np.empty_like(steps)))
                    taken[count, :3], taken[count, 3], taken[count, 4] = xyz[i], raw[i], intensity[i]
                    steps[count] = step
                    count += 1
            at = stop
            starts[group, step + 1] = n
    return taken[:count], steps[:count]


def _with(unboxed: PointGroups, more: PointGroups) -> PointGroups:
    """Joins two clouds of one group each."""
    parts = [
        (cloud.points.xyz[a:b], cloud.points.raw[a:b], cloud.points.intensity[a:b])
        for a_b in zip(*(np.stack([c.starts[0, :-1], c.starts[0, 1:]], 1) for c in (unboxed, more)), strict=True)
        for cloud, (a, b) in zip((unboxed, more), a_b, strict=True)
    ]
    starts = unboxed.starts - unboxed.starts[0, 0] + more.starts - more.starts[0, 0]
    return PointGroups(Points(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True))), starts)
