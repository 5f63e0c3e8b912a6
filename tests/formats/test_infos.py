"""The index of keyframes: geometry, labels and velocities, and that mmdet3d's own dataset reads it."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from project.formats import Keyframe, infos
from project.label_set import LabelSet
from project.sources.base import Lidar, PointLayout, Rig
from project.taxonomy import Taxonomy

CATEGORIES = ('vehicle.car', 'human.pedestrian.adult', 'animal')


def random_pose(rng: np.random.Generator, reach: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    pose[:3, 3] = rng.uniform(-reach, reach, 3)
    return pose


def make_records(count: int = 3, instances: tuple[str, ...] = ('a', 'b', 'c')) -> list[infos.KeyframeRecord]:
    """A scene in which object i moves i + 1 metres along x in each half second; every pose is random."""
    rng = np.random.default_rng(5)
    records = []
    for k in range(count):
        boxes = np.stack([random_pose(rng, 1000) for _ in instances]) if instances else np.zeros((0, 4, 4))
        boxes[:, :3, 3] = [(500 + k * (i + 1), 3, 1) for i in range(len(instances))] or np.zeros((0, 3))
        size = len(instances)
        cameras = {
            channel: infos.CameraRecord(
                f'samples/{channel}/{k}.jpg', f'{channel}{k}', 500_000 * k - 35_000,
                np.array([[1260, 0, 816], [0, 1260, 491], [0, 0, 1.0]]), random_pose(rng, 2), random_pose(rng, 1000),
            )
            for channel in ('CAM_FRONT', 'CAM_BACK')
        }  # fmt: skip
        records.append(
            infos.KeyframeRecord(
                Keyframe('scene-0061', 'scene', f'sample{k}', f'lidar{k}', f'{k}.pcd.bin'),
                500_000 * k, random_pose(rng, 2), random_pose(rng, 1000), cameras,
                infos.BoxRecords(instances, CATEGORIES[:size], boxes, np.full((size, 3), (4.5, 1.9, 1.6)),
                                 np.arange(size), np.zeros(size, int)),
                f'samples/LIDAR_TOP/{k}.pcd.bin',
            )
        )  # fmt: skip
    return records


def trams() -> Taxonomy:
    """Categories and labels of a recording of its own."""
    return replace(
        Taxonomy.nuscenes(),
        categories=('noise', 'tram', 'cyclist', 'street'),
        ground=range(3, 4),
        static=range(3, 4),
        porous=frozenset(),
        own_vehicle=None,
        labels=('noise', 'bicycle', 'tram', 'street'),
        label_of=np.array([0, 2, 1, 3, *[0] * 252], np.uint8),
    )


def test_lidar_point_takes_the_way_through_both_ego_poses():
    record = make_records()[1]
    camera = record.cameras['CAM_BACK']
    point = np.array([7.0, -5.0, 3.0, 1.0])
    expected = record.global_from_ego @ record.ego_from_lidar @ point
    image = infos.scene_infos([record])[0]['images']['CAM_BACK']
    through_camera = camera.global_from_ego @ camera.ego_from_camera @ np.array(image['lidar2cam']) @ point
    np.testing.assert_allclose(through_camera, expected, atol=1e-9)
    assert image['img_path'] == 'samples/CAM_BACK/1.jpg' and image['timestamp'] == 0.465


def test_boxes_are_in_the_lidar_frame_with_detection_labels():
    records = make_records()
    instances = infos.scene_infos(records)[1]['instances']
    assert [instance['bbox_label_3d'] for instance in instances] == [0, 7, -1]
    assert [instance['bbox_3d_isvalid'] for instance in instances] == [False, True, True]
    global_from_lidar = records[1].global_from_ego @ records[1].ego_from_lidar
    for i, instance in enumerate(instances):
        x, y, z, length, width, height, yaw = instance['bbox_3d']
        np.testing.assert_allclose((global_from_lidar @ [x, y, z, 1])[:3], [501 + i, 3, 1], atol=1e-9)
        assert (length, width, height) == (4.5, 1.9, 1.6)
        forward = global_from_lidar[:3, :3].T @ records[1].boxes.global_from_box[i, :3, 0]
        np.testing.assert_allclose(np.tan(yaw), forward[1] / forward[0])


def test_velocity_comes_from_the_neighbouring_annotations():
    records = make_records(4)
    # Object b misses the second keyframe, object c is only in the last.
    seen = [(0, 1), (0,), (0, 1), (0, 1, 2)]
    for k, kept in enumerate(seen):
        chosen = list(kept)
        boxes = records[k].boxes
        fields = (tuple(np.array(boxes.instances)[chosen]), tuple(np.array(boxes.categories)[chosen]))
        arrays = (boxes.global_from_box, boxes.sizes, boxes.num_lidar_pts, boxes.num_radar_pts)
        reduced = infos.BoxRecords(*fields, *(array[chosen] for array in arrays))
        records[k] = infos.KeyframeRecord(*(getattr(records[k], name) for name in (
            'keyframe', 'timestamp_us', 'ego_from_lidar', 'global_from_ego', 'cameras')), reduced)  # fmt: skip
    entries = infos.scene_infos(records)
    for k, kept in enumerate(seen):
        turn = (records[k].global_from_ego @ records[k].ego_from_lidar)[:3, :3].T
        for b, i in enumerate(kept):
            expected = [np.nan] * 2 if i == 2 else (turn @ [2.0 * (i + 1), 0, 0])[:2]
            np.testing.assert_allclose(entries[k]['instances'][b]['velocity'], expected, atol=1e-9)


def test_keyframes_know_their_neighbours_and_their_labels():
    entries = infos.scene_infos(make_records())
    assert [(info['prev'], info['next']) for info in entries] == [
        ('', 'sample1'), ('sample0', 'sample2'), ('sample1', ''),
    ]  # fmt: skip
    assert entries[1]['occupancy_path']['occ3d'] == 'gts/scene-0061/sample1/labels.npz'
    assert entries[1]['scene_token'] == 'scene'


def test_scene_without_boxes():
    assert infos.scene_infos(make_records(instances=()))[0]['instances'] == []


def test_file_round_trip_same_bytes_whatever_made_the_strings(tmp_path):
    entries = infos.scene_infos(make_records())
    infos.write(tmp_path / 'a.pkl', entries, infos.metainfo('v1.0-mini'))
    travelled = infos.scene_infos(pickle.loads(pickle.dumps(copy.deepcopy(make_records()))))
    infos.write(tmp_path / 'b.pkl', travelled, infos.metainfo('v1.0-mini'))
    assert (tmp_path / 'a.pkl').read_bytes() == (tmp_path / 'b.pkl').read_bytes()
    content = infos.read(tmp_path / 'a.pkl')
    assert [info['sample_idx'] for info in content['data_list']] == [0, 1, 2]
    assert content['metainfo']['version'] == 'v1.0-mini'


class Intruder:
    def __reduce__(self):
        return print, ('this ran',)


def test_code_is_not_run(tmp_path, capsys):
    content = {'data_list': [{'occupancy_path': Intruder()}]}
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r'a\.pkl: not an index of keyframes .*it asks for builtins\.print'):
        infos.read(tmp_path / 'a.pkl')
    assert 'this ran' not in capsys.readouterr().out


@pytest.mark.parametrize('content', [b'', b'nothing', pickle.dumps([1]), pickle.dumps({'data_list': [{}]})])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / 'a.pkl').write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.pkl: not an index of keyframes'):
        infos.read(tmp_path / 'a.pkl')


@pytest.mark.parametrize(
    ('category', 'number'),
    [('animal', -1), ('vehicle.truck', 1), ('vehicle.bus.rigid', 3), ('movable_object.barrier', 9)],
)
def test_dataset_of_mmdet3d_reads_it(tmp_path, category, number):
    from mmdet3d.datasets import NuScenesDataset

    categories = ('vehicle.car', 'human.pedestrian.adult', category)
    records = [replace(record, boxes=replace(record.boxes, categories=categories)) for record in make_records()]
    infos.write(tmp_path / 'a.pkl', infos.scene_infos(records), infos.metainfo('v1.0-mini'))
    dataset = NuScenesDataset(
        data_root=str(tmp_path), ann_file='a.pkl', modality={'use_camera': True, 'use_lidar': True},
        data_prefix={'pts': '', 'CAM_FRONT': '', 'CAM_BACK': ''},
    )  # fmt: skip
    info = dataset.get_data_info(1)
    assert info['images']['CAM_FRONT']['img_path'] == f'{tmp_path}/samples/CAM_FRONT/1.jpg'
    assert info['lidar_points']['lidar_path'] == f'{tmp_path}/samples/LIDAR_TOP/1.pcd.bin'
    assert info['ann_info']['gt_labels_3d'].tolist() == [7, number]


def test_an_index_of_an_earlier_version_is_told(tmp_path):
    content = {'metainfo': {'version': 'v1.0-mini', 'info_version': '1.1'}, 'data_list': [{'occupancy_path': {}}]}
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(content))
    with pytest.raises(infos.OldIndexError, match=r'a\.pkl: an index of an earlier version.*data_converter\.py again'):
        infos.read(tmp_path / 'a.pkl')


def test_classes_categories_and_rig_come_back(tmp_path):
    layout = PointLayout(('x', 'y', 'z', 'reflectance'), 'float64', 1.0)
    rig = Rig((Lidar('roof', layout), Lidar('bumper')), ('left', 'right'), np.zeros((2, 3)))
    infos.write(tmp_path / 'a.pkl', [], infos.metainfo('own', trams(), rig))
    metainfo = infos.read(tmp_path / 'a.pkl')['metainfo']
    assert LabelSet.stated_in(metainfo) == LabelSet.of(trams())
    assert metainfo['category_labels'] == {'noise': 0, 'tram': 2, 'cyclist': 1, 'street': 3}
    found = infos.rig_of(metainfo)
    assert found.cameras == rig.cameras and found.lidars == rig.lidars


def test_boxes_of_other_classes():
    records = [replace(record, boxes=replace(record.boxes, categories=('tram', 'cyclist', 'street'))) for record in
               make_records()]  # fmt: skip
    instances = infos.scene_infos(records, trams())[0]['instances']
    assert [instance['occupancy_class'] for instance in instances] == [2, 1, 3]
    assert infos.metainfo('own', trams())['categories'] == {'bicycle': 0, 'tram': 1}
    assert [instance['bbox_label_3d'] for instance in instances] == [1, 0, -1]


def test_paths_and_sizes_are_as_the_recording_has_them():
    (entry,) = infos.scene_infos(make_records(1))
    assert entry['lidar_points']['lidar_path'] == 'samples/LIDAR_TOP/0.pcd.bin'
    assert entry['lidar_points']['name'] == 'LIDAR_TOP' and entry['lidar_points']['num_pts_feats'] == 5
    assert 'width' not in entry['images']['CAM_FRONT']
    record = make_records(1)[0]
    sized = {name: replace(camera, size_px=(1600, 900)) for name, camera in record.cameras.items()}
    (entry,) = infos.scene_infos([replace(record, cameras=sized)])
    assert (entry['images']['CAM_FRONT']['width'], entry['images']['CAM_FRONT']['height']) == (1600, 900)
    assert infos.keyframe(entry) == record.keyframe
