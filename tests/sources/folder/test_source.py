"""A ``scene.json`` becomes a scene, and its errors are named."""

import json

import numpy as np
import pytest

from project.geometry.rigid import poses
from project.sources.folder.source import FolderSource

START_US = 1_700_000_000_000_000
STILL = {'translation': [0, 0, 0], 'rotation': [1, 0, 0, 0]}
QUARTER = [0.5**0.5, 0, 0, 0.5**0.5]


def scene_file() -> dict:
    """Two lidars, 10 Hz and 5 Hz, a camera, a car that drives 10 m/s along x, and a box in the frame of a lidar."""
    times = [START_US + at * 100_000 for at in range(11)]
    poses = [{'timestamp_us': t, 'translation': [at, 0, 0], 'rotation': [1, 0, 0, 0]} for at, t in enumerate(times)]
    of_front = [{'lidar': 'front', 'timestamp_us': t, 'file': f'front/{at}.bin'} for at, t in enumerate(times)]
    of_rear = [
        {'lidar': 'rear', 'timestamp_us': t + 20_000, 'file': f'rear/{at}.npy'} for at, t in enumerate(times[:9:2])
    ]
    front = {'ego_from_lidar': {'translation': [1, 0, 2], 'rotation': QUARTER}, 'columns': ['x', 'y', 'z']}
    return {
        'lidars': {'front': front, 'rear': {'ego_from_lidar': STILL, 'deskewed': False, 'stamp': 'start'}},
        'poses': poses,
        'sweeps': of_front + of_rear,
        'boxes_frame': 'front',
        'boxes': [
            {'timestamp_us': t, 'track': 'a', 'category': 'car', 'translation': [0, -5, -1], 'rotation': QUARTER,
             'size': [4, 2, 1.5]} for t in times
        ],
        'cameras': {
            'wide': {'ego_from_camera': STILL, 'matrix': [[50, 0, 40], [0, 50, 30], [0, 0, 1]], 'size_px': [80, 60]}
        },
        'images': [{'camera': 'wide', 'timestamp_us': times[0] + 50_000, 'file': 'wide/0.jpg'}],
        'own_box': [[-1, -1, 0], [4, 1, 2]],
        'split': 'val',
    }  # fmt: skip


def load(folder, content):
    (folder / 'drive').mkdir(exist_ok=True)
    (folder / 'drive' / 'scene.json').write_text(json.dumps(content))
    return FolderSource(folder).load('drive')


def test_sweeps_of_all_lidars_are_in_order_of_time(tmp_path):
    scene = load(tmp_path, scene_file())
    assert len(scene.sweep_files) == 16 and (np.diff(scene.timestamps_us) > 0).all()
    assert scene.sweep_files[:3] == ('drive/front/0.bin', 'drive/rear/0.npy', 'drive/front/1.bin')
    assert scene.lidars[:3].tolist() == [0, 1, 0]
    assert (scene.lidar(1).name, scene.lidar(1).deskewed, scene.lidar(1).stamp) == ('rear', False, 'start')
    np.testing.assert_allclose(scene.global_from_ego[1, :3, 3], [0.2, 0, 0])
    np.testing.assert_allclose(scene.ego_from_lidar[0], poses(QUARTER, [1, 0, 2]))


def test_keyframes_are_half_a_second_apart_and_have_boxes_and_images(tmp_path):
    scene = load(tmp_path, scene_file())
    assert [scene.sweep_files[sweep] for sweep in scene.keyframe_sweeps] == [
        f'drive/front/{at}.bin' for at in (0, 5, 10)
    ]
    # 5 m to the right of the lidar is 5 m in front of it, since it is turned to the left.
    np.testing.assert_allclose(scene.tracks.global_from_box[1, 0, :3, 3], [5 + 1 + 5, 0, 1], atol=1e-9)
    assert len(scene.annotations.times_us) == 11
    assert [len(cameras.matrices) for cameras in scene.cameras] == [1, 0, 0]
    camera = scene.records[0].cameras['wide']
    assert camera.file == 'drive/wide/0.jpg'
    np.testing.assert_allclose(camera.global_from_ego[:3, 3], [0.5, 0, 0])


def test_keyframes_may_be_named(tmp_path):
    scene = load(tmp_path, scene_file() | {'keyframes_us': [START_US + 300_000]})
    assert [scene.sweep_files[sweep] for sweep in scene.keyframe_sweeps] == ['drive/front/3.bin']


def test_the_folder_says_what_it_is_and_what_scenes_are_for(tmp_path):
    load(tmp_path, scene_file())
    source = FolderSource(tmp_path)
    assert source.version == tmp_path.name and source.scene_names == ('drive',)
    assert source.splits == {'train': frozenset(), 'val': {'drive'}}
    assert source.taxonomy.labels == ('noise', 'car', 'ground', 'static')


def changed(path: str, value) -> dict:
    content = at = scene_file()
    *folders, last = path.split('.')
    for name in folders:
        at = at[int(name) if isinstance(at, list) else name]
    at[int(last) if isinstance(at, list) else last] = value
    return content


@pytest.mark.parametrize(
    'content,message',
    [
        (changed('sweeps.0.lidar', 'top'), '`sweeps` names top; there are front, rear'),
        (changed('sweeps.0.timestamp_us', 'now'), r'Expected `int`, got `str` - at `\$.sweeps\[0\].timestamp_us`'),
        (changed('sweeps.0.timestamp_us', 5), '`sweeps` has the timestamp_us 5, and `poses` reach from'),
        (changed('sweeps.0.label', 'a'), r'unknown field `label` - at `\$.sweeps\[0\]`'),
        (changed('sweeps', []), '`sweeps` is empty'),
        (changed('lidars.front.dtype', 'float31'), '`lidars.front.dtype` is float31'),
        (changed('lidars.front.stamp', 'late'), r'at `\$.lidars\[...\].stamp`'),
        (changed('lidars.front.turn_from_deg', 180), '`lidars.front.turn_from_deg` needs `period_s`'),
        (changed('poses.1.timestamp_us', START_US), r'`poses\[1\].timestamp_us` is not later'),
        (changed('poses.1.rotation', [0, 0, 0, 0]), r'`poses\[1\]` has no rotation'),
        (changed('boxes.2.size', [4, 0, 1]), r'`boxes\[2\].size` is'),
        (changed('boxes_frame', 'map'), '`boxes_frame` names map'),
        (changed('images.0.camera', 'rear'), '`images` names rear; there are wide'),
        (changed('own_box', [[1, 1, 1], [0, 2, 2]]), '`own_box` has'),
        (changed('keyframes_us', [1]), r'`keyframes_us` has \[1\]'),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as error:
        load(tmp_path, content)
    assert 'drive/scene.json: ' in str(error.value)


def test_tracks_that_contradict_themselves_are_named(tmp_path):
    with pytest.raises(ValueError, match=r'scene\.json: the track a is a car and a tram'):
        load(tmp_path, changed('boxes.3.category', 'tram'))


def test_a_folder_without_scenes_and_unknown_scenes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'has no folder with a scene\.json'):
        FolderSource(tmp_path)
    load(tmp_path, scene_file())
    with pytest.raises(ValueError, match='has no scene other'):
        FolderSource(tmp_path, ['other'])


def test_categories_of_points_need_a_taxonomy(tmp_path):
    with pytest.raises(ValueError, match=r'taxonomy\.yaml: missing, and drive/scene\.json has categories'):
        load(tmp_path, changed('sweeps.0.categories', 'front/0.label'))
