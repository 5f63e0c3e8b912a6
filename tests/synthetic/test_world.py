"""The synthetic world as nuscenes-devkit sees it."""

from pathlib import Path

import numpy as np
import pytest
from nuscenes import NuScenes
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box
from nuscenes.utils.splits import create_splits_scenes
from PIL import Image

from project.synthetic import Difficulties, WorldSettings, make_world, rig
from project.synthetic.world_settings import SETTINGS_FILE
from project.taxonomy import RAW_NAMES


@pytest.fixture(scope='module')
def devkit(tiny_world: Path) -> NuScenes:
    return NuScenes('v1.0-mini', str(tiny_world), verbose=False)


def readings(devkit: NuScenes, scene: dict, channel: str) -> list[dict]:
    """The chain of a sensor's readings of a scene, followed by `next`."""
    row = devkit.get('sample_data', devkit.get('sample', scene['first_sample_token'])['data'][channel])
    found = [row]
    while row['next']:
        row = devkit.get('sample_data', row['next'])
        found.append(row)
    return found


def test_tables(devkit: NuScenes) -> None:
    assert [len(getattr(devkit, name)) for name in ('scene', 'sample', 'lidarseg', 'map', 'log')] == [2, 6, 6, 2, 2]
    assert [devkit.lidarseg_idx2name_mapping[index] for index in range(32)] == list(RAW_NAMES)
    tokens = [row['token'] for name in devkit.table_names for row in getattr(devkit, name) if name != 'visibility']
    assert all(len(token) == 32 and set(token) <= set('0123456789abcdef') for token in tokens)
    splits = create_splits_scenes()
    assert devkit.scene[0]['name'] in splits['mini_train'] and devkit.scene[1]['name'] in splits['mini_val']


def test_readings_and_their_chains(devkit: NuScenes, tiny_world: Path) -> None:
    for scene in devkit.scene:
        lidar = readings(devkit, scene, 'LIDAR_TOP')
        assert [row['is_key_frame'] for row in lidar] == ([True] + [False] * 9) * 2 + [True]
        assert np.diff([row['timestamp'] for row in lidar]).tolist() == [50_000] * 20
        samples = [devkit.get('sample', row['sample_token']) for row in lidar]
        # A sweep belongs to the keyframe that follows.
        assert [sample['timestamp'] - row['timestamp'] for sample, row in zip(samples, lidar, strict=True)] == [
            (-number % 10) * 50_000 for number in range(21)
        ]
        for channel, camera in rig.NUSCENES.cameras.items():
            rows = readings(devkit, scene, channel)
            keyframes = [devkit.get('sample', row['sample_token'])['timestamp'] for row in rows]
            assert [row['timestamp'] - key for row, key in zip(rows, keyframes, strict=True)] == [camera.delay_us] * 3
            assert all(Image.open(tiny_world / row['filename']).size == (row['width'], row['height']) for row in rows)
    for row in devkit.sample_data:
        pose = devkit.get('ego_pose', row['ego_pose_token'])
        assert pose['timestamp'] == row['timestamp'] and pose['translation'][2] == 0
        assert np.linalg.norm(pose['rotation']) == pytest.approx(1)


def test_every_point_has_a_label(devkit: NuScenes, tiny_world: Path) -> None:
    for record in devkit.lidarseg:
        path = tiny_world / devkit.get('sample_data', record['sample_data_token'])['filename']
        points = np.fromfile(path, np.float32).reshape(-1, 5)
        labels = np.fromfile(tiny_world / record['filename'], np.uint8)
        assert len(labels) == len(points) == 32 * rig.FIRINGS
        assert labels.max() <= 31
        near = np.linalg.norm(points[:, :3], axis=1) < 1
        assert 0.15 < near.mean() < 0.3 and set(labels[near]) == {0, 31}
        assert points[:, 3].min() >= 0 and points[:, 3].max() <= 255
        assert (points[:, 4].reshape(-1, 32) == np.arange(32)).all()


def test_tracks(devkit: NuScenes) -> None:
    assert len(devkit.sample_annotation) > 100
    for instance in devkit.instance:
        row = devkit.get('sample_annotation', instance['first_annotation_token'])
        times = [devkit.get('sample', row['sample_token'])['timestamp']]
        while row['next']:
            following = devkit.get('sample_annotation', row['next'])
            assert following['prev'] == row['token'] and following['instance_token'] == instance['token']
            row = following
            times.append(devkit.get('sample', row['sample_token'])['timestamp'])
        assert row['token'] == instance['last_annotation_token'] and len(times) == instance['nbr_annotations']
        assert np.diff(times).tolist() == [500_000] * (len(times) - 1)


def test_points_in_boxes_are_counted_as_the_devkit_does(devkit: NuScenes) -> None:
    for sample in devkit.sample:
        path, boxes, _ = devkit.get_sample_data(sample['data']['LIDAR_TOP'])
        points = LidarPointCloud.from_file(path).points[:3]
        counts = [devkit.get('sample_annotation', box.token)['num_lidar_pts'] for box in boxes]
        assert [points_in_box(box, points).sum() for box in boxes] == counts
        assert not boxes or sum(counts) > 300


def test_quiet_start(devkit: NuScenes) -> None:
    first = [devkit.get('sample', scene['first_sample_token']) for scene in devkit.scene]
    assert first[0]['anns'] and not first[1]['anns']
    assert devkit.get('sample', first[1]['next'])['anns']


def test_the_map_shows_the_street_under_the_car(devkit: NuScenes) -> None:
    for scene, record in zip(devkit.scene, devkit.map, strict=True):
        for row in readings(devkit, scene, 'LIDAR_TOP')[::10]:
            x, y, _ = devkit.get('ego_pose', row['ego_pose_token'])['translation']
            assert record['mask'].is_on_mask(x, y).all()
        assert 0.05 < (record['mask'].mask() > 0).mean() < 0.6


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob('*')) if path.is_file()}


def test_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    settings = WorldSettings.tiny(scenes=1, keyframes=2, image_size=(40, 24), difficulties=Difficulties.all())
    make_world(tmp_path / 'one', settings)
    make_world(tmp_path / 'two', settings, workers=2)
    one, two = files(tmp_path / 'one'), files(tmp_path / 'two')
    assert one == two
    assert WorldSettings.load(tmp_path / 'two') == settings and SETTINGS_FILE in one


@pytest.mark.parametrize('wrong', [
    dict(scenes=0), dict(keyframes=0), dict(image_size=(8, 900)), dict(scene_names=('scene-0061',)),
    dict(scene_names=('scene-0061', 'scene-0061')),
])  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        WorldSettings(**wrong)
