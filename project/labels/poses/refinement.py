"""Corrects the ego poses of a scene whose sweeps do not align.

Poses of nuScenes have no height, so the ground of different times lies in layers. Poses of other recordings drift.
Registration shows how exact the given poses are: uncertain corrections, and corrections that do not improve the
alignment, are discarded.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from project.geometry.rigid import interpolate, inverse
from project.labels.aggregation.aggregate import Sweeps
from project.labels.config import DEFAULT, LabelConfig, PoseConfig
from project.labels.poses.agreement import displacement, ground_gap, unsteadiness
from project.labels.poses.registration import registered, shares_met
from project.labels.poses.surfaces import Surfaces, surfaces_of
from project.sources.base import Scene, Tracks
from project.sources.records import KeyframeRecord


@dataclass(frozen=True)
class PoseReport:
    """What was done to the poses of a scene.

    Attributes:
        outcome: ``exact``: registration could not improve the poses, and they were kept; ``corrected``; or
            ``not registered``: too few sweeps could be registered, or registration did not improve the alignment, and
            the poses were kept.
        moved_m: how far corrections move points 20 m from the car between two keyframes, root mean square; includes
            corrections that were discarded.
        ground_gap_given_m: difference between the heights of the ground that different keyframes see in the same square
            metre, median, with the poses as given. None if no two keyframes see the same ground.
        ground_gap_used_m: the same by the poses that are used.
        walls_met_given: share of walls, poles and all else above ground that lies where other sweeps saw it, by the
            poses as given. Higher is better; what it can be depends on the place, trees and new views lower it.
        walls_met_used: the same by the poses that are used.
        sweeps: how many were registered.
        lost: how many of these see too few static surfaces, and keep the given motion.
    """

    outcome: Literal['exact', 'corrected', 'not registered']
    moved_m: float
    ground_gap_given_m: float | None
    ground_gap_used_m: float | None
    walls_met_given: float
    walls_met_used: float
    sweeps: int
    lost: int


def refined(scene: Scene, config: LabelConfig = DEFAULT) -> tuple[Scene, PoseReport]:
    """The scene with corrected poses, or unchanged if its poses are exact or could not be corrected, and what was done.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    sweeps, limits = Sweeps(scene, config), config.poses
    given = sweeps.scene_from_global @ scene.global_from_ego
    start = with_heights(given)
    used = registered_sweeps(scene, limits.apart_s)
    seen, poses, lost = _register(sweeps, used, start, limits)
    if unsteadiness(poses, start[used], limits) > limits.unsteady_m:
        used = registered_sweeps(scene, 0.0)
        seen, poses, lost = _register(sweeps, used, start, limits)
    report = _judged(seen, given[used], poses, lost, np.searchsorted(used, scene.step_sweeps), limits)
    if report.outcome != 'corrected':
        return scene, report
    corrections = _between(poses @ inverse(start[used]), scene.timestamps_us[used], scene.timestamps_us)
    return with_poses(scene, inverse(sweeps.scene_from_global) @ corrections @ start), report


def _register(
    sweeps: Sweeps, used: np.ndarray, start: np.ndarray, config: PoseConfig
) -> tuple[list[Surfaces], np.ndarray, np.ndarray]:
    """Surfaces of some sweeps, their poses, and which of them could not be registered."""
    ego_from_scene = inverse(sweeps.scene_from_global @ sweeps.scene.global_from_ego)
    seen = [surfaces_of(sweeps, sweep, ego_from_scene[sweep], config) for sweep in used]
    poses, lost = registered(seen, start[used], config)
    if not np.isfinite(poses).all():
        # Points that determine nothing may give poses that are no numbers; such poses are never used.
        poses, lost = start[used].copy(), np.ones(len(used), bool)
    return seen, poses, lost


def _judged(
    seen: list[Surfaces], given: np.ndarray, poses: np.ndarray, lost: np.ndarray, at_keyframes: np.ndarray,
    config: PoseConfig,
) -> PoseReport:  # fmt: skip
    """Whether the registered poses are better than those given."""
    moved_m = displacement(given[at_keyframes], poses[at_keyframes], config)
    met_given, met_found = (shares_met(seen, each, config) for each in (given, poses))
    of_keyframes = [seen[i] for i in at_keyframes]
    gap_given, gap_found = (ground_gap(of_keyframes, each[at_keyframes]) for each in (given, poses))
    # The ground shows errors in height that are smaller than what is uncertain along the ground.
    ground_apart = gap_given is not None and gap_found is not None and gap_given - gap_found > config.ground_apart_m
    outcome: Literal['exact', 'corrected', 'not registered'] = 'corrected'
    if 2 * lost.sum() > len(seen) > 1:
        outcome = 'not registered'
    elif moved_m < config.uncertainty_m and not ground_apart:
        outcome = 'exact'
    elif met_found[0] < met_given[0]:
        outcome = 'not registered'
    met_used, gap_used = (met_found, gap_found) if outcome == 'corrected' else (met_given, gap_given)
    walls = round(met_given[1], 3), round(met_used[1], 3)
    return PoseReport(outcome, round(moved_m, 4), gap_given, gap_used, *walls, len(seen), int(lost.sum()))


