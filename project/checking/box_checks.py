"""Checks that boxes move with their points: the time lag of boxes, and whether they cover their objects."""

import numpy as np

from project.checking.config import BoxCheckConfig
from project.checking.findings import Finding
from project.geometry.rigid import inverse
from project.labels.aggregation.aggregate import Sweeps

_NEAR_M = 4.0


def box_findings(by_track: dict[int, np.ndarray], names: list[str], k: int, config: BoxCheckConfig) -> list[Finding]:
    """Tracks of a keyframe whose rays of other times do not end on the object.

    Args:
        by_track: rays that ended in the box of each track, and how many of them agree.
        names: category of each track.
        k: the keyframe.
        config: how many must agree.
    """
    findings = []
    for track, (rays, agree) in sorted(by_track.items()):
        if rays >= config.rays and agree < config.agree * rays:
            share = 100 * agree / rays
            sentence = f'of {rays} rays that ended in its box at other times, {share:.0f} % end on it here'
            findings.append(Finding('box', f'{names[track]} (track {track}): {sentence}', k))
    return findings


def box_lag(sweeps: Sweeps, config: BoxCheckConfig) -> tuple[float, int]:
    """Seconds by which boxes lag behind their points (ahead if negative), and the number of boxes used.

    Boxes of moving objects are shifted along their motion. At the right time, most points lie inside and fewest just
    outside. If a range of shifts is equally good, the smallest is taken.
    """
    scene, tracks = sweeps.scene, sweeps.scene.tracks
    lags = np.arange(-config.lags_s, config.lags_s + config.step_s / 2, config.step_s)
    seconds = (scene.timestamps_us[scene.keyframe_sweeps] - scene.timestamps_us[0]) / 1e6
    scores, boxes = np.zeros(len(lags)), 0
    for k in range(1, len(seconds) - 1):
        shown = np.flatnonzero(tracks.present[k - 1 : k + 2].all(axis=0))
        motion = tracks.global_from_box[k + 1, shown, :3, 3] - tracks.global_from_box[k - 1, shown, :3, 3]
        velocity = motion / (seconds[k + 1] - seconds[k - 1])
        moving = np.linalg.norm(velocity, axis=1) > config.moving_mps
        if not moving.any():
            continue
        xyz = sweeps.read(scene.keyframe_sweeps[k])[0].xyz.astype(np.float64)
        for track, speed in zip(shown[moving], velocity[moving], strict=True):
            scored = _scores(
                xyz,
                sweeps.scene_from_global @ tracks.global_from_box[k, track],
                tracks.sizes[k, track],
                speed,
                lags,
                config,
            )
            if scored is not None:
                scores += scored
                boxes += 1
    if not boxes:
        return 0.0, 0
    good = lags[scores >= scores.max() - config.slack * boxes]
    return float(good[np.abs(good).argmin()]), boxes


def _scores(
    xyz: np.ndarray, scene_from_box: np.ndarray, size: np.ndarray, velocity: np.ndarray, lags: np.ndarray,
    config: BoxCheckConfig,
) -> np.ndarray | None:  # fmt: skip
    """For each lag the share of the points in and close around a box that are in it; None where there are few."""
    reach = np.linalg.norm(size) / 2 + _NEAR_M
    near = xyz[np.linalg.norm(xyz - scene_from_box[:3, 3], axis=1) < reach]
    box_from_scene = inverse(scene_from_box)
    local = near @ box_from_scene[:3, :3].T + box_from_scene[:3, 3]
    # The lowest points may be ground.
    local = local[(local[:, 2] > -size[2] / 2 + 0.3) & (local[:, 2] < size[2] / 2 + 0.1)]
    if (np.abs(local[:, :2]) < size[:2] / 2 + 0.1).all(axis=1).sum() < config.points:
        return None
    step = box_from_scene[:3, :3] @ velocity
    away = np.abs(local[:, None, :2] - lags[:, None] * step[:2]) - size[:2] / 2
    outside = away.max(axis=2)
    inside, shell = (outside < 0.05).sum(axis=0), ((outside >= 0.05) & (outside < config.shell_m)).sum(axis=0)
    return inside / np.maximum(inside + shell, config.points)
