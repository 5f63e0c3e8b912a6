"""The picture of what each repair changes."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from project.sources.opening import open_source
from project.synthetic import WorldSettings, make_world
from tools.repair_pictures import GAP_PX, GRID, PAIRS, PANEL_PX, Steps, drawn, labels_of

SMALL = WorldSettings(scenes=1, keyframes=4, images=False)


@pytest.fixture(scope='module')
def scene(tmp_path_factory):
    root = tmp_path_factory.mktemp('world') / 'world'
    make_world(root, SMALL)
    source = open_source(root)
    return source.load(source.scene_names[0])


def test_the_labels_of_a_pair_differ_in_one_step():
    for pair in PAIRS:
        without, with_it = asdict(pair.without), asdict(pair.with_it)
        assert sum(without[step] != with_it[step] for step in without) == 1, pair.repaired


def test_without_its_box_the_own_car_stays_in_the_labels(scene, tmp_path):
    scene = replace(scene, label_files=(None,) * len(scene.label_files))
    kept = Steps(removal=False)
    left_out, included = (labels_of(scene, 1, each, tmp_path) for each in (kept, replace(kept, own_car=False)))
    low, high = GRID.voxel_indices(np.array([[-0.9, -3.5, -1.5], [0.9, 2.0, 0.1]]))[0]  # the car
    inside = [
        labels.dense()[low[0] : high[0], low[1] : high[1], low[2] : high[2]] < 17 for labels in (left_out, included)
    ]
    assert not inside[0].any() and inside[1].any()


def test_a_pair_is_a_row(scene, tmp_path):
    pair = replace(PAIRS[-1], keyframe=1)
    picture = drawn([pair], lambda _: scene, tmp_path)
    assert picture.dtype == np.uint8 and picture.shape[1] == 2 * PANEL_PX[0] + GAP_PX
    left, right = picture[: PANEL_PX[1], : PANEL_PX[0]], picture[: PANEL_PX[1], -PANEL_PX[0] :]
    assert (left[60:] != right[60:]).any(), 'filled holes should show'
