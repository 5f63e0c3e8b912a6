"""The points of a scene, sorted by tile or track and by time.

The static world is sorted by tile, each object by its track. Within these groups points are in order of time, so that a
keyframe's window is one run of points in each group, and the votes of a tile stay in the processor's cache.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from project.grid import VoxelGrid
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import TILE_M
from project.taxonomy import Taxonomy

NO_GROUP = -1

_NO_POINTS = Points(np.zeros((0, 3), np.float32), np.zeros(0, np.uint8), np.zeros(0, np.uint8))


@dataclass(frozen=True)
class PointGroups:
    """Points in G groups, each in order of time.

    Attributes:
        points: all points, group after group; there may be others between the groups.
        starts: (G, time steps + 1) int64, where each group's points of each time step start; the
            last column is where they end.
    """

    points: Points
    starts: np.ndarray

    def filled(self, steps: range) -> np.ndarray:
        """(N,) int64 groups that have points at some consecutive time steps."""
        return np.flatnonzero(self.starts[:, steps.stop] > self.starts[:, steps.start])

    def within(self, steps: range, groups: np.ndarray) -> 'PointGroups':
        """Only the points of some consecutive time steps and of (N,) groups, both of which are counted from 0 then."""
        kept, starts = runs_within(self.starts, steps, groups)
        return PointGroups(self.points[kept], starts)


def runs_within(starts: np.ndarray, steps: range, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose the entries of some time steps and groups from arrays that are sorted by group and time step.

    Args:
        starts: (G, time steps + 1) int64 first entry of each group and step; the last column is where groups end.
        steps: the time steps, consecutive.
        groups: (N,) int64, ascending.

    Returns:
        (M,) int64 the chosen entries, in their order, and where they start among themselves: (N, chosen steps + 1).
    """
    starts = starts[groups, steps.start : steps.stop + 1]
    begins, ends = starts[:, 0], starts[:, -1]
    counts = ends - begins
    moved = np.cumsum(counts) - ends
    kept = np.arange(counts.sum()) - np.repeat(moved, counts)
    return kept, starts + moved[:, None]


@dataclass(frozen=True)
class ScenePoints:
    """All points of a scene. Time steps of the clouds: 2k at keyframe k, 2k + 1 between k and k + 1.

    Attributes:
        static: the static world, scene frame, grouped by tile.
        objects: tracked objects, each in its box's frame, grouped by track.
        unboxed: movable points of keyframes outside every box, scene frame, one group; valid at their keyframe only.
        scene_from_global: (4, 4) float64.
        tile_centres: (tiles, 2) float64, scene frame.
        taxonomy: categories of the points.
    """

    static: PointGroups
    objects: PointGroups
    unboxed: PointGroups
    scene_from_global: np.ndarray
    tile_centres: np.ndarray
    taxonomy: Taxonomy

    @property
    def size(self) -> int:
        """Number of points."""
        return sum(len(cloud.points.raw) for cloud in (self.static, self.objects, self.unboxed))

    def within(self, steps: range, tracks: np.ndarray) -> 'ScenePoints':
        """Only the points of some consecutive time steps, and of the objects of (N,) tracks; steps, tiles and tracks
        are counted from 0 then."""
        tiles = self.static.filled(steps)
        return replace(
            self,
            static=self.static.within(steps, tiles),
            objects=self.objects.within(steps, tracks),
            unboxed=self.unboxed.within(steps, np.arange(1)),
            tile_centres=self.tile_centres[tiles],
        )

    def tiles_in(self, grid: VoxelGrid, grid_from_scene: np.ndarray) -> np.ndarray:
        """(N,) int64 tiles that may reach into a grid."""
        centres = self.tile_centres @ grid_from_scene[:2, :2].T + grid_from_scene[:2, 3]
        # Half a tile's diagonal, and a metre for the tilt of the grid.
        reach = TILE_M / np.sqrt(2) + 1
        inside = (centres > np.array(grid.minimum[:2]) - reach) & (centres < np.array(grid.maximum[:2]) + reach)
        return np.flatnonzero(inside.all(axis=1))


class PointCollector:
    """Collects the points of a cloud and their groups by time step, in any order of the steps."""

    def __init__(self, steps: int):
        self._parts: list[list[tuple[Points, np.ndarray]]] = [[] for _ in range(steps)]

    def add(self, step: int, points: Points, groups: np.ndarray) -> None:
        """Add N points of a time step and their (N,) int32 groups; points of group -1 are left out."""
        self._parts[step].append((points, groups))

    def points_and_groups(self, steps: Iterable[int]) -> tuple[Points, np.ndarray]:
        """All points of some time steps, and their (N,) int32 groups."""
        parts = [part for step in steps for part in self._parts[step]] or [(_NO_POINTS, np.zeros(0, np.int32))]
        groups = np.concatenate([groups for _, groups in parts])
        xyz, raw, intensity = ([getattr(points, name) for points, _ in parts] for name in ('xyz', 'raw', 'intensity'))
        points = Points(np.concatenate(xyz), np.concatenate(raw), np.concatenate(intensity))
        return points[groups != NO_GROUP], groups[groups != NO_GROUP]

    def cloud(self, n_groups: int) -> PointGroups:
        """All points, in their groups."""
        counts = np.zeros((n_groups, len(self._parts)), np.int64)
        for step, parts in enumerate(self._parts):
            for _, groups in parts:
                counts[:, step] += np.bincount(groups - NO_GROUP, minlength=n_groups + 1)[1:]
        ends = np.cumsum(counts).reshape(counts.shape)
        starts = ends - counts
        total = counts.sum()
        points = Points(np.empty((total, 3), np.float32), np.empty(total, np.uint8), np.empty(total, np.uint8))
        for step, parts in enumerate(self._parts):
            next_place = starts[:, step].copy()
            for part, groups in parts:
                _place(part.xyz, part.raw, part.intensity, groups, next_place, points.xyz, points.raw, points.intensity)
        return PointGroups(points, np.column_stack([starts, ends[:, -1]]))


@njit(cache=True, error_model='numpy')
def _place(xyz, raw, intensity, groups, next_place, all_xyz, all_raw, all_intensity):
    for i in range(len(groups)):
        if groups[i] == NO_GROUP:
            continue
        at = next_place[groups[i]]
        next_place[groups[i]] += 1
        all_xyz[at], all_raw[at], all_intensity[at] = xyz[i], raw[i], intensity[i]
