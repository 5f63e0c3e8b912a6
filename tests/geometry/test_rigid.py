import numpy as np
import pytest
from pyquaternion import Quaternion

from project.geometry.rigid import interpolate, inverse, poses


def random_poses(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    quaternions, translations = rng.normal(size=(n, 4)), rng.normal(size=(n, 3)) * 100
    return poses(quaternions, translations), quaternions, translations


def test_poses_agree_with_the_quaternions_of_the_devkit():
    matrices, quaternions, translations = random_poses(np.random.default_rng(0), 7)
    for matrix, quaternion, translation in zip(matrices, quaternions, translations, strict=True):
        np.testing.assert_allclose(matrix[:3, :3], Quaternion(quaternion).rotation_matrix, atol=1e-12)
        np.testing.assert_array_equal(matrix[:3, 3], translation)


def test_inverse_undoes_a_pose():
    matrices, *_ = random_poses(np.random.default_rng(1), 7)
    np.testing.assert_allclose(inverse(matrices) @ matrices, np.tile(np.eye(4), (7, 1, 1)), atol=1e-12)


@pytest.mark.parametrize('fraction', [0.0, 0.3, 1.0])
def test_interpolation_is_that_of_the_devkit(fraction):
    rng = np.random.default_rng(2)
    first, quaternions_1, translations_1 = random_poses(rng, 20)
    second, quaternions_2, translations_2 = random_poses(rng, 20)
    between = interpolate(first, second, np.full(len(first), fraction))
    for i in range(20):
        turned = Quaternion.slerp(Quaternion(quaternions_1[i]), Quaternion(quaternions_2[i]), fraction)
        np.testing.assert_allclose(between[i, :3, :3], turned.rotation_matrix, atol=1e-9)
        expected = translations_1[i] + fraction * (translations_2[i] - translations_1[i])
        np.testing.assert_allclose(between[i, :3, 3], expected, atol=1e-9)


def test_no_poses_interpolate_to_none():
    assert interpolate(np.zeros((0, 4, 4)), np.zeros((0, 4, 4)), np.zeros(0)).shape == (0, 4, 4)
