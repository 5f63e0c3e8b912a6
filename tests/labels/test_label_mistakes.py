"""Labels where lidarseg strays at the edges of objects by a known share."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from project.formats import occ3d
from project.labels.aggregation.aggregate import aggregate
from project.labels.config import DEFAULT, LabelConfig
from project.labels.voxelization.voting import vote_keyframe
from project.sources.base import Scene
from project.sources.opening import open_source
from project.synthetic import WorldSettings, make_world
from project.synthetic.rig import BEAM_ELEVATIONS, FIRINGS
from project.synthetic.truth import Truth, keyframe_truth
from tools.benchmarks._label_quality import Quality

NAME = 'scene-0061'
JUDGED = (2, 5)
SHARE = 0.3
"""Of the points beside a point of another category, this share takes its category."""
OFF = DEFAULT._replace(label_mistakes=DEFAULT.label_mistakes._replace(floating_m=np.inf))


def stray(scene: Scene) -> float:
    """Let the categories of all keyframes stray at edges, as seen from the lidar; returns the share that is wrong."""
    rng, wrong, total = np.random.default_rng(0), 0, 0
    beam_rad, firing_rad = BEAM_ELEVATIONS[1] - BEAM_ELEVATIONS[0], 2 * np.pi / FIRINGS
    for sweep, file in zip(scene.sweep_files, scene.label_files, strict=True):
        if file is None:
            continue
        xyz = np.fromfile(scene.dataroot / sweep, np.float32).reshape(-1, 5)[:, :3]
        categories = np.fromfile(scene.dataroot / file, np.uint8)
        world = np.flatnonzero((np.linalg.norm(xyz, axis=1) > 1) & (categories != 0) & (categories != 31))
        x, y, z = xyz[world].T
        image = np.column_stack([np.arctan2(y, x) / firing_rad, np.arctan2(z, np.hypot(x, y)) / beam_rad])
        around = cKDTree(image).query(image, 5, distance_upper_bound=1.5)[1]
        seen = np.append(categories[world], 0)[around]
        others = (seen != seen[:, :1]) & (seen != 0)
        chosen = others.any(axis=1) & (rng.random(len(world)) < SHARE)
        other = np.argmax(others * rng.random(others.shape), axis=1)
        categories[world[chosen]] = seen[chosen, other[chosen]]
        categories.tofile(scene.dataroot / file)
        wrong, total = wrong + chosen.sum(), total + len(world)
    return wrong / total


def quality(scene: Scene, truths: dict[int, Truth], config: LabelConfig) -> dict[str, float]:
    counted, points = Quality(), aggregate(scene, config)
    for k, truth in truths.items():
        counted.add(vote_keyframe(scene, points, k, 10, occ3d.GRID, config=config).dense(), truth)
    return counted.summary()


@pytest.mark.slow
def test_points_of_objects_called_ground_are_outvoted_and_right_labels_stay(tmp_path: Path) -> None:
    make_world(tmp_path, WorldSettings(seed=2, scenes=1, keyframes=8, images=False))
    scene = open_source(tmp_path).load(NAME)
    truths = {k: keyframe_truth(tmp_path, NAME, k, occ3d.GRID) for k in JUDGED}
    exact = quality(scene, truths, DEFAULT)
    assert exact == quality(scene, truths, OFF)
    assert 0.04 < stray(scene) < 0.1
    kept, outvoted = quality(scene, truths, OFF), quality(scene, truths, DEFAULT)
    assert outvoted['mIoU'] > kept['mIoU'] + 3, (exact, kept, outvoted)
    assert outvoted['precision'] > kept['precision'] + 0.5, (exact, kept, outvoted)
