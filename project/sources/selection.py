"""Scenes with some of their sweeps only."""

from dataclasses import dataclass, replace

import numpy as np

from project.sources.base import PointReader, Scene


def keyframes_only(scene: Scene) -> Scene:
    """The scene with the sweeps at keyframes only, so that no file between keyframes is needed.

    Of another lidar than the keyframes' that is the sweep nearest to each keyframe.
    """
    at_keyframe = (scene.time_steps >= 0) & (scene.time_steps % 2 == 0)
    return without_sweeps(scene, np.flatnonzero(~at_keyframe))


def without_sweeps(scene: Scene, sweeps: np.ndarray) -> Scene:
    """The scene without some sweeps, and without keyframes that are among them."""
    kept = np.setdiff1d(np.arange(len(scene.sweep_files)), sweeps)
    keyframes = np.flatnonzero(np.isin(scene.keyframe_sweeps, kept))
    tracks = scene.tracks
    fields = {name: getattr(tracks, name)[keyframes] for name in ('present', 'global_from_box', 'sizes')}
    return replace(
        scene,
        keyframes=_chosen(scene.keyframes, keyframes),
        keyframe_sweeps=np.searchsorted(kept, scene.keyframe_sweeps[keyframes]),
        sweep_files=_chosen(scene.sweep_files, kept),
        label_files=_chosen(scene.label_files, kept),
        timestamps_us=scene.timestamps_us[kept],
        global_from_ego=scene.global_from_ego[kept],
        ego_from_lidar=scene.ego_from_lidar[kept],
        tracks=replace(tracks, **fields),
        cameras=_chosen(scene.cameras, keyframes),
        records=_chosen(scene.records, keyframes),
        lidars=None if scene.lidars is None else scene.lidars[kept],
        trajectory=scene.motion,
        read_points=scene.read_points and _Renumbered(scene.read_points, kept),
    )


@dataclass(frozen=True)
class _Renumbered:
    """Reads points of the sweeps that were kept, by their new numbers."""

    read: PointReader
    kept: np.ndarray

    def __call__(self, sweep: int) -> tuple[np.ndarray, np.ndarray | None]:
        return self.read(int(self.kept[sweep]))


def _chosen(values: tuple, indices: np.ndarray) -> tuple:
    return tuple(values[i] for i in indices) if values else values
