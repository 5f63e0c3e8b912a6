"""The index of keyframes, written by many at once."""

import multiprocessing
from dataclasses import replace

import pytest

from project.formats import infos
from project.labels.run.index import write_infos
from project.sources.base import Lidar
from project.sources.nuscenes.source import NuScenesSource

NAMES = ('scene-0061', 'scene-0103')
FOR_TRAINING = {'train': frozenset(NAMES), 'val': frozenset()}


@pytest.fixture(scope='module')
def scenes(tiny_world):
    return {scene.name: scene for scene in NuScenesSource(tiny_world).scenes}


def scenes_of(root, split='train') -> list[str]:
    entries = infos.read(root / f'nuscenes_infos_{split}.pkl')['data_list']
    return list(dict.fromkeys(entry['scene_name'] for entry in entries))


def write_when_all_are_ready(root, labelled, barrier) -> None:
    barrier.wait()
    write_infos(root, 'v1.0-mini', FOR_TRAINING, labelled)


def test_conversions_at_the_same_time_lose_no_scene(scenes, tmp_path):
    context = multiprocessing.get_context('fork')
    # Many keyframes, so that the two would meet without a lock.
    parts = [[replace(scenes[name], records=scenes[name].records * 200)] for name in NAMES]
    barrier = context.Barrier(2)
    processes = [context.Process(target=write_when_all_are_ready, args=(tmp_path, part, barrier)) for part in parts]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert scenes_of(tmp_path) == list(NAMES)


def test_a_scene_that_failed_is_taken_out(scenes, tmp_path):
    write_infos(tmp_path, 'v1.0-mini', FOR_TRAINING, list(scenes.values()))
    only = [scenes['scene-0103']]
    assert write_infos(tmp_path, 'v1.0-mini', FOR_TRAINING, only, ['scene-0061']) == {'train': 3, 'val': 0}
    assert scenes_of(tmp_path) == ['scene-0103']


def test_scenes_follow_splits_that_change(scenes, tmp_path):
    write_infos(tmp_path, 'v1.0-mini', FOR_TRAINING, list(scenes.values()))
    splits = {'train': frozenset(), 'val': frozenset(['scene-0061'])}
    write_infos(tmp_path, 'v1.0-mini', splits, [scenes['scene-0103']])
    assert (scenes_of(tmp_path), scenes_of(tmp_path, 'val')) == (['scene-0103'], ['scene-0061'])
    write_infos(tmp_path, 'v1.0-mini', dict.fromkeys(('train', 'val'), frozenset(NAMES)), [])
    assert scenes_of(tmp_path) == scenes_of(tmp_path, 'val') == list(NAMES)


def test_scenes_of_two_cars_in_one_run_and_one_after_the_other(scenes, tmp_path):
    first, second = scenes.values()
    other = replace(second, rig=replace(second.rig, cameras=('roof',), lidars=(Lidar('rear'),)))
    cameras = [*first.rig.cameras, 'roof']

    def stated(root):
        return infos.read(root / 'nuscenes_infos_train.pkl')['metainfo']['rig']

    write_infos(tmp_path, 'v1.0-mini', FOR_TRAINING, [first, other])
    assert stated(tmp_path)['cameras'] == cameras
    assert [lidar['name'] for lidar in stated(tmp_path)['lidars']] == ['LIDAR_TOP', 'rear']
    for scene in (first, other):
        write_infos(tmp_path / 'later', 'v1.0-mini', FOR_TRAINING, [scene])
    assert stated(tmp_path / 'later')['cameras'] == cameras and scenes_of(tmp_path / 'later') == list(NAMES)
    # What is labelled again does not leave its old sensors behind.
    write_infos(tmp_path / 'later', 'v1.0-mini', FOR_TRAINING, [first, second])
    assert stated(tmp_path / 'later')['cameras'] == cameras[:-1]
