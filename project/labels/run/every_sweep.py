"""Labels at the rate of the sweeps and not only at keyframes: boxes and the static world are known at any time."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath

import numpy as np

from project.labels.aggregation.boxes import boxes_of_sweeps
from project.labels.config import DEFAULT, BoxConfig
from project.sources.base import Cameras, Scene, Tracks
from project.sources.records import Keyframe

_NO_CAMERAS = Cameras(np.zeros((0, 4, 4)), np.zeros((0, 3, 3)), np.zeros((0, 2), np.int64))


def at_every_sweep(scene: Scene, config: BoxConfig = DEFAULT.boxes) -> Scene:
    """The scene with a keyframe at each sweep of the keyframes' lidar, from the first keyframe to the last.

    Boxes are interpolated as those of sweeps are. A new keyframe has no cameras, and its token is the time stamp of its
    sweep in microseconds. Movers without a box are known at annotated keyframes only. The index of keyframes
    (:attr:`Scene.records`) stays that of the annotated ones, which have images.
    """
    first, last = scene.keyframe_sweeps[[0, -1]]
    sweeps = np.arange(first, last + 1)
    if scene.lidars is not None:
        sweeps = sweeps[np.isin(scene.lidars[sweeps], scene.lidars[scene.keyframe_sweeps])]
    annotated = {int(sweep): k for k, sweep in enumerate(scene.keyframe_sweeps)}
    known = scene.cameras or (_NO_CAMERAS,) * len(scene.keyframes)
    keyframes = [
        scene.keyframes[annotated[sweep]] if sweep in annotated else _keyframe(scene, sweep)
        for sweep in sweeps.tolist()
    ]
    return replace(
        scene,
        keyframes=tuple(keyframes),
        keyframe_sweeps=sweeps,
        annotated_sweeps=scene.keyframe_sweeps,
        annotations=scene.annotated,
        tracks=_tracks_at(scene, sweeps, annotated, config),
        cameras=tuple(known[annotated[s]] if s in annotated else _NO_CAMERAS for s in sweeps.tolist()),
    )


def _keyframe(scene: Scene, sweep: int) -> Keyframe:
    token, file = str(scene.timestamps_us[sweep]), PurePath(scene.sweep_files[sweep]).name
    return Keyframe(scene.name, scene.keyframes[0].scene_token, token, token, file)


def _tracks_at(scene: Scene, sweeps: np.ndarray, annotated: Mapping[int, int], config: BoxConfig) -> Tracks:
    given = scene.tracks
    boxes = boxes_of_sweeps(scene, scene.annotated.tracks, np.eye(4), config)
    shape = len(sweeps), given.present.shape[1]
    present, sizes = np.zeros(shape, bool), np.zeros((*shape, 3))
    poses = np.tile(np.eye(4), (*shape, 1, 1))
    for row, sweep in enumerate(sweeps.tolist()):
        if (k := annotated.get(sweep)) is not None:
            present[row], poses[row], sizes[row] = given.present[k], given.global_from_box[k], given.sizes[k]
            continue
        of_sweep = boxes[sweep]
        present[row, of_sweep.tracks] = True
        poses[row, of_sweep.tracks], sizes[row, of_sweep.tracks] = of_sweep.scene_from_box, of_sweep.sizes
    return Tracks(present, poses, sizes, given.categories)
