"""Scenes with some of their sweeps only."""

from dataclasses import dataclass, replace

import numpy as np

from project.sources.base import PointReader, Scene, Tracks


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


def with_keyframes(scene: Scene, keyframes: range, tracks: np.ndarray) -> Scene:
    """The scene with some consecutive keyframes and (N,) tracks only, to label what has been read already.

    Keyframes, tracks and time steps are counted from 0 then. Sweeps keep their numbers, so that those of several lidars
    keep their time steps; all else that grows with the length of the scene is left out.
    """
    kept, given = slice(keyframes.start, keyframes.stop), scene.tracks
    boxes = {name: getattr(given, name)[kept][:, tracks] for name in ('present', 'global_from_box', 'sizes')}
    return replace(
        scene,
        keyframes=scene.keyframes[kept],
        keyframe_sweeps=scene.keyframe_sweeps[kept],
        tracks=Tracks(**boxes, categories=given.categories[tracks], chosen=given.numbers[tracks]),
        cameras=scene.cameras[kept],
        records=(),
        trajectory=None,
        annotations=None,
        read_points=None,
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
