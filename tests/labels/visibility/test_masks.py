"""Masks and flow in the files of a whole run, against the truth of a synthetic world."""

from pathlib import Path

import numpy as np
import pytest

from project.execution.processes import Processes
from project.formats import FORMATS
from project.labels.run.convert import convert
from project.labels.run.settings import Settings
from project.sources.nuscenes.source import NuScenesSource
from project.synthetic.truth import keyframe_truth
from project.taxonomy import FREE, MOVABLE, NOISE


@pytest.fixture(scope='module')
def scene(tiny_world: Path):
    return NuScenesSource(tiny_world, scene_names=['scene-0061']).scenes[0]


@pytest.fixture(scope='module')
def labels(scene, tmp_path_factory):
    """Labels of the keyframe in the middle, by format."""
    folder = tmp_path_factory.mktemp('labels')
    settings = Settings(folder, ('occ3d', 'openocc', 'openoccupancy'), flow=True)
    assert convert([scene], settings, Processes(1))[0].error is None
    return {name: FORMATS[name].read(folder / FORMATS[name].path(scene.keyframes[1])) for name in settings.formats}


def test_masks_are_where_they_belong(labels):
    occ3d = labels['occ3d']
    occupied = occ3d.dense() != FREE
    assert not (occupied & ~occ3d.mask_lidar).any()
    assert not (occ3d.mask_camera & ~occ3d.mask_lidar).any()
    seen_occupied = (occ3d.mask_camera & occupied).sum() / occupied.sum()
    assert 0.1 < seen_occupied < 0.9
    assert labels['openocc'].mask_lidar is None


def test_what_is_called_free_is_free(labels, scene, tiny_world):
    truth = keyframe_truth(tiny_world, scene.name, 1, labels['occ3d'].grid)
    free = labels['occ3d'].mask_lidar & (labels['occ3d'].dense() == FREE)
    assert free.sum() > 50_000
    assert (truth.free & free).sum() / free.sum() > 0.98


def test_only_movable_things_and_those_without_a_class_move(labels):
    openocc, openoccupancy = labels['openocc'], labels['openoccupancy']
    assert openocc.flow.shape[1] == 2 and openoccupancy.flow.shape[1] == 3
    for each in (openocc, openoccupancy):
        moves = np.abs(each.flow).max(axis=1) > 0
        assert moves.any() and np.isin(each.classes[moves], [NOISE, *MOVABLE]).all()
        assert 1 < np.linalg.norm(each.flow, axis=1).max() < 40


@pytest.mark.parametrize(
    ('asked', 'masks', 'flow'),
    [
        (None, {'occ3d'}, {'openocc'}),
        (True, {'occ3d', 'voxels'}, {'openocc', 'openoccupancy', 'voxels'}),
        (False, set(), set()),
    ],
)
def test_masks_and_flow_are_written_where_they_belong_and_where_asked_for(asked, masks, flow):
    settings = Settings(Path(), tuple(FORMATS), masks=asked, flow=asked)
    assert {name for name in FORMATS if settings.with_masks(name)} == masks
    assert {name for name in FORMATS if settings.with_flow(name)} == flow
