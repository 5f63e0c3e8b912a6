"""Recordings broken by known amounts."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from project.geometry.rigid import interpolate, poses
from project.labels.poses.refinement import with_poses
from project.sources.base import Scene


def without_height(scene: Scene, amount_m: float) -> Scene:
    """Heights of the car drift randomly, in metres a second (one sigma)."""
    seconds = _seconds(scene)
    knots = np.arange(0, seconds[-1] + 2)
    heights = amount_m * np.cumsum(np.random.default_rng(1).normal(size=len(knots)))
    moved = scene.global_from_ego.copy()
    moved[:, 2, 3] += np.interp(seconds, knots, heights)
    return with_poses(scene, moved)


def wandering(scene: Scene, amount_m: float) -> Scene:
    """The car's place drifts randomly along both axes, in metres a second (one sigma)."""
    seconds = _seconds(scene)
    knots = np.arange(0, seconds[-1] + 2)
    ways = amount_m * np.cumsum(np.random.default_rng(2).normal(size=(len(knots), 2)), axis=0)
    moved = scene.global_from_ego.copy()
    moved[:, :2, 3] += np.column_stack([np.interp(seconds, knots, way) for way in ways.T])
    return with_poses(scene, moved)


def box_places(scene: Scene, amount_m: float) -> Scene:
    """Boxes are displaced along both axes, in metres (one sigma), independently at every keyframe."""
    boxes = scene.tracks.global_from_box.copy()
    boxes[..., :2, 3] += np.random.default_rng(3).normal(0, amount_m, (*boxes.shape[:2], 2))
    return replace(scene, tracks=replace(scene.tracks, global_from_box=boxes))


def box_times(scene: Scene, amount_s: float) -> Scene:
    """Boxes are late by a number of seconds."""
    tracks, seconds = scene.tracks, _seconds(scene)[scene.keyframe_sweeps]
    boxes, present = tracks.global_from_box.copy(), tracks.present
    for k in range(len(seconds)):
        moved = np.zeros_like(present[k])
        for other in (k - 1, k + 1):
            if 0 <= other < len(seconds):
                known = present[k] & present[other] & ~moved
                way = tracks.global_from_box[other, known, :3, 3] - tracks.global_from_box[k, known, :3, 3]
                boxes[k, known, :3, 3] -= amount_s / (seconds[other] - seconds[k]) * way
                moved |= known
    return replace(scene, tracks=replace(tracks, global_from_box=boxes))


def sweep_times(scene: Scene, amount_ms: float) -> Scene:
    """Each sweep between keyframes has the pose of another time, in milliseconds (one sigma)."""
    seconds = _seconds(scene)
    at = seconds + np.random.default_rng(4).normal(0, amount_ms / 1000, len(seconds))
    at[scene.keyframe_sweeps] = seconds[scene.keyframe_sweeps]
    at = np.clip(at, 0, seconds[-1])
    before = np.clip(np.searchsorted(seconds, at, side='right') - 1, 0, len(seconds) - 2)
    fractions = (at - seconds[before]) / (seconds[before + 1] - seconds[before])
    moved = interpolate(scene.global_from_ego[before], scene.global_from_ego[before + 1], fractions)
    return replace(scene, global_from_ego=moved)


def calibration(scene: Scene, amount_deg: float) -> Scene:
    """The lidar is turned about its vertical axis by a number of degrees against its calibration."""
    half = np.radians(amount_deg) / 2
    turn = poses([np.cos(half), 0, 0, np.sin(half)], [0, 0, 0])
    return replace(scene, ego_from_lidar=scene.ego_from_lidar @ turn)


def _seconds(scene: Scene) -> np.ndarray:
    return (scene.timestamps_us - scene.timestamps_us[0]) / 1e6


BREAKS: dict[str, tuple[Callable[[Scene, float], Scene], tuple[float, ...], str]] = {
    'height': (without_height, (0.05, 0.1, 0.3), 'm'),
    'place': (wandering, (0.05, 0.1, 0.3), 'm'),
    'boxes': (box_places, (0.1, 0.3, 1.0), 'm'),
    'box times': (box_times, (0.05, 0.1, 0.3), 's'),
    'sweep times': (sweep_times, (10, 30, 100), 'ms'),
    'calibration': (calibration, (0.25, 1.0, 3.0), 'degrees'),
}
"""What is broken, how, by which amounts, and their unit."""
