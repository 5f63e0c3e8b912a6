"""A scene as plain data: all that label generation needs to know of it, in arrays that travel between processes."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from project.formats import Keyframe
from project.geometry.rigid import inverse


@dataclass(frozen=True)
class Tracks:
    """Annotated boxes of a scene, as arrays over K keyframes and T tracks; global frame, metres.

    Attributes:
        present: (K, T) bool, whether the track is annotated at the keyframe; the rest holds only where it is.
        global_from_box: (K, T, 4, 4) float64; the box's frame is at its centre, x forward, y left, z up.
        sizes: (K, T, 3) float64 length, width, height: extent along x, y, z of the box.
        categories: (T,) uint8 lidarseg index of the track's category.
    """

    present: np.ndarray
    global_from_box: np.ndarray
    sizes: np.ndarray
    categories: np.ndarray


@dataclass(frozen=True)
class Cameras:
    """The C cameras of a keyframe, each at the time of its own image.

    Attributes:
        global_from_camera: (C, 4, 4) float64.
        matrices: (C, 3, 3) float64, camera frame to pixels.
        sizes_px: (C, 2) int64 width and height.
    """

    global_from_camera: np.ndarray
    matrices: np.ndarray
    sizes_px: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A scene of K keyframes and S lidar sweeps (keyframes included), in order of time.

    Attributes:
        name: e.g. ``scene-0061``.
        dataroot: folder that file names start from.
        keyframes: the K keyframes.
        lidarseg_files: the K files of lidarseg labels.
        keyframe_sweeps: (K,) int64, which sweep each keyframe is.
        sweep_files: the S files of lidar points.
        timestamps_us: (S,) int64.
        global_from_ego: (S, 4, 4) float64, at each sweep's own time.
        ego_from_lidar: (S, 4, 4) float64.
        tracks: the annotated boxes.
        cameras: the cameras of each keyframe.
    """

    name: str
    dataroot: Path
    keyframes: tuple[Keyframe, ...]
    lidarseg_files: tuple[str, ...]
    keyframe_sweeps: np.ndarray
    sweep_files: tuple[str, ...]
    timestamps_us: np.ndarray
    global_from_ego: np.ndarray
    ego_from_lidar: np.ndarray
    tracks: Tracks
    cameras: tuple[Cameras, ...] = ()

    def grid_from_global(self, k: int, frame: str) -> np.ndarray:
        """(4, 4) float64 into the frame ('lidar' or 'ego') of a grid that is fixed to keyframe k."""
        sweep = self.keyframe_sweeps[k]
        grid_from_ego = inverse(self.ego_from_lidar[sweep]) if frame == 'lidar' else np.eye(4)
        return grid_from_ego @ inverse(self.global_from_ego[sweep])

    @cached_property
    def time_steps(self) -> np.ndarray:
        """(S,) int64 time of each sweep in half steps: 2k at keyframe k, 2k + 1 between k and k + 1, else -1."""
        sweeps = np.arange(len(self.sweep_files))
        after = np.searchsorted(self.keyframe_sweeps, sweeps)
        at_keyframe = np.isin(sweeps, self.keyframe_sweeps)
        between = (after > 0) & (after < len(self.keyframes))
        return np.where(at_keyframe, 2 * after, np.where(between, 2 * after - 1, -1))
