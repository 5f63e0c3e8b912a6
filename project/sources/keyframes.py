"""Which sweeps are keyframes, what they are called, and which images belong to them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from project.sources.records import CameraRecord, Keyframe
from project.sources.trajectory import Trajectory

_EARLY = 0.9
"""A keyframe may follow after this part of the time between keyframes, since sensors do not keep time exactly."""

IMAGE_REACH_US = 100_000
"""An image that is further in time from a keyframe is not of it."""


def choose_keyframes(sweeps_us: np.ndarray, boxes_us: np.ndarray, every_s: float) -> np.ndarray:
    """Sweeps about `every_s` apart, those at times at which boxes are known.

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
    """Names of a keyframe of a recording that has no tokens: the same for the same scene, lidar and time."""
    return Keyframe(
        scene_name=scene,
        scene_token=token(scene),
        sample_token=token(scene, timestamp_us),
        lidar_token=token(scene, lidar, timestamp_us),
        # Some formats name labels after it, those of all scenes in one folder.
        lidar_file=f'{scene}__{lidar}__{timestamp_us}.bin',
    )


def token(*names: object) -> str:
    """32 lowercase hex digits that name something: the same for the same names."""
    return hashlib.md5('/'.join(map(str, names)).encode()).hexdigest()


def images_at(images: Mapping[str, Sequence[CameraRecord]], timestamp_us: int) -> dict[str, CameraRecord]:
    """The image of each camera that is the nearest in time to a keyframe; none where all are far from it."""
    found = {}
    for name, of_camera in images.items():
        nearest = min(of_camera, key=lambda image: abs(image.timestamp_us - timestamp_us), default=None)
        if nearest is not None and abs(nearest.timestamp_us - timestamp_us) <= IMAGE_REACH_US:
            found[name] = nearest
    return found


def with_poses_of_car(images: Sequence[CameraRecord], trajectory: Trajectory) -> list[CameraRecord]:
    """Images with the pose of the car at the time of each."""
    if not images:
        return []
    poses = trajectory.at(np.array([image.timestamp_us for image in images], np.int64))
    return [replace(image, global_from_ego=pose) for image, pose in zip(images, poses, strict=True)]
