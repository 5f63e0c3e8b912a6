"""Rays start where the lidar was when each point was measured."""

from dataclasses import replace

import numpy as np
import pytest
from recordings import car_at, record, timed_lidar

from project.geometry.rigid import poses
from project.labels.visibility.lidar_rays import SHARES, read_rays
from project.sources.base import Lidar, PointLayout

AROUND = np.linspace(np.pi, -np.pi, 400, endpoint=False)
WORLD = np.column_stack([5 + 30 * np.cos(AROUND), 30 * np.sin(AROUND), np.full(400, 1.0)])
MOUNT = poses([1, 0, 0, 0], [1.0, 0, 2])
TENTHS = np.arange(11) * 0.1
COLUMNS = PointLayout(('x', 'y', 'z', 'intensity', 'unused'), 'float64')


def starts_of(scene, sweep):
    """(N, 3) where the rays of a sweep start, global frame."""
    rays = read_rays(scene, np.eye(4), same_m=1e-3)
    shares = rays.shares[rays.starts[sweep] : rays.starts[sweep + 1], None] / SHARES
    first, last = rays.origins[sweep]
    return first + shares * (last - first)


def lidar_at(*times):
    return np.stack([(car_at(time) @ MOUNT)[:3, 3] for time in times])


@pytest.mark.parametrize('deskewed', [False, True])
def test_points_with_times(tmp_path, deskewed):
    scene = record(tmp_path, WORLD, [(timed_lidar(deskewed=deskewed), MOUNT, TENTHS)])
    starts = starts_of(scene, 5)
    np.testing.assert_allclose(starts, lidar_at(*np.linspace(0.4, 0.5, 400)), atol=0.01)


@pytest.mark.parametrize('stamp,first_s,last_s', [('end', 0.4, 0.5), ('start', 0.5, 0.6), ('middle', 0.45, 0.55)])
@pytest.mark.parametrize('period_s', [None, 0.1])
def test_points_without_times_are_measured_one_after_the_other_around_the_stamp(
    tmp_path, stamp, first_s, last_s, period_s
):
    lidar = Lidar('top', COLUMNS, period_s, stamp)
    scene = record(tmp_path, WORLD, [(lidar, MOUNT, TENTHS)])
    starts = starts_of(scene, 5)
    np.testing.assert_allclose(starts, lidar_at(*np.linspace(first_s, last_s, 400)), atol=0.01)


def test_a_period_tells_what_gaps_between_sweeps_do_not(tmp_path):
    apart = np.array([0.0, 0.5, 1.0])
    with_period = record(tmp_path, WORLD, [(Lidar('top', COLUMNS, 0.1), MOUNT, apart)])
    np.testing.assert_allclose(starts_of(with_period, 1), lidar_at(*np.linspace(0.4, 0.5, 400)), atol=0.05)
    without = replace(with_period, rig=replace(with_period.rig, lidars=(Lidar('top', COLUMNS),)))
    np.testing.assert_allclose(starts_of(without, 1), np.repeat(lidar_at(0.5), 400, axis=0), atol=1e-6)


def test_what_is_stored_ring_after_ring_starts_in_the_middle(tmp_path):
    scene = record(tmp_path, np.tile(WORLD[::10], (10, 1)) * [1, 1, 1.001], [(Lidar('top', COLUMNS), MOUNT, TENTHS)])
    np.testing.assert_allclose(
        starts_of(scene, 5), np.repeat(lidar_at(0.45), len(starts_of(scene, 5)), axis=0), atol=0.01
    )


def test_what_is_neither_deskewed_nor_timed_starts_where_it_is_told_from(tmp_path):
    scene = record(tmp_path, WORLD, [(Lidar('top', COLUMNS, 0.1, deskewed=False), MOUNT, TENTHS)])
    np.testing.assert_allclose(starts_of(scene, 5), np.repeat(lidar_at(0.5), 400, axis=0), atol=1e-6)


def test_the_turn_of_a_lidar_is_told_by_its_own_sweeps(tmp_path):
    other = Lidar('rear', COLUMNS)
    lidars = [(Lidar('top', COLUMNS), MOUNT, TENTHS), (other, np.eye(4), TENTHS[:-1] + 0.02)]
    scene = record(tmp_path, WORLD, lidars)
    np.testing.assert_allclose(starts_of(scene, 10), lidar_at(*np.linspace(0.4, 0.5, 400)), atol=0.01)


def test_every_nth_sweep_of_each_lidar(tmp_path):
    lidars = [(Lidar(name, COLUMNS), MOUNT, TENTHS) for name in ('top', 'rear')]
    scene = record(tmp_path, WORLD, lidars)
    counts = np.diff(read_rays(scene, np.eye(4), every=4, same_m=1e-3).starts)
    assert np.bincount(scene.lidars[counts > 0]).tolist() == [3, 3]
