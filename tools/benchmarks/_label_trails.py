"""Wrong lidarseg on purpose: movers without a box are labelled "manmade", as by a network that does not know them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from project.labels.aggregation.aggregate import Sweeps
from project.labels.aggregation.boxes import OUTSIDE, box_of_points
from project.sources.base import Scene
from project.sources.returns import returns_of
from project.taxonomy import NOISE, RAW_NAMES


def mislabelled(scene: Scene, folder: Path) -> Scene:
    """The scene with changed lidarseg files in a folder: movable points outside of all boxes are "manmade"."""
    sweeps, files = Sweeps(scene), list(scene.label_files)
    folder.mkdir(parents=True, exist_ok=True)
    for sweep, labels in enumerate(scene.label_files):
        if labels is None:
            continue
        raw = np.fromfile(scene.dataroot / labels, np.uint8)
        returns = returns_of(scene, sweep).points
        pose = sweeps.scene_from_lidar[sweep]
        xyz = (returns[:, :3] @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
        movable = (raw != NOISE) & (raw < scene.taxonomy.static.start)
        raw[movable & (box_of_points(xyz, raw, sweeps.boxes[sweep]) == OUTSIDE)] = RAW_NAMES.index('static.manmade')
        file = (folder / f'{scene.name}_{sweep}.bin').resolve()
        raw.tofile(file)
        files[sweep] = str(file)
    return replace(scene, label_files=tuple(files))
