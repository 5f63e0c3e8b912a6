"""Moves the rays of a sweep to where they would have been at a keyframe.

The static world does not move, so rays of other times are valid for it as they are. The space around an object moves
with it: a ray that ends on an object is moved in the object's box frame to where the box is at the keyframe.
"""

from dataclasses import dataclass, fields

import numpy as np

from project.checking.config import RayConfig
from project.geometry.rigid import inverse
from project.labels.aggregation.aggregate import Sweeps
from project.labels.aggregation.boxes import OUTSIDE, Boxes, box_of_points
from project.labels.aggregation.sweeps import UNLABELLED
from project.labels.config import DEFAULT
from project.labels.visibility.lidar_rays import starts_of_rays
from project.sources.base import Scene
from project.sources.returns import returns_of

NO_TRACK = -1


@dataclass(frozen=True)
class PlacedRays:
    """N rays in the frame of a keyframe's grid, metres.

    Attributes:
        origins: (N, 3) float64 where each ray starts.
        ends: (N, 3) float64 where it ended.
        starts: (N,) float64 metres from the origin at which the ray starts to count.
        tracks: (N,) int32 track of the object whose box it ended in, -1 for the world outside boxes.
    """

    origins: np.ndarray
    ends: np.ndarray
    starts: np.ndarray
    tracks: np.ndarray

    def __getitem__(self, selection: np.ndarray) -> 'PlacedRays':
        return PlacedRays(*(getattr(self, field.name)[selection] for field in fields(self)))

    @classmethod
    def joined(cls, parts: list['PlacedRays']) -> 'PlacedRays':
        """All rays of several."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @property
    def lengths(self) -> np.ndarray:
        """(N,) float64 metres."""
        return np.linalg.norm(self.ends - self.origins, axis=1)


class RayPlacer:
    """Places rays of a scene's sweeps.

    Args:
        scene: the sweeps, with the poses to place rays by.
        config: which rays.

    Attributes:
        scene: the same.
        sweeps: its sweeps and the boxes at their times.
    """

    def __init__(self, scene: Scene, config: RayConfig):
        self.scene, self.sweeps, self._config = scene, Sweeps(scene), config

    def returns(self, sweep: int) -> tuple[np.ndarray, np.ndarray]:
        """Start and end of the judged rays of a sweep, each (N, 3) float64 in the scene frame; the same rays at each
        call.

        Raises:
            FileNotFoundError, ValueError: the file of the sweep is missing or damaged; the message names it.
        """
        scene, config = self.scene, self._config
        returns = returns_of(scene, sweep)
        order = np.random.default_rng(sweep).permutation(len(returns.points))[: 3 * config.rays]
        xyz = returns.points[order, :3].astype(np.float64)
        distance = np.linalg.norm(xyz, axis=1)
        judged = (distance >= config.nearest_m) & (distance < config.farthest_m)
        kept = np.flatnonzero(judged & ~_on_own_vehicle(scene, sweep, xyz))[: config.rays]
        starts = starts_of_rays(scene, sweep, returns, self.sweeps.scene_from_lidar)[order[kept]]
        return starts, moved(self.sweeps.scene_from_lidar[sweep], xyz[kept])

    def place(self, sweep: int, k: int, frame: str) -> PlacedRays:
        """Rays of a sweep moved to keyframe k, in the frame of a grid, 'lidar' or 'ego'.

        At a keyframe of another time, rays that end in a box start where they enter it. They are left out if the labels
        show no such object, or if they may have met the ground.
        """
        scene, boxes = self.scene, self.sweeps.boxes[sweep]
        origins, ends = self.returns(sweep)
        box = box_of_points(ends.astype(np.float32), np.full(len(ends), UNLABELLED, np.uint8), boxes)
        grid_from_global = scene.grid_from_global(k, frame)
        grid_from_scene = grid_from_global @ inverse(self.sweeps.scene_from_global)
        tracks = np.append(boxes.tracks, np.int32(NO_TRACK))[box]
        starts = np.full(len(ends), self._config.start_m)
        whole = PlacedRays(moved(grid_from_scene, origins), moved(grid_from_scene, ends), starts, tracks)
        if sweep == scene.keyframe_sweeps[k]:
            return whole
        parts = [whole[box == OUTSIDE]]
        shown = scene.tracks.present[k, boxes.tracks] & ~boxes.guessed
        for b in np.unique(box[box != OUTSIDE]):
            if shown[b]:
                pose = grid_from_global @ scene.tracks.global_from_box[k, boxes.tracks[b]]
                parts.append(self._carried(boxes, b, origins[box == b], ends[box == b], pose))
        return PlacedRays.joined(parts)

    def _carried(
        self, boxes: Boxes, b: int, origins: np.ndarray, ends: np.ndarray, grid_from_box: np.ndarray
    ) -> PlacedRays:
        """Rays that end in a box, from where they enter it, moved with the box to its place at the keyframe."""
        box_from_scene = inverse(boxes.scene_from_box[b])
        origins, ends = moved(box_from_scene, origins), moved(box_from_scene, ends)
        half = boxes.sizes[b] / 2
        above = ends[:, 2] > -half[2] + self._config.floor_m
        origins, ends = origins[above], ends[above]
        directions = ends - origins
        borders = -np.sign(directions) * (half + DEFAULT.boxes.margin_m) - origins
        shares = np.divide(borders, directions, out=np.zeros_like(directions), where=directions != 0)
        starts = np.clip(shares.max(axis=1, initial=0), 0, 1) * np.linalg.norm(directions, axis=1)
        tracks = np.full(len(ends), boxes.tracks[b], np.int32)
        return PlacedRays(moved(grid_from_box, origins), moved(grid_from_box, ends), starts, tracks)


def _on_own_vehicle(scene: Scene, sweep: int, xyz: np.ndarray) -> np.ndarray:
    """(N,) bool, whether points (N, 3) of a sweep, lidar frame, are on the car that carries the lidar."""
    body = moved(scene.ego_from_lidar[sweep], xyz)
    in_box = ((body >= scene.rig.own_box[0]) & (body < scene.rig.own_box[1])).all(axis=1)
    cells, low_m, cell_m = scene.own_cells(sweep)
    where = np.floor((xyz - low_m) / cell_m).astype(np.int64)
    inside = ((where >= 0) & (where < len(cells))).all(axis=1)
    return in_box | (inside & cells[tuple(np.where(inside[:, None], where, 0).T)])


def moved(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) points moved by a (4, 4) transform."""
    return points @ transform[:3, :3].T + transform[:3, 3]
