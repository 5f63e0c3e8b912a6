"""The same points in every kind of file."""

import numpy as np
import pytest
from point_files import packing

from project.sources.base import Lidar, PointLayout
from project.sources.read_points import read_returns, read_timed_returns

STAMP_US = 1_700_000_000_123_456
RNG = np.random.default_rng(0)
XYZ = np.rint(RNG.uniform(-50, 50, (300, 3)) * 1000) / 1000
INTENSITY = RNG.integers(0, 256, 300)
SECONDS = np.linspace(-0.1, 0, 300)
NAMED = np.zeros(300, [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('intensity', 'f4'), ('ring', 'u2'), ('time', 'f8')])
NAMED['x'], NAMED['y'], NAMED['z'] = XYZ.T
NAMED['intensity'], NAMED['ring'], NAMED['time'] = INTENSITY, np.arange(300) // 10, SECONDS


def lidar(*columns, **layout):
    return Lidar('top', PointLayout(columns or PointLayout().columns, **layout))


def assert_read(file, of_lidar, times=SECONDS):
    returns, seconds = read_timed_returns(file, of_lidar, STAMP_US)
    assert returns.dtype == np.float32
    np.testing.assert_allclose(returns[:, :3], XYZ, atol=1e-5)
    np.testing.assert_allclose(returns[:, 3], INTENSITY, atol=1e-4)
    np.testing.assert_allclose(seconds, times, atol=1e-6)


@pytest.mark.parametrize('storage', ['ascii', 'binary', 'binary_compressed'])
def test_pcd(tmp_path, storage):
    (tmp_path / 'a.pcd').write_bytes(packing.pcd(NAMED, storage))
    assert_read(tmp_path / 'a.pcd', lidar())


@pytest.mark.parametrize('minor', [2, 4])
def test_las(tmp_path, minor):
    (tmp_path / 'a.las').write_bytes(packing.las(XYZ, INTENSITY, STAMP_US * 1e-6 + SECONDS, minor))
    assert_read(tmp_path / 'a.las', lidar(time_zero='epoch'))


def test_arrays_of_numpy_with_and_without_names(tmp_path):
    np.save(tmp_path / 'named.npy', NAMED)
    assert_read(tmp_path / 'named.npy', lidar())
    plain = np.column_stack([SECONDS, XYZ[:, ::-1], INTENSITY / 255])
    np.save(tmp_path / 'plain.npy', plain)
    assert_read(tmp_path / 'plain.npy', lidar('time', 'z', 'y', 'x', 'intensity', intensity_max=1.0))


def test_headerless_numbers_of_one_type_and_of_several(tmp_path):
    np.column_stack([XYZ, INTENSITY, SECONDS]).tofile(tmp_path / 'one.bin')
    assert_read(tmp_path / 'one.bin', lidar('x', 'y', 'z', 'intensity', 'time', dtype='float64'))
    NAMED.tofile(tmp_path / 'several.bin')
    types = ('float32', 'float32', 'float32', 'float32', 'uint16', 'float64')
    assert_read(tmp_path / 'several.bin', lidar(*NAMED.dtype.names, dtype=types))


def test_times_in_nanoseconds_of_the_epoch_are_exact(tmp_path):
    points = np.zeros(2, [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), ('t', 'i8')])
    points['t'] = STAMP_US * 1000 + np.array([-99_999_999, 1])
    np.save(tmp_path / 'a.npy', points)
    layout = lidar(time='t', time_unit_s=1e-9, time_zero='epoch')
    returns, seconds = read_timed_returns(tmp_path / 'a.npy', layout, STAMP_US)
    np.testing.assert_allclose(seconds, [-0.099999999, 1e-9], rtol=0, atol=2e-7)
    np.testing.assert_array_equal(returns[:, 3], 0)


def test_points_of_nuscenes_are_as_stored_and_brightness_is_stretched(tmp_path):
    stored = np.column_stack([XYZ, INTENSITY / 255, np.zeros(300)]).astype(np.float32)
    stored.tofile(tmp_path / 'a.bin')
    np.testing.assert_array_equal(read_returns(tmp_path / 'a.bin', lidar()), stored)
    bright = read_returns(tmp_path / 'a.bin', lidar(intensity_max=1.0))
    np.testing.assert_allclose(bright[:, 3], INTENSITY, rtol=1e-6)


def damaged_files():
    good = packing.pcd(NAMED, 'binary_compressed')
    yield 'short.pcd', good[:-50]
    yield 'header.pcd', good[:40]
    yield 'binary.pcd', packing.pcd(NAMED, 'binary')[:-1]
    yield 'ascii.pcd', packing.pcd(NAMED, 'ascii')[:-30]
    yield 'unknown.pcd', good.replace(b'binary_compressed', b'zipped')
    yield 'short.las', packing.las(XYZ, INTENSITY, SECONDS)[:-1]
    yield 'no.las', b'nothing'
    yield 'no.npy', b'nothing'
    yield 'odd.bin', b'1234567'


@pytest.mark.parametrize('name,content', damaged_files())
def test_damaged_files_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        read_returns(tmp_path / name, lidar())


def test_a_missing_column_is_named(tmp_path):
    np.save(tmp_path / 'a.npy', NAMED[['x', 'y', 'intensity']])
    with pytest.raises(ValueError, match=r'a\.npy: has no column z, only x, y, intensity'):
        read_returns(tmp_path / 'a.npy', lidar())
