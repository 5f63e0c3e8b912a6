"""The dataset: files, geometry, queues, and what it says when something is missing."""

import pickle

import numpy as np
import pytest
from keyframes import CHANNELS, make_records, write_data
from mmdet3d.registry import DATASETS

from project.datasets import NuScenesOccupancyDataset
from project.formats import infos

INDEX = 'occupancy/nuscenes_infos_train.pkl'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp('data')
    write_data(path)
    return path


@pytest.fixture(scope='module')
def records():
    return [record for scene in make_records().values() for record in scene]


def open_index(root, **options) -> NuScenesOccupancyDataset:
    # Serialising collects garbage, which takes a second among all that the tests have imported.
    options = {'cameras': CHANNELS, 'serialize_data': False, **options}
    return NuScenesOccupancyDataset(INDEX, data_root=str(root), **options)


def project(matrix: np.ndarray, point: np.ndarray) -> np.ndarray:
    image = matrix @ [*point, 1.0]
    return image[:2] / image[2]


def pixel_through_the_world(record, channel: str, point_in_global: np.ndarray) -> np.ndarray:
    camera = record.cameras[channel]
    in_camera = np.linalg.inv(camera.global_from_ego @ camera.ego_from_camera) @ [*point_in_global, 1.0]
    image = camera.camera_matrix @ in_camera[:3]
    return image[:2] / image[2]


@pytest.mark.parametrize('frame', ['lidar', 'ego'])
def test_a_point_of_the_grid_frame_lands_where_the_camera_sees_it(root, records, frame):
    dataset = open_index(root, frame=frame)
    for index, record in enumerate(records):
        info = dataset.get_data_info(index)
        global_from_grid = record.global_from_ego @ (record.ego_from_lidar if frame == 'lidar' else np.eye(4))
        np.testing.assert_allclose(info['global_from_grid'][0], global_from_grid, atol=1e-9)
        point = np.array([7.0, -5.0, 3.0])
        in_global = (global_from_grid @ [*point, 1.0])[:3]
        for c, channel in enumerate(CHANNELS):
            pixel = pixel_through_the_world(record, channel, in_global)
            np.testing.assert_allclose(project(info['lidar2img'][0, c], point), pixel, rtol=1e-6, atol=1e-6)
        assert info['lidar2img'].dtype == np.float64 and info['frame'] == frame


def test_queue_stays_in_the_scene_and_says_what_does_not_exist(root, records):
    dataset = open_index(root, queue_length=3)
    expected = [([0, 0, 0], 1), ([0, 0, 1], 2), ([0, 1, 2], 3), ([3, 3, 3], 1), ([3, 3, 4], 2)]
    for index, (queue, existing) in enumerate(expected):
        info = dataset.get_data_info(index)
        assert info['frame_exists'].tolist() == [False] * (3 - existing) + [True] * existing
        for frame, number in enumerate(queue):
            pose = records[number].global_from_ego @ records[number].ego_from_lidar
            np.testing.assert_allclose(info['global_from_grid'][frame], pose, atol=1e-9)
            assert info['image_files'][frame] == [
                str(root / records[number].cameras[channel].file) for channel in CHANNELS
            ]


def test_a_queue_without_images_of_earlier_keyframes(root):
    with_images, without = (open_index(root, queue_length=3, earlier_images=each) for each in (True, False))
    assert with_images.scenes() == without.scenes()
    for whole, own in zip(with_images, without, strict=True):
        for name in ('frame_tokens', 'frame_exists'):
            np.testing.assert_array_equal(own[name], whole[name])
        for name in ('image_files', 'lidar2img', 'global_from_grid'):
            np.testing.assert_array_equal(own[name], whole[name][-1:])


def test_scenes_are_in_order_of_time(root):
    dataset = open_index(root, queue_length=2)
    scenes = dataset.scenes()
    assert sorted(index for scene in scenes for index in scene) == list(range(len(dataset)))
    assert len(scenes) == len(make_records())
    for first, *others in scenes:
        assert not dataset[first]['frame_exists'][0]
        for before, index in zip([first, *others], others, strict=False):
            assert dataset[index]['frame_tokens'] == [dataset[before]['sample_token'], dataset[index]['sample_token']]


def test_queue_of_a_subset_reaches_beyond_it(root):
    dataset = open_index(root, queue_length=2, indices=[2])
    assert len(dataset) == 1
    assert dataset.get_data_info(0)['frame_exists'].tolist() == [True, True]


def test_cameras_in_the_order_asked_for(root):
    dataset = open_index(root, cameras=CHANNELS[::-1])
    usual = open_index(root)
    np.testing.assert_array_equal(dataset.get_data_info(1)['lidar2img'], usual.get_data_info(1)['lidar2img'][:, ::-1])


def test_the_order_of_cameras_is_not_that_of_the_index(root, records, tmp_path):
    index = tmp_path / 'reversed.pkl'
    content = infos.read(root / INDEX)
    for entry in content['data_list']:
        entry['images'] = dict(reversed(entry['images'].items()))
    index.write_bytes(pickle.dumps(content))
    found = NuScenesOccupancyDataset(str(index), data_root=str(root), cameras=CHANNELS, serialize_data=False)
    assert found.get_data_info(1)['image_files'] == open_index(root).get_data_info(1)['image_files']


def test_it_is_registered_lazy_and_serialised(root):
    options = dict(ann_file=INDEX, data_root=str(root), lazy_init=True, cameras=CHANNELS)
    config = dict(type='NuScenesOccupancyDataset', **options)
    dataset = DATASETS.build(config)
    assert not dataset._fully_initialized
    dataset.full_init()
    assert len(dataset) == 5 and not dataset.data_list and dataset.data_bytes.dtype == np.uint8
    assert dataset.metainfo['label_names'][17] == 'free'


def test_an_index_without_keyframes_is_named(tmp_path):
    (tmp_path / 'occupancy').mkdir()
    infos.write(tmp_path / INDEX, [], infos.metainfo('v1.0-mini'))
    with pytest.raises(ValueError, match='infos_train.pkl: lists no keyframes'):
        open_index(tmp_path)


def test_missing_index_is_named_with_the_command(root):
    with pytest.raises(FileNotFoundError, match=r'infos_val\.pkl: missing.*python data_converter\.py --dataroot'):
        NuScenesOccupancyDataset('occupancy/nuscenes_infos_val.pkl', data_root=str(root))


@pytest.mark.parametrize(
    ('options', 'message'),
    [({'frame': 'world'}, 'frame'), ({'queue_length': 0}, 'queue_length'), ({'cameras': ['CAM_UP']}, 'CAM_UP')],
)
def test_options_that_do_not_exist_are_refused(root, options, message):
    with pytest.raises(ValueError, match=message):
        open_index(root, **options)
