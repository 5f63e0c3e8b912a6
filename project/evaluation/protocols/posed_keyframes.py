"""The keyframes of a split: their names in label formats, and the origins of their rays."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from project.evaluation.rays import ray_origins
from project.formats import Keyframe, infos
from project.formats.infos import KeyframeRecord
from project.grid import VoxelGrid


@dataclass(frozen=True)
class PosedKeyframe:
    """The names and poses of a keyframe: what evaluation needs of a :class:`KeyframeRecord`.

    Attributes:
        keyframe: its names.
        timestamp_us: time of the lidar sweep.
        global_from_ego: (4, 4) float64 at that time.
        ego_from_lidar: (4, 4) float64.
    """

    keyframe: Keyframe
    timestamp_us: int
    global_from_ego: np.ndarray
    ego_from_lidar: np.ndarray


def read_keyframes(path: Path) -> list[PosedKeyframe]:
    """Keyframes of an index that ``data_converter.py`` wrote, e.g. ``nuscenes_infos_val.pkl``."""
    return [_keyframe(info) for info in infos.read(path)['data_list']]


class OriginFinder:
    """Ray origins of keyframes from the lidar poses of all keyframes of their scene.

    Args:
        keyframes: all keyframes of whole scenes.
    """

    def __init__(self, keyframes: Iterable[PosedKeyframe | KeyframeRecord]):
        ordered = sorted(keyframes, key=lambda frame: frame.timestamp_us)
        self._frames = {frame.keyframe.sample_token: frame for frame in ordered}
        self._lidars: dict[str, list[np.ndarray]] = {}
        for frame in ordered:
            poses = self._lidars.setdefault(frame.keyframe.scene_token, [])
            poses.append(frame.global_from_ego @ frame.ego_from_lidar)

    def __call__(self, sample_token: str, grid: VoxelGrid) -> np.ndarray:
        """Origins for a keyframe: (O, 3) float64, the grid's frame, metres; at most 8.

        Raises:
            ValueError: the pose of that keyframe is not known.
        """
        frame = self._frames.get(sample_token)
        if frame is None:
            raise ValueError(f'the pose of keyframe {sample_token} is not known: is it of another split?')
        global_from_grid = frame.global_from_ego
        if grid.frame == 'lidar':
            global_from_grid = global_from_grid @ frame.ego_from_lidar
        return ray_origins(np.linalg.inv(global_from_grid), self._lidars[frame.keyframe.scene_token], grid.extent)


def _keyframe(info: dict) -> PosedKeyframe:
    ego_from_lidar = np.array(info['lidar_points']['lidar2ego'])
    timestamp_us = round(info['timestamp'] * 1e6)
    return PosedKeyframe(infos.keyframe(info), timestamp_us, np.array(info['ego2global']), ego_from_lidar)
