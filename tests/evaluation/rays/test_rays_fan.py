import numpy as np

from project.evaluation.rays import ray_fan, ray_origins

EXTENT = (-40.0, -40.0, -1.0, 40.0, 40.0, 5.4)


def pose(x: float, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def test_fan():
    fan = ray_fan()
    assert fan.shape == (39 * 360, 3)
    np.testing.assert_allclose(np.linalg.norm(fan, axis=1), 1)
    pitches = np.arcsin(fan.reshape(39, 360, 3)[:, :, 2])
    assert np.ptp(pitches, axis=1).max() < 1e-12
    np.testing.assert_allclose(np.tan(pitches[:10, 0]), [-1 / k for k in range(1, 11)])
    np.testing.assert_allclose(np.diff(pitches[8:, 0]), pitches[9, 0] - pitches[8, 0])
    assert pitches[-2, 0] < 0.21 <= pitches[-1, 0]
    np.testing.assert_allclose(fan[:360:90, :2] / fan[0, 0], [(1, 0), (0, 1), (-1, 0), (0, -1)], atol=1e-12)


def test_origins_within_39_metres_at_most_eight_spread_evenly():
    lidars = [pose(x, 0, 1.8) for x in range(-60, 61, 2)]
    origins = ray_origins(np.eye(4), lidars, EXTENT)
    inside = np.arange(-38, 39, 2)
    np.testing.assert_array_equal(origins[:, 0], inside[np.rint(np.linspace(0, 38, 8)).astype(int)])
    assert (origins[:, 2] == 1.8).all()
    assert len(ray_origins(np.eye(4), [pose(39.0), pose(-38.9), pose(0, 39.5), pose(0, 0, 50)], EXTENT)) == 2


def test_origins_are_in_the_frame_of_the_grid():
    turned = np.array([[0.0, 1, 0, -100], [-1, 0, 0, 20], [0, 0, 1, -1], [0, 0, 0, 1]])
    origins = ray_origins(turned, [np.linalg.inv(turned) @ pose(1.0, 2.0, 3.0)], EXTENT)
    np.testing.assert_allclose(origins, [[1, 2, 3]])
