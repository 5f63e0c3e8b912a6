"""Chooses keyframes among sweeps, names them, and finds their images."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from project.sources.records import CameraRecord, Keyframe
from project.sources.trajectory import Trajectory

_EARLY = 0.9
"""The next keyframe may come after this share of the time between keyframes, since sensors are not exactly periodic."""

IMAGE_REACH_US = 100_000
"""An image further in time from a keyframe does not belong to it."""


def choose_keyframes(sweeps_us: np.ndarray, boxes_us: np.ndarray, every_s: float) -> np.ndarray:
    """Sweeps about `every_s` apart, at times with boxes.

    Args:
        sweeps_us: (N,) time stamps of the sweeps of one lidar, ascending.
        boxes_us: (A,) times of boxes, ascending; may be none.
        every_s: seconds between keyframes.

    Returns:
        (K,) int64 positions in `sweeps_us`, at least one.
    """
    eligible = np.arange(len(sweeps_us))
    if len(boxes_us):
        half_turn_us = np.median(np.diff(sweeps_us)) / 2 if len(sweeps_us) > 1 else np.inf
        after = np.clip(np.searchsorted(boxes_us, sweeps_us), 0, len(boxes_us) - 1)
        apart_us = np.minimum(np.abs(boxes_us[after] - sweeps_us), np.abs(boxes_us[after - 1] - sweeps_us))
        near = apart_us <= half_turn_us
        eligible = eligible[near] if near.any() else eligible
    chosen = [eligible[0]]
    for sweep in eligible[1:]:
        if sweeps_us[sweep] - sweeps_us[chosen[-1]] >= _EARLY * every_s * 1e6:
            chosen.append(sweep)
    return np.array(chosen)


def keyframe_named(scene: str, lidar: str, timestamp_us: int) -> Keyframe:
    """Names of a keyframe in a recording without tokens: the same for the same scene, lidar and time."""
    return Keyframe(
        scene_name=scene,
        scene_token=token(scene),
        sample_token=token(scene, timestamp_us),
        lidar_token=token(scene, lidar, timestamp_us),
        # Some formats name labels after it, with the labels of all scenes in one folder.
        lidar_file=f'{scene}__{lidar}__{timestamp_us}.bin',
    )


def token(*names: object) -> str:
    """A token of 32 lowercase hex digits: the same for the same names."""
    return hashlib.md5('/'.join(map(str, names)).encode()).hexdigest()


def images_at(images: Mapping[str, Sequence[CameraRecord]], timestamp_us: int) -> dict[str, CameraRecord]:
    """The image of each camera that is nearest in time to a keyframe; none if all are too far from it."""
    found = {}
    for name, of_camera in images.items():
        nearest = min(of_camera, key=lambda image: abs(image.timestamp_us - timestamp_us), default=None)
        if nearest is not None and abs(nearest.timestamp_us - timestamp_us) <= IMAGE_REACH_US:
            found[name] = nearest
    return found


def with_poses_of_car(images: Sequence[CameraRecord], trajectory: Trajectory) -> list[CameraRecord]:
    """Images, each with the pose of the car at its time."""
    if not images:
        return []
    poses = trajectory.at(np.array([image.timestamp_us for image in images], np.int64))
    return [replace(image, global_from_ego=pose) for image, pose in zip(images, poses, strict=True)]
