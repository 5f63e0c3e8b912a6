"""Poses of scenes: corrected where they are wrong, kept where they are right, and all that hangs on them with them."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from handmade import make_scene

from data_converter import main
from project.formats import occ3d
from project.geometry.rigid import inverse
from project.labels.aggregation.aggregate import aggregate
from project.labels.poses.refinement import SEEN_M, UNCERTAINTY_M, displacement, refined, with_poses
from project.labels.voxelization.voting import vote_keyframe
from project.sources.nuscenes.scenes import make_dataset
from project.sources.nuscenes.tables import find_version, read_tables
from project.synthetic import Difficulties, WorldSettings, make_world
from project.synthetic.truth import load_scene
from project.taxonomy import FREE

pytest.importorskip('small_gicp')


def scenes_of(root):
    return make_dataset(read_tables(root, find_version(root)), root).scenes


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
    return refined(hilly[0])


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
        assert refined(scene) is scene


def part(scene, keyframes):
    """The scene with some of its keyframes and all of its sweeps."""
    per_keyframe = 'keyframes', 'keyframe_sweeps', 'cameras', 'records'
    tracks = {name: getattr(scene.tracks, name)[keyframes] for name in ('present', 'global_from_box', 'sizes')}
    changes = {name: getattr(scene, name)[keyframes] for name in per_keyframe}
    return replace(scene, tracks=replace(scene.tracks, **tracks), **changes)


def test_a_single_keyframe_is_kept(hilly):
    single = part(hilly[0], slice(0, 1))
    assert refined(single) is single


def test_too_few_points_keep_the_poses_and_the_scene_is_named(tmp_path):
    scene = make_scene(tmp_path)
    with pytest.warns(UserWarning, match='scene-hand: 3 of 3 sweeps'):
        assert refined(scene) is scene


def test_sweeps_beyond_the_keyframes_move_with_the_nearest(hilly):
    scene = hilly[0]
    shorter = part(scene, slice(1, 3))
    corrections = refined(shorter).global_from_ego @ inverse(scene.global_from_ego)
    first, last = shorter.keyframe_sweeps
    np.testing.assert_allclose(corrections[0], corrections[first], atol=1e-9)
    np.testing.assert_allclose(corrections[-1], corrections[last], atol=1e-9)


def test_a_missing_library_is_named_before_anything_is_written(monkeypatch, tiny_world, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, 'small_gicp', None)
    folder = tmp_path / 'labels'
    assert main(['--dataroot', str(tiny_world), '--save_path', str(folder), '--refine-poses']) == 2
    assert 'pip install small_gicp' in capsys.readouterr().err
    assert not folder.exists()


def test_displacement_is_that_of_points_around_the_car(random_rigid):
    poses = np.stack([random_rigid() for _ in range(3)])
    elsewhere = random_rigid() @ poses
    assert displacement(poses, elsewhere) == pytest.approx(0, abs=1e-9)
    lifted = poses[:2].copy()
    lifted[1, :3, 3] += 0.25 * poses[1, :3, 2]
    assert displacement(poses[:2], lifted) == pytest.approx(0.25)
    turned = poses[:2].copy()
    turned[1, :3, :3] = poses[1, :3, :3] @ [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    assert displacement(poses[:2], turned) == pytest.approx(np.sqrt(2) * SEEN_M)


def test_poses_of_another_frame_take_everything_along(tmp_path, random_rigid):
    scene = make_scene(tmp_path)
    move = random_rigid()
    moved = with_poses(scene, move @ scene.global_from_ego)
    np.testing.assert_allclose(moved.tracks.global_from_box, move @ scene.tracks.global_from_box, atol=1e-6)
