"""Poses of scenes: corrected where they are wrong, kept where they are right, and all that hangs on them with them."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade import make_scene

from project.formats import occ3d
from project.geometry.rigid import inverse
from project.labels.aggregation.aggregate import aggregate
from project.labels.config import DEFAULT
from project.labels.poses import refinement
from project.labels.poses.agreement import displacement
from project.labels.poses.refinement import refined, registered_sweeps, with_heights, with_poses
from project.labels.voxelization.voting import vote_keyframe
from project.sources.nuscenes.source import NuScenesSource
from project.synthetic import Difficulties, WorldSettings, make_world
from project.synthetic.truth import load_scene
from project.taxonomy import FREE

REAL = Path(os.environ.get('OCCUPANCY_REAL', Path(__file__).parents[4] / 'shared/real')) / 'nuscenes_sequence'

UNCERTAINTY_M = DEFAULT.poses.uncertainty_m


def scenes_of(root):
    return NuScenesSource(root).scenes


@pytest.fixture(scope='module')
def hilly(tmp_path_factory):
    """A scene on hills whose poses have no height and drift, and its true (S, 4, 4) poses."""
    root = tmp_path_factory.mktemp('hilly') / 'world'
    settings = WorldSettings(scenes=1, keyframes=4, images=False, seed=2, difficulties=Difficulties.all())
    make_world(root, settings)
    scene = scenes_of(root)[0]
    truth = load_scene(root, scene.name)
    return scene, np.stack([truth.town_from_ego(0.05 * sweep) for sweep in range(31)])


@pytest.fixture(scope='module')
def corrected(hilly):
    return refined(hilly[0])[0]


def at_keyframes(scene):
    return scene.global_from_ego[scene.keyframe_sweeps]


def test_lost_heights_and_drift_are_corrected(hilly, corrected):
    scene, truth = hilly
    at_keyframe = truth[scene.keyframe_sweeps]
    assert displacement(at_keyframes(scene), at_keyframe) > 2 * UNCERTAINTY_M
    assert displacement(at_keyframes(corrected), at_keyframe) < 0.5 * UNCERTAINTY_M
    # The sweeps between, against those near in time.
    assert displacement(corrected.global_from_ego, truth) < 0.5 * UNCERTAINTY_M


def test_labels_become_those_of_exact_poses(hilly, corrected):
    scene, truth = hilly
    exact, given, refined_labels = (
        vote_keyframe(each, aggregate(each), 0, 10, occ3d.GRID).dense()
        for each in (with_poses(scene, truth), scene, corrected)
    )
    occupied = exact != FREE
    assert (given == exact)[occupied].mean() < 0.92
    assert (refined_labels == exact)[occupied].mean() > 0.97


def test_boxes_and_cameras_stay_where_the_car_sees_them(hilly, corrected):
    scene, _ = hilly
    for k in range(4):
        boxes = [inverse(at_keyframes(each)[k]) @ each.tracks.global_from_box[k] for each in (scene, corrected)]
        cameras = [inverse(at_keyframes(each)[k]) @ each.cameras[k].global_from_camera for each in (scene, corrected)]
        present = scene.tracks.present[k]
        np.testing.assert_allclose(boxes[0][present], boxes[1][present], atol=1e-9)
        np.testing.assert_allclose(*cameras, atol=1e-9)


def test_exact_poses_are_kept(tiny_world):
    for scene in scenes_of(tiny_world):
        kept, report = refined(scene)
        assert kept is scene
        assert report.outcome == 'exact'
        assert report.moved_m < 0.5 * UNCERTAINTY_M
        assert report.ground_gap_used_m == report.ground_gap_given_m < 0.02


def test_small_errors_in_height_show_in_the_ground(tiny_world):
    scene = scenes_of(tiny_world)[0]
    heights = np.interp(scene.timestamps_us, scene.timestamps_us[scene.keyframe_sweeps], [0, 0.028, 0])
    lifted = scene.global_from_ego.copy()
    lifted[:, 2, 3] += heights
    changed, report = refined(with_poses(scene, lifted))
    assert report.outcome == 'corrected' and report.moved_m < UNCERTAINTY_M
    assert report.ground_gap_given_m > 0.02 > 3 * report.ground_gap_used_m
    assert displacement(at_keyframes(changed), at_keyframes(scene)) < 0.01


def test_what_was_done_is_told(hilly):
    scene, truth = hilly
    _, report = refined(scene)
    assert report.outcome == 'corrected'
    assert report.moved_m == pytest.approx(displacement(at_keyframes(scene), truth[scene.keyframe_sweeps]), rel=0.05)
    assert report.ground_gap_given_m > 0.04 > 0.02 > report.ground_gap_used_m
    assert report.walls_met_given < report.walls_met_used
    assert (report.sweeps, report.lost) == (7, 0)


def part(scene, keyframes):
    """The scene with some of its keyframes and all of its sweeps."""
    per_keyframe = 'keyframes', 'keyframe_sweeps', 'cameras', 'records'
    tracks = {name: getattr(scene.tracks, name)[keyframes] for name in ('present', 'global_from_box', 'sizes')}
    changes = {name: getattr(scene, name)[keyframes] for name in per_keyframe}
    return replace(scene, tracks=replace(scene.tracks, **tracks), **changes)


def test_a_single_keyframe_is_kept(hilly):
    single = part(hilly[0], slice(0, 1))
    assert refined(single)[0] is single


def test_too_few_points_keep_the_poses_and_that_is_told(tmp_path):
    scene = make_scene(tmp_path)
    kept, report = refined(scene)
    assert kept is scene
    assert (report.outcome, report.moved_m, report.sweeps, report.lost) == ('not registered', 0.0, 5, 5)
    assert report.walls_met_used == report.walls_met_given


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_poses_that_are_no_numbers_are_never_used(hilly, monkeypatch, value):
    def without_a_first_pose(seen, given, config):
        poses = given.copy()
        poses[0, :3] = value
        return poses, np.arange(len(seen)) == 0

    monkeypatch.setattr(refinement, 'registered', without_a_first_pose)
    scene = hilly[0]
    kept, report = refined(scene)
    assert kept is scene
    assert report.outcome == 'not registered' and report.lost == report.sweeps
    assert np.isfinite([report.moved_m, report.walls_met_used]).all()


def test_sweeps_beyond_the_keyframes_move_with_the_nearest(hilly):
    scene = hilly[0]
    shorter = part(scene, slice(1, 3))
    corrections = refined(shorter)[0].global_from_ego @ inverse(with_heights(scene.global_from_ego))
    first, last = shorter.keyframe_sweeps
    np.testing.assert_allclose(corrections[0], corrections[first], atol=1e-9)
    np.testing.assert_allclose(corrections[-1], corrections[last], atol=1e-9)


def test_poses_of_another_frame_take_everything_along(tmp_path, random_rigid):
    scene = make_scene(tmp_path)
    move = random_rigid()
    moved = with_poses(scene, move @ scene.global_from_ego)
    np.testing.assert_allclose(moved.tracks.global_from_box, move @ scene.tracks.global_from_box, atol=1e-6)


def test_records_for_the_index_take_their_boxes_and_cameras_along(hilly, corrected):
    for before, after in zip(hilly[0].records, corrected.records, strict=True):
        assert (
            not np.allclose(before.global_from_ego, after.global_from_ego, atol=1e-3) or before is hilly[0].records[0]
        )
        local = [inverse(each.global_from_ego) @ each.boxes.global_from_box for each in (before, after)]
        np.testing.assert_allclose(*local, atol=1e-9)
        for name in before.cameras:
            ways = [inverse(each.global_from_ego) @ each.cameras[name].global_from_ego for each in (before, after)]
            np.testing.assert_allclose(*ways, atol=1e-9)
    np.testing.assert_allclose([each.global_from_ego for each in corrected.records], at_keyframes(corrected), atol=1e-9)


def test_poses_that_jump_are_corrected_at_every_sweep(hilly):
    scene, truth = hilly
    jumping = truth.copy()
    jumping[13:, :3, 3] += (0.7, -0.4, 0.3)
    corrected, report = refined(with_poses(scene, scene.global_from_ego[0] @ inverse(truth[0]) @ jumping))
    assert report.sweeps == 31
    assert displacement(corrected.global_from_ego, truth) < 0.5 * UNCERTAINTY_M


def test_registered_are_keyframes_and_sweeps_a_quarter_of_a_second_apart(hilly):
    np.testing.assert_array_equal(registered_sweeps(hilly[0], 0.25), [0, 5, 10, 15, 20, 25, 30])
    np.testing.assert_array_equal(registered_sweeps(hilly[0], 0.5), [0, 10, 20, 30])
    np.testing.assert_array_equal(registered_sweeps(hilly[0], 0.0), np.arange(31))


def test_of_two_lidars_that_of_the_keyframes_is_registered(hilly):
    scene = replace(hilly[0], lidars=np.arange(31) % 2)
    np.testing.assert_array_equal(registered_sweeps(scene, 0.25), [0, 4, 10, 14, 20, 24, 30])


def test_lost_heights_follow_from_the_slope_of_the_car():
    pitch = np.radians(3.0)
    slope = np.tile(np.eye(4), (5, 1, 1))
    slope[:, [0, 2], [0, 2]] = np.cos(pitch)
    slope[:, 0, 2], slope[:, 2, 0] = np.sin(pitch), -np.sin(pitch)
    slope[:, 0, 3] = np.arange(5)
    np.testing.assert_allclose(with_heights(slope)[:, 2, 3], -np.tan(pitch) * np.arange(5), atol=1e-12)
    slope[3, 2, 3] = 0.1
    assert with_heights(slope) is slope


@pytest.mark.skipif(not REAL.is_dir(), reason='the real sequence of nuScenes is not here')
def test_the_ground_of_the_real_sequence_meets():
    (scene,) = scenes_of(REAL)
    _, report = refined(scene)
    assert report.outcome == 'corrected' and report.lost == 0
    assert report.ground_gap_given_m > 0.5 > 0.03 > report.ground_gap_used_m
