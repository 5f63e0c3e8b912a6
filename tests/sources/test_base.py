"""Sweeps of several lidars in the half steps of a scene."""

import numpy as np
from recordings import record, timed_lidar

WORLD = np.array([(10.0, 0, 1)])
SIX = np.arange(6) * 0.1


def steps_of(folder, *times):
    lidars = [(timed_lidar(f'lidar{number}'), np.eye(4), each) for number, each in enumerate(times)]
    scene = record(folder, WORLD, lidars)
    return {number: scene.time_steps[sweeps].tolist() for number, sweeps in enumerate(scene.sweeps_of_lidars())}


def test_another_lidar_is_at_a_keyframe_with_its_nearest_sweep(tmp_path):
    late = steps_of(tmp_path, np.arange(11) * 0.1, np.arange(11) * 0.1 + 0.03)
    assert late[0] == [0, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4]
    # The last one is after the last keyframe, where boxes are no more.
    assert late[1] == [0, 1, 1, 1, 1, 2, 3, 3, 3, 3, -1]


def test_the_nearest_sweep_may_come_before_the_keyframe(tmp_path):
    early = steps_of(tmp_path, np.arange(11) * 0.1, np.arange(11) * 0.1 - 0.03)
    assert early[1] == [-1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4]


def test_a_lidar_that_misses_a_keyframe_has_no_sweep_there(tmp_path):
    gaps = np.array([0.0, 0.1, 0.2, 0.3, 0.7, 0.8, 0.9, 1.0])
    assert steps_of(tmp_path, np.arange(11) * 0.1, gaps)[1] == [0, 1, 1, 1, 3, 3, 3, 4]


def test_a_faster_lidar_has_more_sweeps_between(tmp_path):
    assert steps_of(tmp_path, SIX, np.arange(21) * 0.025)[1] == [0, *[1] * 19, 2]
