"""The parts of rays inside tracked boxes, in the frame of the box.

The space around a moving object moves with it: if a ray passes over the bonnet of a car, this place over the bonnet is
free at all times, wherever the car is.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.geometry.rigid import inverse
from project.geometry.traversal import clip_to_grid, transformed
from project.labels.aggregation.boxes import Boxes, boxes_of_sweeps
from project.labels.config import DEFAULT, LabelConfig
from project.labels.visibility.lidar_rays import Rays, origin_of
from project.sources.base import Scene

BINS = 720
"""Number of directions that a sweep is divided into, to find the rays that may meet a box."""


@dataclass(frozen=True)
class BoxRays:
    """Parts of rays inside boxes, each in its box's frame, sorted by track and by time.

    Attributes:
        lines: (N, 2, 3) float32 from where the ray enters the box to where it leaves it or ends.
        ended: (N,) bool, whether it ended inside.
        starts: (T, time steps + 1) int64 where those of each track and time step start; the last column is the end.
    """

    lines: np.ndarray
    ended: np.ndarray
    starts: np.ndarray


def find_box_rays(scene: Scene, rays: Rays, scene_from_global: np.ndarray, config: LabelConfig = DEFAULT) -> BoxRays:
    """Find the parts of rays inside annotated boxes; between keyframes boxes are interpolated."""
    steps = scene.num_steps
    lines, ended, keys = [np.zeros((0, 2, 3), np.float32)], [np.zeros(0, bool)], [np.zeros(0, np.int64)]
    for sweep, boxes in boxes_of_sweeps(scene, scene.annotated.tracks, scene_from_global, config.boxes).items():
        found = _in_boxes(rays, sweep, boxes)
        lines.append(found[0])
        ended.append(found[1])
        keys.append(boxes.tracks[found[2]] * steps + scene.time_steps[sweep])
    key = np.concatenate(keys)
    order = np.argsort(key, kind='stable')
    n_tracks = scene.tracks.present.shape[1]
    starts = np.searchsorted(key[order], np.arange(n_tracks * steps + 1))
    starts = np.column_stack([starts[:-1].reshape(n_tracks, steps), starts[steps::steps]])
    return BoxRays(np.concatenate(lines)[order], np.concatenate(ended)[order], starts)


def _in_boxes(rays: Rays, sweep: int, boxes: Boxes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BoxRays of one sweep: lines, ended, and the box of each."""
    start, stop = rays.starts[sweep : sweep + 2]
    origins, ends = rays.origins[sweep], rays.ends[start:stop]
    members, bounds = _boxes_by_direction(origins, boxes)
    flat = ends[:, :2] - origins.mean(axis=0)[:2]
    direction = ((np.arctan2(flat[:, 1], flat[:, 0]) / (2 * np.pi) + 0.5) * BINS).astype(np.int64) % BINS
    capacity = (bounds[direction + 1] - bounds[direction]).sum()
    lines, ended = np.empty((capacity, 2, 3), np.float32), np.empty(capacity, bool)
    owners = np.empty(capacity, np.int64)
    size = 2 * boxes.half_sizes
    # In units of the box, so that its corners are (0, 0, 0) and (1, 1, 1).
    unit_from_scene = inverse(boxes.scene_from_box)
    unit_from_scene[:, :3] /= size[:, :, None]
    unit_from_scene[:, :3, 3] += 0.5
    n = _pass(
        origins, ends, rays.shares[start:stop], direction, bounds, members, unit_from_scene, size, lines, ended, owners
    )
    return lines[:n], ended[:n], owners[:n]


def _boxes_by_direction(origins: np.ndarray, boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that rays may meet, direction by direction, and (BINS + 1,) where the boxes of each direction start."""
    lidar = origins.mean(axis=0)
    away = boxes.scene_from_box[:, :2, 3] - lidar[:2]
    distance = np.hypot(away[:, 0], away[:, 1])
    # The lidar moves while it turns; directions are taken from the middle of its path.
    radius = np.linalg.norm(boxes.half_sizes, axis=1) + np.linalg.norm(origins[1] - origins[0])
    near = distance <= radius
    half_angle = np.where(near, np.pi, np.arcsin(np.minimum(radius / np.maximum(distance, 1e-9), 1))) + 2 * np.pi / BINS
    middles = (np.arange(BINS) + 0.5) / BINS * 2 * np.pi - np.pi
    apart = np.abs((middles[:, None] - np.arctan2(away[:, 1], away[:, 0]) + np.pi) % (2 * np.pi) - np.pi)
    directions, members = np.nonzero(apart <= half_angle)
    return np.ascontiguousarray(members), np.searchsorted(directions, np.arange(BINS + 1))


@njit(cache=True, error_model='numpy')
def _pass(origins, ends, shares, direction, bounds, members, unit_from_scene, size, lines, ended, owners):
    n = 0
    one = np.ones(3)
    for i in range(len(ends)):
        if bounds[direction[i]] == bounds[direction[i] + 1]:
            continue
        origin = origin_of(origins, shares[i])
        for at in range(bounds[direction[i]], bounds[direction[i] + 1]):
            box = members[at]
            start, stop = transformed(unit_from_scene[box], origin), transformed(unit_from_scene[box], ends[i])
            enter, leave = clip_to_grid(start, stop, one)
            if enter >= leave:
                continue
            for axis in range(3):
                span = stop[axis] - start[axis]
                lines[n, 0, axis] = (start[axis] + enter * span - 0.5) * size[box, axis]
                lines[n, 1, axis] = (start[axis] + leave * span - 0.5) * size[box, axis]
            ended[n] = leave >= 1
            owners[n] = box
            n += 1
    return n
