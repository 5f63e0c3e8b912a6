import numpy as np
import pytest
from handmade import make_scene

from project.checking.holdout import held_out_sweeps
from project.sources.selection import without_sweeps


def test_sweeps_between_keyframes_are_held_out(tmp_path):
    scene = make_scene(tmp_path)
    assert held_out_sweeps(scene, 1).tolist() == [1, 3] and held_out_sweeps(scene, 2).tolist() == [1]
    kept = without_sweeps(scene, np.array([1]))
    assert kept.sweep_files == ('0.bin', '2.bin', '3.bin', '4.bin')
    assert kept.keyframe_sweeps.tolist() == [0, 1, 3] and kept.keyframes == scene.keyframes
    assert np.array_equal(kept.timestamps_us, scene.timestamps_us[[0, 2, 3, 4]])
    assert kept.time_steps.tolist() == [0, 2, 3, 4]


def test_where_nothing_is_between_them_keyframes_are_held_out(tmp_path):
    scene = without_sweeps(make_scene(tmp_path), np.array([1, 3]))
    out = held_out_sweeps(scene, 2)
    assert out.tolist() == [1]
    kept = without_sweeps(scene, out)
    assert [keyframe.sample_token for keyframe in kept.keyframes] == ['sample0', 'sample2']
    assert kept.keyframe_sweeps.tolist() == [0, 1] and kept.label_files == ('0.label', '4.label')
    assert np.array_equal(kept.tracks.global_from_box, scene.tracks.global_from_box[[0, 2]])


def test_too_few_sweeps_are_an_error(tmp_path):
    scene = without_sweeps(make_scene(tmp_path), np.array([1, 2, 3]))
    with pytest.raises(ValueError, match='scene-hand: has too few sweeps to hold some out'):
        held_out_sweeps(scene, 2)
