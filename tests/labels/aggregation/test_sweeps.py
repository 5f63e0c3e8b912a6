import numpy as np
import pytest

from project.geometry.rigid import poses
from project.labels.aggregation.sweeps import read_sweep
from project.labels.config import SweepConfig
from project.sources.base import Scene, tracks_of
from project.taxonomy import Taxonomy

EGO_FROM_LIDAR = poses([1, 0, 0, 0], [0.9, 0, 1.8])
# x, y, z of the lidar frame; in the ego frame the car reaches from -1.2 to 3.4 m along x, 1.1 m to the sides, 2 m up.
WORLD = [(5, 0, 0), (0, -1.2, -1.5), (0, 0, 1.1), (-2.2, 0, -1)]
OWN = [(0, 0, 0), (0.5, 0.5, 0.5), (2, 0.5, -1), (-1.5, 0, -1), (np.nan, 3, 3)]


def write_sweep(folder, xyz, raw=None):
    points = np.column_stack([np.array(xyz), np.arange(len(xyz)), np.zeros(len(xyz))]).astype(np.float32)
    points.tofile(folder / 'sweep.bin')
    if raw is not None:
        np.array(raw, np.uint8).tofile(folder / 'lidarseg.bin')
    return folder / 'sweep.bin', folder / 'lidarseg.bin'


def read(sweep, lidarseg=None, scene_from_lidar=None):
    """The points of a scene of this one sweep."""
    scene = Scene(
        'scene', sweep.parent, (), np.zeros(0, int), (sweep.name,), (lidarseg and lidarseg.name,), np.zeros(1, int),
        np.eye(4)[None], EGO_FROM_LIDAR[None], tracks_of((), Taxonomy.nuscenes()),
    )  # fmt: skip
    return read_sweep(scene, 0, np.eye(4) if scene_from_lidar is None else scene_from_lidar, SweepConfig())


def test_no_returns_and_the_own_car_are_left_out(tmp_path):
    sweep, _ = write_sweep(tmp_path, OWN + WORLD)
    points = read(sweep)
    np.testing.assert_array_equal(points.xyz, np.array(WORLD, np.float32))
    np.testing.assert_array_equal(points.raw, 255)
    np.testing.assert_array_equal(points.intensity, np.arange(len(OWN), len(OWN + WORLD)))


@pytest.mark.parametrize('value', [np.inf, -np.inf, 1e30, 3e9, -1e9, 1e5])
def test_no_returns_far_away_are_left_out(tmp_path, value):
    sweep, _ = write_sweep(tmp_path, [(value, 1, 1), *WORLD, (value, value, value)])
    np.testing.assert_array_equal(read(sweep).xyz, np.array(WORLD, np.float32))


def test_points_labelled_as_the_own_car_are_left_out(tmp_path):
    sweep, lidarseg = write_sweep(tmp_path, WORLD, [24, 31, 0, 28])
    points = read(sweep, lidarseg)
    np.testing.assert_array_equal(points.raw, [24, 0, 28])


def test_points_come_in_the_frame_of_the_scene(tmp_path):
    sweep, _ = write_sweep(tmp_path, WORLD)
    scene_from_lidar = poses([0.9, 0.1, -0.2, 0.3], [500, -300, 7])
    points = read(sweep, scene_from_lidar=scene_from_lidar)
    expected = np.array(WORLD) @ scene_from_lidar[:3, :3].T + scene_from_lidar[:3, 3]
    np.testing.assert_allclose(points.xyz, expected, atol=4e-5)


def test_damaged_files_are_named(tmp_path):
    sweep, lidarseg = write_sweep(tmp_path, WORLD, [24, 24, 24])
    with pytest.raises(ValueError, match=r'lidarseg\.bin: has 3 labels for the 4 points of sweep\.bin'):
        read(sweep, lidarseg)
    write_sweep(tmp_path, WORLD, [24, 24, 24, 77])
    with pytest.raises(ValueError, match=r'lidarseg\.bin: holds the index 77'):
        read(sweep, lidarseg)
    sweep.write_bytes(sweep.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r'sweep\.bin: its 77 bytes are not points'):
        read(sweep)
    sweep.unlink()
    with pytest.raises(FileNotFoundError, match=r'sweep\.bin: missing'):
        read(sweep)
