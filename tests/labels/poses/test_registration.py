"""Registration recovers wrong poses in hand-built worlds, as far as the geometry determines them."""

import numpy as np
import pytest
from town import CONFIG, SWEEPS, drifting, driven, only, road, seen, street, tunnel

from project.geometry.rigid import inverse
from project.labels.poses.agreement import displacement
from project.labels.poses.registration import registered, shares_met
from project.labels.poses.surfaces import Surfaces

TRUE = driven()


def motions(poses):
    return inverse(poses[:-1]) @ poses[1:]


def test_what_poses_have_lost_is_found_again(rng):
    sweeps = list(seen(street(rng), TRUE, rng))
    poses, lost = registered(sweeps, drifting(TRUE), CONFIG)
    assert not lost.any()
    assert displacement(drifting(TRUE), TRUE) > 0.15
    assert displacement(poses, TRUE) < 0.3 * CONFIG.uncertainty_m
    (found, walls), (given, walls_given) = (shares_met(sweeps, each, CONFIG) for each in (poses, drifting(TRUE)))
    assert found > 0.9 > given and walls > 0.9 > walls_given


def test_exact_poses_stay(rng):
    poses, _ = registered(list(seen(street(rng), TRUE, rng)), TRUE, CONFIG)
    assert displacement(poses, TRUE) < 0.3 * CONFIG.uncertainty_m


