"""Holds out sweeps: labels are made without them, and checked against them."""

from dataclasses import replace

import numpy as np

from project.sources.base import Scene


def held_out_sweeps(scene: Scene, every: int) -> np.ndarray:
    """Sweeps to hold out: every n-th between the keyframes or, if there are none between them, keyframes.

    The first and the last keyframe are never held out.

    Raises:
        ValueError: nothing can be held out.
    """
    first, last = scene.keyframe_sweeps[0], scene.keyframe_sweeps[-1]
    between = np.setdiff1d(np.arange(first, last + 1), scene.keyframe_sweeps)
    if not len(between):
        # Holding out every keyframe would leave no labels.
        between, every = scene.keyframe_sweeps[1:-1], max(every, 2)
    if not len(between):
        raise ValueError(f'{scene.name}: has too few sweeps to hold some out')
    return between[::every]


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
    )


def _chosen(values: tuple, indices: np.ndarray) -> tuple:
    return tuple(values[i] for i in indices) if values else values
