"""Scenes with some of their sweeps only."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from handmade import make_scene

from project.formats import voxels
from project.labels.pipeline import label_scene
from project.labels.run.settings import Settings
from project.sources.selection import keyframes_only, without_sweeps


def test_no_file_between_keyframes_is_needed(tmp_path):
    scene = make_scene(tmp_path)
    settings = Settings(tmp_path / 'all', num_sweeps=0, refine_poses=False, remove_ghosts=False)
    label_scene(scene, settings)
    for sweep in (1, 3):
        (tmp_path / f'{sweep}.bin').unlink()
    with pytest.raises(FileNotFoundError, match=r'1\.bin'):
        label_scene(scene, replace(settings, save_path=tmp_path / 'none'))
    alone = keyframes_only(scene)
    label_scene(alone, replace(settings, save_path=tmp_path / 'alone'))
    for keyframe in scene.keyframes:
        path = voxels.path(keyframe)
        assert (tmp_path / 'alone' / path).read_bytes() == (tmp_path / 'all' / path).read_bytes()


def test_of_other_lidars_the_nearest_sweep_stays(tmp_path):
    scene = replace(make_scene(tmp_path), lidars=np.array([0, 1, 0, 1, 0]))
    kept = keyframes_only(scene)
    np.testing.assert_array_equal(kept.time_steps % 2, 0)
    assert [name for name in kept.sweep_files if name in ('0.bin', '2.bin', '4.bin')] == ['0.bin', '2.bin', '4.bin']


def numbered(sweep):
    return np.full((1, 4), sweep, np.float32), None


def test_points_are_read_by_their_old_numbers(tmp_path):
    scene = without_sweeps(replace(make_scene(tmp_path), read_points=numbered), np.array([1, 3]))
    assert [pickle.loads(pickle.dumps(scene.read_points))(sweep)[0][0, 0] for sweep in range(3)] == [0, 2, 4]