def with_poses(scene: Scene, global_from_ego: np.ndarray) -> Scene:
    """The scene with other poses of the car, (S, 4, 4) float64.

    Boxes and cameras move with the pose of their keyframe: what was in a box or in an image before is in it afterwards.
    """
    of_sweeps = global_from_ego @ inverse(scene.global_from_ego)
    corrections = of_sweeps[scene.keyframe_sweeps]
    tracks = _moved(scene.tracks, corrections)
    annotations = scene.annotations
    if annotations is not None:
        at_annotations = _between(of_sweeps, scene.timestamps_us, annotations.times_us)
        annotations = replace(annotations, tracks=_moved(annotations.tracks, at_annotations))
    # The motion within a sweep is not corrected.
    trajectory = scene.motion
    cameras = tuple(
        replace(each, global_from_camera=correction @ each.global_from_camera)
        for each, correction in zip(scene.cameras, corrections, strict=False)
    )
    records = with_corrections(scene.records, of_sweeps[scene.step_sweeps])
    return replace(
        scene, global_from_ego=global_from_ego, tracks=tracks, cameras=cameras, records=records,
        annotations=annotations, trajectory=trajectory,
    )  # fmt: skip


def _moved(tracks: Tracks, corrections: np.ndarray) -> Tracks:
    return replace(tracks, global_from_box=corrections[:, None] @ tracks.global_from_box)


def with_corrections(records: tuple[KeyframeRecord, ...], corrections: np.ndarray) -> tuple[KeyframeRecord, ...]:
    """Records of keyframes whose global frame was moved by (K, 4, 4) float64, boxes and cameras with it."""
    moved = []
    for record, correction in zip(records, corrections, strict=False):
        cameras = {
            name: replace(camera, global_from_ego=correction @ camera.global_from_ego)
            for name, camera in record.cameras.items()
        }
        boxes = replace(record.boxes, global_from_box=correction @ record.boxes.global_from_box)
        pose = correction @ record.global_from_ego
        moved.append(replace(record, global_from_ego=pose, cameras=cameras, boxes=boxes))
    return tuple(moved)


def registered_sweeps(scene: Scene, apart_s: float) -> np.ndarray:
    """(U,) int64 the keyframes, and sweeps of their lidar about this far apart between them, in order of time.

    With 0, all sweeps between keyframes.
    """
    of_lidar = np.ones(len(scene.sweep_files), bool)
    if scene.lidars is not None:
        of_lidar = np.isin(scene.lidars, scene.lidars[scene.step_sweeps])
    chosen = [scene.step_sweeps]
    for first, last in zip(scene.step_sweeps[:-1], scene.step_sweeps[1:], strict=True):
        between = first + 1 + np.flatnonzero(of_lidar[first + 1 : last])
        start, stop = scene.timestamps_us[first], scene.timestamps_us[last]
        if not apart_s:
            chosen.append(between)
            continue
        parts = max(round((stop - start) / 1e6 / apart_s), 1)
        times_us = start + (stop - start) * np.arange(1, parts) / parts
        if len(between):
            apart_us = np.abs(scene.timestamps_us[between][:, None] - times_us)
            chosen.append(between[apart_us.argmin(axis=0)])
    return np.unique(np.concatenate(chosen))


def with_heights(poses: np.ndarray) -> np.ndarray:
    """Poses (S, 4, 4), with heights that follow the slope of the car if all given heights are the same.

    nuScenes gives the slope of the car, but no height.
    """
    if len(poses) < 2 or np.ptp(poses[:, 2, 3]) > 0:
        return poses
    ways = np.diff(poses[:, :3, 3], axis=0)
    ups = poses[:-1, :3, 2] + poses[1:, :3, 2]
    rises = -(ways[:, 0] * ups[:, 0] + ways[:, 1] * ups[:, 1]) / ups[:, 2]
    higher = poses.copy()
    higher[1:, 2, 3] += np.cumsum(rises)
    return higher


def _between(corrections: np.ndarray, known_us: np.ndarray, times_us: np.ndarray) -> np.ndarray:
    """Corrections (U, 4, 4) at some times, interpolated to all times; outside, the first and the last are used."""
    times_us = np.clip(times_us, known_us[0], known_us[-1])
    after = np.searchsorted(known_us, times_us)
    before = np.maximum(after - 1, 0)
    lengths = np.maximum(known_us[after] - known_us[before], 1)
    return interpolate(corrections[before], corrections[after], (times_us - known_us[before]) / lengths)
