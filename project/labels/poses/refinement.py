"""The poses of the car are corrected where the sweeps of a scene do not meet.

Poses of nuScenes have no height and drift by centimetres, so that the ground seen at different times lies in layers.
How exact the poses of a scene are shows when they are corrected: corrections that registration is not sure of are not
made.
"""

import warnings
from dataclasses import replace

import numpy as np

from project.geometry.rigid import interpolate, inverse
from project.labels.aggregation.aggregate import Sweeps
from project.labels.aggregation.boxes import box_of_points
from project.labels.aggregation.sweeps import UNLABELLED
from project.labels.config import DEFAULT, LabelConfig
from project.labels.poses.registration import registered
from project.sources.base import Scene

EVERY = 2
"""Keyframes are registered, and of the sweeps every second one; another is corrected like its neighbours."""

UNCERTAINTY_M = 0.03
"""How well registration knows where what was seen at one keyframe lies at another, root mean square."""

SEEN_M, SEEN_KEYFRAMES = 20.0, 10
"""That is judged at this distance from the car, between keyframes that are at most so many apart: as a window is."""


def refined(scene: Scene, config: LabelConfig = DEFAULT) -> Scene:
    """The scene with corrected poses, or as it is where its poses are as good as registration could make them.

    Boxes and cameras are told in the global frame that the pose of their keyframe leads to, and are corrected with it:
    what lies in a box before does so after.

    Raises:
        ImportError: small_gicp is not installed.
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    sweeps = Sweeps(scene, config)
    used = np.union1d(np.flatnonzero(scene.time_steps >= 0)[::EVERY], scene.keyframe_sweeps)
    given = sweeps.scene_from_global @ scene.global_from_ego
    poses, lost = registered((_still(sweeps, sweep, inverse(given[sweep])) for sweep in used), given[used])
    if lost.any():
        warnings.warn(
            f'{scene.name}: {lost.sum()} of {len(used)} sweeps show too little that stands still to correct their '
            'poses by; they move as they are given to',
            stacklevel=2,
        )
    at_keyframes = np.searchsorted(used, scene.keyframe_sweeps)
    if displacement(given[used][at_keyframes], poses[at_keyframes]) < UNCERTAINTY_M:
        return scene
    corrections = poses @ inverse(given[used])
    # Sweeps before the first keyframe move with it, as do those after the last.
    every = np.clip(np.arange(len(given)), used[0], used[-1])
    before, after = np.searchsorted(used, every, side='right') - 1, np.searchsorted(used, every)
    corrections = interpolate(corrections[before], corrections[after], np.full(len(every), 0.5))
    return with_poses(scene, inverse(sweeps.scene_from_global) @ corrections @ given)


def with_poses(scene: Scene, global_from_ego: np.ndarray) -> Scene:
    """The scene with other poses of the car, (S, 4, 4) float64; boxes and cameras stay where they are seen from it."""
    corrections = (global_from_ego @ inverse(scene.global_from_ego))[scene.keyframe_sweeps]
    tracks = replace(scene.tracks, global_from_box=corrections[:, None] @ scene.tracks.global_from_box)
    cameras = tuple(
        replace(each, global_from_camera=correction @ each.global_from_camera)
        for each, correction in zip(scene.cameras, corrections, strict=False)
    )
    return replace(scene, global_from_ego=global_from_ego, tracks=tracks, cameras=cameras)


def displacement(some: np.ndarray, others: np.ndarray) -> float:
    """How differently two sets of poses lay what was seen at one keyframe onto what was seen at another.

    Args:
        some: (K, 4, 4) float64.
        others: (K, 4, 4) float64, in a frame of their own.

    Returns:
        Root mean square distance, metres, between points `SEEN_M` around the car over all pairs of keyframes that are
        at most `SEEN_KEYFRAMES` apart; 0 for a single keyframe.
    """
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    points = np.stack([SEEN_M * np.cos(angles), SEEN_M * np.sin(angles), 0 * angles, 1 + 0 * angles])
    squares = []
    for apart in range(1, min(SEEN_KEYFRAMES + 1, len(some))):
        first, second = (inverse(poses[:-apart]) @ poses[apart:] @ points for poses in (some, others))
        squares.append(((first - second) ** 2).sum(axis=1).ravel())
    return float(np.sqrt(np.concatenate(squares).mean())) if squares else 0.0


def _still(sweeps: Sweeps, sweep: int, ego_from_scene: np.ndarray) -> np.ndarray:
    """(N, 3) float64 points of a sweep that lie in no box and are not labelled as movable, ego frame."""
    points, boxes = sweeps.read(sweep)
    kinds = sweeps.scene.taxonomy.static
    static = (points.raw == UNLABELLED) | ((points.raw >= kinds.start) & (points.raw < kinds.stop))
    outside = box_of_points(points.xyz, points.raw, boxes) < 0
    xyz = points.xyz[static & outside].astype(np.float64)
    return xyz @ ego_from_scene[:3, :3].T + ego_from_scene[:3, 3]
