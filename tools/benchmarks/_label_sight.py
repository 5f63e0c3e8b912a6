"""Quality of masks: against every ray of a synthetic world in small steps, and rays through every half pixel."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.formats import OccupancyLabels
from project.geometry.rigid import apply, inverse
from project.geometry.traversal import clip_to_grid, longest_traversal, traverse
from project.grid import VoxelGrid
from project.sources.base import Cameras
from project.synthetic.lidar import STATIC, cast
from project.synthetic.scene import SyntheticScene
from project.synthetic.scene_rows import keyframe_time, sweeps_between
from project.synthetic.truth import Truth

STEP_M = 0.05
PIXELS_PER_RAY = 0.5


@dataclass
class MaskQuality:
    """Counts over keyframes, all of voxels.

    Attributes:
        free: observed and not occupied.
        right: of those, without any surface in them.
        beamed: without any surface in them, and passed through by a ray of the window.
        found: of those, called free.
        voxels: all.
        agreed: where the camera mask agrees with rays through the true voxels, among those that lidar observed.
        observed: those.
        seen_by_both, seen_by_one: seen by both, or at least one, of the two; among those that lidar observed.
    """

    free: int = 0
    right: int = 0
    beamed: int = 0
    found: int = 0
    agreed: int = 0
    observed: int = 0
    seen_by_both: int = 0
    seen_by_one: int = 0

    def add(self, labels: OccupancyLabels, truth: Truth, beamed: np.ndarray, seen: np.ndarray) -> None:
        """Count a keyframe; `beamed` and `seen` are (X, Y, Z) bool."""
        occupied = np.zeros(labels.grid.shape, bool)
        occupied[tuple(labels.indices.T)] = True
        observed, camera = labels.mask_lidar, labels.mask_camera
        free = observed & ~occupied
        self.free += int(free.sum())
        self.right += int((free & truth.free).sum())
        self.beamed += int((beamed & truth.free).sum())
        self.found += int((free & beamed & truth.free).sum())
        self.observed += int(observed.sum())
        self.agreed += int((observed & (camera == seen)).sum())
        self.seen_by_both += int((observed & camera & seen).sum())
        self.seen_by_one += int((observed & (camera | seen)).sum())

    def summary(self) -> dict[str, float]:
        """Percentages."""
        return {
            'free: precision': 100 * self.right / max(self.free, 1),
            'free: recall': 100 * self.found / max(self.beamed, 1),
            'camera mask: agreement': 100 * self.agreed / max(self.observed, 1),
            'camera mask: IoU': 100 * self.seen_by_both / max(self.seen_by_one, 1),
        }


class Beamed:
    """Which voxels the rays of a scene pass through, without noise and with the true motion of everything."""

    def __init__(self, scene: SyntheticScene):
        self.scene = scene
        lidars = scene.rig.lidars
        self.returns = {
            (channel, sweep): cast(scene, lidars[channel].time(sweep), lidars[channel])[0]
            for channel, sweep in sweeps_between(scene, 0, scene.settings.keyframes - 1)
        }

    def at(self, keyframe: int, grid: VoxelGrid, window: int) -> np.ndarray:
        """(X, Y, Z) bool. Inside the box of an object a ray counts where it passes the object's own frame."""
        scene, time = self.scene, keyframe_time(keyframe)
        frame = scene.rig.reference.ego_from_lidar if grid.frame == 'lidar' else np.eye(4)
        grid_from_town = inverse(scene.town_from_ego(time) @ frame)
        static, own = np.zeros(grid.size, bool), np.zeros(grid.size, bool)
        objects = scene.present(time)
        in_box = np.zeros(grid.size, bool)
        for index in objects:
            in_box[self._in_box(index, grid, grid_from_town, time)] = True
        corner, size, shape = np.array(grid.minimum), np.array(grid.voxel_size), np.array(grid.shape)
        first, last = max(0, keyframe - window), min(keyframe + window, scene.settings.keyframes - 1)
        for channel, sweep in sweeps_between(scene, first, last):
            returns, swept = self.returns[channel, sweep], scene.rig.lidars[channel].time(sweep)
            met = returns.actors >= STATIC
            origins, ends = returns.origins[met], returns.points[met]
            _step(static, apply(grid_from_town, origins), apply(grid_from_town, ends), corner, size, shape)
            for index in np.intersect1d(objects, scene.present(swept)):
                then = scene.town_from_actor(index, swept)
                middle = apply(then, scene.shape(index).centre)
                reach = np.linalg.norm(scene.shape(index).size) / 2
                near = _near(origins, ends, middle, reach)
                moved = grid_from_town @ scene.town_from_actor(index, time) @ inverse(then)
                _step(own, apply(moved, origins[near]), apply(moved, ends[near]), corner, size, shape)
        return (static & (~in_box | own)).reshape(grid.shape)

    def _in_box(self, index: int, grid: VoxelGrid, grid_from_town: np.ndarray, time: float) -> np.ndarray:
        """Positions of the voxels whose centres lie in an object's box."""
        shape = self.scene.shape(index)
        width, length, height = shape.size
        grid_from_box = grid_from_town @ self.scene.town_from_actor(index, time)
        # Only voxels near the box are looked at: a fine grid has ten million.
        middle, reach = apply(grid_from_box, shape.centre), np.linalg.norm(shape.size) / 2
        first = np.floor((middle - reach - grid.minimum) / grid.voxel_size).astype(int)
        last = np.floor((middle + reach - grid.minimum) / grid.voxel_size).astype(int) + 1
        spans = [np.arange(max(a, 0), min(b, n)) for a, b, n in zip(first, last, grid.shape, strict=True)]
        indices = np.stack(np.meshgrid(*spans, indexing='ij'), axis=-1).reshape(-1, 3)
        local = np.abs(apply(inverse(grid_from_box), grid.centres(indices)) - shape.centre)
        return grid.ravel(indices[(local <= np.array([length, width, height]) / 2).all(axis=1)])


