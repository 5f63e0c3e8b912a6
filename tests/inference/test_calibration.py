"""From a camera's calibration to the projection that the model takes."""

import numpy as np
import pytest

from project.inference.calibration import image_from_grid

INTRINSICS = np.array([[50.0, 0, 21], [0, 55, 11], [0, 0, 1]])


@pytest.mark.parametrize('frame', ['lidar', 'ego'])
def test_points_land_where_a_pinhole_camera_sees_them(random_rigid, rng, frame):
    pose = random_rigid()
    in_camera = rng.uniform(1, 5, (9, 3))
    in_grid = np.column_stack([in_camera, np.ones(9)]) @ pose.T
    matrix = image_from_grid('CAM', {'intrinsics': INTRINSICS, f'{frame}_from_camera': pose.tolist()}, frame, (24, 40))
    pixels = in_grid @ matrix.T
    x, y, z = in_camera.T
    np.testing.assert_allclose(pixels[:, 0] / pixels[:, 2], 50 * x / z + 21)
    np.testing.assert_allclose(pixels[:, 1] / pixels[:, 2], 55 * y / z + 11)
    np.testing.assert_allclose(pixels[:, 2], z)


def test_the_frame_of_the_pose_is_never_guessed(random_rigid):
    camera = {'intrinsics': INTRINSICS, 'lidar_from_camera': random_rigid()}
    with pytest.raises(ValueError, match=r'CAM: its calibration has no ego_from_camera .* works in the ego frame'):
        image_from_grid('CAM', camera, 'ego', (24, 40))


@pytest.mark.parametrize(
    'wrong',
    [
        {'intrinsics': np.eye(4)},
        {'intrinsics': INTRINSICS.T},
        {'intrinsics': INTRINSICS * np.nan},
        {'lidar_from_camera': np.eye(3)},
        {'lidar_from_camera': [[1, 2], [3, 4]]},
    ],
)
def test_matrices_that_cannot_be_right_are_refused(random_rigid, wrong):
    camera = {'intrinsics': INTRINSICS, 'lidar_from_camera': random_rigid(), **wrong}
    with pytest.raises(ValueError, match=f'CAM: {next(iter(wrong))} must be'):
        image_from_grid('CAM', camera, 'lidar', (24, 40))
