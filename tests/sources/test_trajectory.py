import numpy as np

from project.geometry.rigid import poses
from project.sources.trajectory import Trajectory

TURN = [np.cos(0.1), 0, 0, np.sin(0.1)]


def test_given_poses_are_returned_as_they_are_and_others_lie_between():
    given = np.stack([poses([1, 0, 0, 0], [0, 0, 0]), poses(TURN, [2, 0, 0]), poses(TURN, [2, 4, 0])])
    trajectory = Trajectory.through(np.array([300, 100, 200, 100]), given[[2, 0, 1, 0]])
    np.testing.assert_array_equal(trajectory.at(np.array([100, 300, 200])), given[[0, 2, 1]])
    half_turn = [np.cos(0.05), 0, 0, np.sin(0.05)]
    np.testing.assert_allclose(trajectory.at(np.array([150]))[0], poses(half_turn, [1, 0, 0]), atol=1e-12)


def test_the_car_goes_on_before_the_first_pose_and_after_the_last():
    given = np.stack([poses([1, 0, 0, 0], [0, 0, 0]), poses(TURN, [2, 0, 0])])
    trajectory = Trajectory(np.array([100, 200]), given)
    later = [np.cos(0.15), 0, 0, np.sin(0.15)]
    np.testing.assert_allclose(trajectory.at(np.array([250]))[0], poses(later, [3, 0, 0]), atol=1e-12)
    np.testing.assert_allclose(trajectory.at(np.array([50]))[0, :3, 3], [-1, 0, 0])


def test_one_pose_is_that_of_all_times():
    alone = Trajectory(np.array([100]), poses(TURN, [2, 0, 0])[None])
    np.testing.assert_array_equal(alone.at(np.array([0, 500])), np.repeat(alone.global_from_ego, 2, axis=0))
