"""Poses that labels were made with are stated beside them, and the index follows."""

import json
from dataclasses import replace

import numpy as np
import pytest
from handmade import make_scene

from project.commands.occ_convert import main
from project.formats import infos
from project.geometry.rigid import inverse
from project.labels.poses.refinement import PoseReport, refined, with_poses
from project.labels.run.folder import SETTINGS_FILE
from project.labels.run.pose_files import corrected_records, pose_file, read_report, write_poses
from project.sources.nuscenes.source import NuScenesSource
from project.synthetic import Difficulties, WorldSettings, make_world

REPORT = PoseReport('corrected', 0.5, 0.4, None, 0.2, 0.7, 3, 1)


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """A world whose poses lack heights."""
    root = tmp_path_factory.mktemp('world') / 'world'
    make_world(root, WorldSettings(scenes=1, keyframes=3, images=False, seed=2, difficulties=Difficulties.all()))
    return root


def scene_of(root):
    return NuScenesSource(root).scenes[0]


def convert(root, folder, *arguments):
    return main(['--dataroot', str(root), '--save_path', str(folder), '--workers', '1', *arguments])


def entries(folder):
    return infos.read(folder / 'nuscenes_infos_train.pkl')['data_list']


def test_what_was_written_is_read(tmp_path, random_rigid):
    scene = make_scene(tmp_path)
    assert read_report(tmp_path, scene.name) is None
    write_poses(tmp_path, with_poses(scene, random_rigid() @ scene.global_from_ego), REPORT)
    assert read_report(tmp_path, scene.name) == REPORT


@pytest.mark.parametrize('content', [b'', b'[]', b'{}', b'7'])
def test_a_damaged_file_is_named(tmp_path, content):
    pose_file(tmp_path, 'a').parent.mkdir()
    pose_file(tmp_path, 'a').write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.json: does not state the poses of a scene .* --overwrite'):
        read_report(tmp_path, 'a')


def test_poses_of_other_keyframes_are_refused(world, tmp_path):
    scene = scene_of(world)
    write_poses(
        tmp_path, replace(scene, keyframes=scene.keyframes[:2], keyframe_sweeps=scene.keyframe_sweeps[:2]), REPORT
    )
    with pytest.raises(ValueError, match='has no pose of the keyframe'):
        corrected_records(tmp_path, scene)


def test_the_index_holds_the_poses_of_the_labels_and_what_a_keyframe_sees_stays(world, tmp_path, capsys):
    assert convert(world, tmp_path / 'given', '--no-refine-poses') == 0
    assert 'ground apart' not in capsys.readouterr().out
    assert convert(world, tmp_path / 'corrected') == 0
    assert 'corrected' in capsys.readouterr().out
    scene, report = refined(scene_of(world))
    found = [np.array(entry['ego2global']) for entry in entries(tmp_path / 'corrected')]
    np.testing.assert_allclose(found, scene.global_from_ego[scene.keyframe_sweeps], atol=1e-9)
    for before, after in zip(entries(tmp_path / 'given'), entries(tmp_path / 'corrected'), strict=True):
        for name, image in before['images'].items():
            np.testing.assert_allclose(image['lidar2cam'], after['images'][name]['lidar2cam'], atol=1e-9)
        boxes = [[box['bbox_3d'] for box in each['instances']] for each in (before, after)]
        np.testing.assert_allclose(*boxes, atol=1e-6)
    stated = json.loads((tmp_path / 'corrected' / SETTINGS_FILE).read_text())
    assert PoseReport(**stated['poses'][scene.name]) == report
    assert not (tmp_path / 'given/poses').exists()


def test_run_again_the_index_is_the_same(world, tmp_path):
    assert convert(world, tmp_path) == 0
    files = {path: path.read_bytes() for path in (*tmp_path.glob('*.pkl'), *tmp_path.glob('poses/*'))}
    for path in files:
        path.unlink()
    assert convert(world, tmp_path) == 0
    assert {path: path.read_bytes() for path in files} == files


def test_formats_of_one_folder_are_made_with_the_same_poses(world, tmp_path, capsys):
    assert convert(world, tmp_path) == 0
    assert convert(world, tmp_path, '--format', 'occ3d', '--no-refine-poses') == 2
    assert 'the labels of the format voxels were made with other poses' in capsys.readouterr().err
    assert convert(world, tmp_path, '--overwrite', '--no-refine-poses') == 0
    assert not list((tmp_path / 'poses').iterdir())
    first = np.array(entries(tmp_path)[1]['ego2global'])
    np.testing.assert_allclose(first, scene_of(world).records[1].global_from_ego, atol=1e-12)
    assert inverse(first) @ first == pytest.approx(np.eye(4), abs=1e-9)
