"""lidarseg of other sweeps or of other numbers is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from project.labels.aggregation.aggregate import aggregate
from project.sources.base import Scene
from project.sources.nuscenes.source import NuScenesSource


def with_labels(scene: Scene, folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> Scene:
    """The scene with changed categories of points."""
    files = []
    for number, file in enumerate(scene.label_files):
        changed = None if file is None else folder / f'{number}.bin'
        if changed is not None:
            change(np.fromfile(scene.dataroot / file, np.uint8)).tofile(changed)
        files.append(changed and str(changed))
    return replace(scene, label_files=tuple(files))


@pytest.mark.parametrize(
    'change',
    [
        lambda raw: np.random.default_rng(0).permutation(raw),
        lambda raw: np.roll(raw, len(raw) // 5),
        lambda raw: (raw + 1) % 32,
    ],
    ids=['of another sweep', 'shifted', 'other numbers'],
)
def test_labels_of_something_else_are_refused(tiny_world, tmp_path, change):
    scene = NuScenesSource(tiny_world, scene_names=['scene-0061']).scenes[0]
    aggregate(with_labels(scene, tmp_path, np.copy))
    with pytest.raises(ValueError, match=r'points in boxes of scene-.* they call only \d+% what the box is of'):
        aggregate(with_labels(scene, tmp_path, change))
