"""Trails on purpose: a world in which movers that no box tells of are taken for static, as a plain generator would."""

from dataclasses import replace

import numpy as np

from project.labels.aggregation.aggregate import Sweeps
from project.labels.aggregation.point_groups import PointGroups, ScenePoints
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import tile_map_around, tile_of_points
from project.sources.base import Scene
from project.taxonomy import RAW_NAMES


def with_trails(scene: Scene, world: ScenePoints) -> ScenePoints:
    """The world with movable points of all keyframes that lie outside of boxes as "manmade"."""
    tile_map = tile_map_around(Sweeps(scene).scene_from_lidar[scene.keyframe_sweeps, :3, 3])
    trail = world.unboxed.points
    trail = Points(trail.xyz, np.full_like(trail.raw, RAW_NAMES.index('static.manmade')), trail.intensity)
    tiles = tile_of_points(tile_map, trail.xyz)
    inside = tiles >= 0
    steps = _steps(world.unboxed)[inside]
    points = [
        np.concatenate(pair)
        for pair in zip(vars(world.static.points).values(), vars(trail[inside]).values(), strict=True)
    ]
    n_tiles, n_steps = len(world.tile_centres), world.static.starts.shape[1] - 1
    group = np.repeat(np.arange(n_tiles), np.diff(world.static.starts[:, [0, -1]])[:, 0])
    key = np.concatenate([group * n_steps + _steps(world.static), tiles[inside] * n_steps + steps])
    order = np.argsort(key, kind='stable')
    starts = np.searchsorted(key[order], np.arange(n_tiles * n_steps + 1))
    starts = np.column_stack([starts[:-1].reshape(n_tiles, n_steps), starts[n_steps::n_steps]])
    return replace(world, static=PointGroups(Points(*(part[order] for part in points)), starts))


def _steps(cloud: PointGroups) -> np.ndarray:
    """(N,) time step of each point."""
    counts = np.diff(cloud.starts, axis=1)
    return np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), counts.ravel())