@pytest.mark.parametrize('frame', range(3))
def test_the_frame_that_stands_still_may_be_any_with_its_z_axis_upwards(rng, frame):
    angle, shift = rng.uniform(0, 6), rng.uniform(-300, 300, 3)
    move = np.eye(4)
    move[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    move[:3, 3] = shift
    poses, lost = registered(list(seen(street(rng), TRUE, rng)), move @ drifting(TRUE), CONFIG)
    assert not lost.any()
    assert displacement(poses, TRUE) < 0.3 * CONFIG.uncertainty_m


def test_in_a_tunnel_the_way_is_as_given_and_the_rest_as_seen(rng):
    given = TRUE.copy()
    given[:, 1:3, 3] -= np.outer(np.arange(SWEEPS), (0.02, 0.05))
    poses, lost = registered(list(seen(tunnel(rng), TRUE, rng)), given, CONFIG)
    assert not lost.any()
    assert displacement(poses, TRUE) < CONFIG.uncertainty_m


def test_in_an_open_field_only_height_and_tilt_are_told(rng):
    given = TRUE.copy()
    given[:, 2, 3] -= 0.05 * np.arange(SWEEPS)
    given[:, 1, 3] += 0.02 * np.arange(SWEEPS)
    poses, lost = registered(list(seen(road(rng), TRUE, rng)), given, CONFIG)
    assert not lost.any()
    np.testing.assert_allclose(motions(poses)[:, 2, 3], motions(TRUE)[:, 2, 3], atol=0.01)
    np.testing.assert_allclose(motions(poses)[:, :2, 3], motions(given)[:, :2, 3], atol=0.02)


def test_a_car_that_stands_still_stays(rng):
    still = driven(step_m=0, turn=0)
    poses, lost = registered(list(seen(street(rng), still, rng)), still, CONFIG)
    assert not lost.any()
    assert displacement(poses, still) < 0.3 * CONFIG.uncertainty_m


def test_a_car_that_turns_on_the_spot(rng):
    turning = driven(step_m=0, turn=0.2)
    given = turning.copy()
    given[:, :2, 3] += np.outer(np.arange(SWEEPS), (0.02, -0.03))
    poses, lost = registered(list(seen(street(rng), turning, rng)), given, CONFIG)
    assert not lost.any()
    assert displacement(poses, turning) < 0.5 * CONFIG.uncertainty_m


def test_a_drive_of_a_kilometre(rng):
    true = driven(step_m=10.0, turn=0.0, sweeps=100)
    poses, lost = registered(list(seen(street(rng, 1080), true, rng)), drifting(true), CONFIG)
    assert not lost.any()
    assert displacement(poses, true) < 2 * CONFIG.uncertainty_m


@pytest.mark.parametrize('jump', [(0.6, 0.0, 0.2), (-1.0, 0.8, 0.5), (2.4, 1.6, 0.0)])
def test_given_poses_may_jump(rng, jump):
    given = TRUE.copy()
    given[SWEEPS // 2 :, :3, 3] += jump
    poses, lost = registered(list(seen(street(rng), TRUE, rng)), given, CONFIG)
    assert not lost.any()
    assert displacement(poses, TRUE) < CONFIG.uncertainty_m


def test_given_poses_may_be_noisy(rng):
    given = TRUE.copy()
    given[:, :3, 3] += rng.normal(0, 0.1, (SWEEPS, 3))
    poses, lost = registered(list(seen(street(rng), TRUE, rng)), given, CONFIG)
    assert not lost.any()
    assert displacement(given, TRUE) > 0.2
    assert displacement(poses, TRUE) < 0.07


def test_a_few_movers_without_a_box_do_not_pull_the_car_along(rng):
    sweeps = []
    for surfaces in seen(street(rng), TRUE, rng):
        # A van that keeps its distance: its back is 4 m behind the car in every sweep.
        back = np.column_stack([np.full(60, -4.0), rng.uniform(-1, 1, 60), rng.uniform(0.3, 2, 60)])
        is_ground = np.concatenate([surfaces.is_ground, np.zeros(60, bool)])
        sweeps.append(Surfaces(np.concatenate([surfaces.xyz, back]), is_ground))
    poses, _ = registered(sweeps, drifting(TRUE), CONFIG)
    assert displacement(poses, TRUE) < 0.5 * CONFIG.uncertainty_m


def test_the_same_every_time(rng):
    sweeps = list(seen(street(rng), TRUE, rng))
    first, second = (registered(sweeps, drifting(TRUE), CONFIG)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize('at', [0, 5, SWEEPS - 1])
def test_a_sweep_of_few_points_moves_as_it_was_given_to(rng, at):
    given, sweeps = drifting(TRUE), list(seen(street(rng), TRUE, rng))
    sweeps[at] = only(sweeps[at], CONFIG.min_points - 1)
    poses, lost = registered(sweeps, given, CONFIG)
    np.testing.assert_array_equal(np.flatnonzero(lost), [at])
    if at:
        np.testing.assert_allclose(motions(poses)[at - 1], motions(given)[at - 1], atol=0.02)
    assert np.isfinite(poses).all()
    assert displacement(poses[~lost], TRUE[~lost]) < 0.5 * CONFIG.uncertainty_m


def test_a_sweep_that_meets_nothing_is_lost(rng):
    sweeps = list(seen(street(rng), TRUE, rng))
    sweeps[5] = Surfaces(sweeps[5].xyz + np.array([0, 0, 20]), sweeps[5].is_ground)
    poses, lost = registered(sweeps, TRUE, CONFIG)
    np.testing.assert_array_equal(np.flatnonzero(lost), [5])
    np.testing.assert_allclose(motions(poses)[4], motions(TRUE)[4], atol=0.02)


def test_places_that_have_nothing_in_common_stay_as_given(rng):
    far = driven(step_m=200.0, turn=0, sweeps=4)
    sweeps = list(seen(street(rng), driven(sweeps=4), rng))
    poses, lost = registered(sweeps, far, CONFIG)
    assert lost.all() and shares_met(sweeps, far, CONFIG) == (0, 0)
    np.testing.assert_allclose(poses, far, atol=1e-9)


def test_a_start_with_few_points_does_not_spoil_the_rest(rng):
    sweeps = list(seen(street(rng), TRUE, rng))
    sweeps[:3] = [only(sweep, count) for sweep, count in zip(sweeps, (0, 10, 150), strict=False)]
    poses, lost = registered(sweeps, drifting(TRUE), CONFIG)
    np.testing.assert_array_equal(np.flatnonzero(lost), [0, 1, 2])
    assert np.isfinite(poses).all()
    assert displacement(poses[3:], TRUE[3:]) < 0.5 * CONFIG.uncertainty_m


def test_without_points_poses_are_as_given():
    nothing = Surfaces(np.zeros((0, 3)), np.zeros(0, bool))
    poses, lost = registered([nothing] * SWEEPS, TRUE, CONFIG)
    assert lost.all() and shares_met([nothing] * SWEEPS, TRUE, CONFIG) == (0, 0)
    np.testing.assert_allclose(poses, TRUE, atol=1e-12)
