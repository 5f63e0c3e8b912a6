"""Labels of a car with two lidars of 10 Hz that are not deskewed are as right as those of the usual car."""

from pathlib import Path

import numpy as np
import pytest

from project.formats import occ3d
from project.labels.pipeline import label_scene
from project.labels.run.settings import Settings
from project.sources.opening import open_source
from project.synthetic import WorldSettings, make_world
from project.synthetic.truth import keyframe_truth
from tools.benchmarks._label_quality import Quality

NAME = 'scene-0061'


def quality(root: Path, judged: range, **rig: str) -> dict[str, float]:
    settings = WorldSettings(scenes=1, keyframes=10, images=False, **rig)
    make_world(root, settings)
    scene = open_source(root).load(NAME)
    label_scene(scene, Settings(root / 'occupancy', formats=('occ3d',)))
    counted = Quality()
    for k in judged:
        labels = occ3d.read(root / 'occupancy' / occ3d.path(scene.keyframes[k]))
        counted.add(labels.dense(), keyframe_truth(root, NAME, k, occ3d.GRID))
    return counted.summary()


@pytest.mark.slow
def test_labels_of_two_lidars_are_as_right(tmp_path: Path) -> None:
    usual = quality(tmp_path / 'usual', range(1, 10, 4))
    other = quality(tmp_path / 'other', range(1, 10, 4), rig='two-lidars', layout='folder')
    assert other['mIoU'] > usual['mIoU'] - 1, (usual, other)
    np.testing.assert_allclose(other['precision'], usual['precision'], atol=0.5)
    np.testing.assert_allclose(other['recall'], usual['recall'], atol=1)