def seen_through_pixels(
    cameras: Cameras, grid_from_global: np.ndarray, grid: VoxelGrid, occupied: np.ndarray
) -> np.ndarray:
    """(X, Y, Z) bool, voxels on rays through every half pixel of all cameras, up to and with the first occupied one."""
    seen = np.zeros(grid.size, bool)
    path, shape = np.empty(longest_traversal(grid.shape), np.int64), np.array(grid.shape)
    for pose, matrix, size_px in zip(cameras.global_from_camera, cameras.matrices, cameras.sizes_px, strict=True):
        grid_from_camera = grid_from_global @ pose
        pixels = (np.arange(0, size, PIXELS_PER_RAY) + PIXELS_PER_RAY / 2 for size in size_px)
        u, v = np.meshgrid(*pixels)
        rays = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3) @ np.linalg.inv(matrix).T
        far = apply(grid_from_camera, 1000 * rays)
        eye = (grid_from_camera[:3, 3] - grid.minimum) / grid.voxel_size
        _cast(seen, occupied.ravel(), eye, (far - grid.minimum) / grid.voxel_size, shape, path)
    return seen.reshape(grid.shape)


def _near(origins: np.ndarray, ends: np.ndarray, middle: np.ndarray, reach: float) -> np.ndarray:
    """Which rays pass within reach of a point."""
    way = ends - origins
    share = ((middle - origins) * way).sum(axis=1) / (way * way).sum(axis=1)
    nearest = origins + np.clip(share, 0, 1)[:, None] * way
    return np.linalg.norm(nearest - middle, axis=1) < reach


@njit(cache=True)
def _step(passed, origins, ends, corner, size, shape):
    for i in range(len(ends)):
        way = ends[i] - origins[i]
        length = np.sqrt((way * way).sum())
        for step in range(int(length / STEP_M)):
            share = step * STEP_M / length
            x = int(np.floor((origins[i, 0] + share * way[0] - corner[0]) / size[0]))
            y = int(np.floor((origins[i, 1] + share * way[1] - corner[1]) / size[1]))
            z = int(np.floor((origins[i, 2] + share * way[2] - corner[2]) / size[2]))
            if 0 <= x < shape[0] and 0 <= y < shape[1] and 0 <= z < shape[2]:
                passed[(x * shape[1] + y) * shape[2] + z] = True


@njit(cache=True)
def _cast(seen, walls, eye, far, shape, path):
    for i in range(len(far)):
        enter, leave = clip_to_grid(eye, far[i], shape)
        if enter < leave:
            way = far[i] - eye
            for at in range(traverse(eye + enter * way, eye + leave * way, shape, path, walls)):
                seen[path[at]] = True
