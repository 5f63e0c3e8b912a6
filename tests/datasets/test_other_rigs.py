"""Any number of cameras with any names and sizes, files anywhere, and classes of the recording's own."""

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from keyframes import pose
from mmengine.dataset import pseudo_collate

from project.datasets import NuScenesOccupancyDataset, OccupancyDataPreprocessor
from project.datasets.images import fitted
from project.formats import Keyframe, infos, points
from project.label_set import LabelSet
from project.sources.base import Rig
from project.taxonomy import Taxonomy

SIZES = {'left': (48, 80), 'roof/front': (30, 100), 'rear': (48, 80)}
"""Rows and columns of the images of each camera."""

MATRIX = np.array([[60.0, 0, 40], [0, 60, 20], [0, 0, 1]])
NO_BOXES = infos.BoxRecords((), (), np.zeros((0, 4, 4)), np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int))


def two_classes() -> Taxonomy:
    """Categories of a recording of its own."""
    return replace(
        Taxonomy.nuscenes(),
        categories=('noise', 'tram', 'street', 'house'),
        ground=range(2, 3),
        static=range(2, 4),
        porous=frozenset(),
        own_vehicle=None,
        labels=('noise', 'tram', 'ground', 'not there'),
        label_of=np.array([0, 1, 2, 2, *[0] * 252], np.uint8),
    )


def write_recording(root, taxonomy: Taxonomy) -> infos.KeyframeRecord:
    """A keyframe with images of one grey level, an index and a file of points."""
    rng = np.random.default_rng(3)
    cameras = {}
    for number, (name, size) in enumerate(SIZES.items()):
        file = f'log 7/{name}/0.png'
        (root / file).parent.mkdir(parents=True)
        cv2.imwrite(str(root / file), np.full((*size, 3), 50 + 50 * number, np.uint8))
        cameras[name] = infos.CameraRecord(file, name, 0, MATRIX, pose(rng, 2), pose(rng, 500), size[::-1])
    names = Keyframe('drive', 'drive-token', 'keyframe-0', 'lidar-0', '0.bin')
    record = infos.KeyframeRecord(names, 0, pose(rng, 2), pose(rng, 500), cameras, NO_BOXES, 'log 7/lidar/0.bin')
    metainfo = infos.metainfo('own', taxonomy, Rig.nuscenes(tuple(SIZES)))
    infos.write(root / 'occupancy/own.pkl', infos.scene_infos([record], taxonomy), metainfo)
    points.write(root / 'occupancy/0.bin', np.array([[1.5, 2.5, 0.5, 0, 1], [3.5, 2.5, 0.5, 0, 3]]))
    return record


def open_recording(root, *steps: dict, **options) -> NuScenesOccupancyDataset:
    pipeline = [*steps, {'type': 'PackOccupancyInputs'}]
    return NuScenesOccupancyDataset('occupancy/own.pkl', data_root=str(root), pipeline=pipeline, **options)


def test_cameras_are_those_of_the_index(tmp_path):
    record = write_recording(tmp_path, two_classes())
    dataset = open_recording(tmp_path)
    assert dataset.metainfo['cameras'] == tuple(SIZES)
    info = dataset.get_data_info(0)
    assert info['image_files'] == [[str(tmp_path / camera.file) for camera in record.cameras.values()]]
    assert open_recording(tmp_path, cameras=['rear']).get_data_info(0)['lidar2img'].shape == (1, 1, 4, 4)
    with pytest.raises(ValueError, match=r'keyframe-0 has no image of .*front'):
        open_recording(tmp_path, cameras=['front'])


@pytest.mark.parametrize('reduced_by', [1, 2])
def test_images_of_another_size_than_that_of_their_calibration_are_refused(tmp_path, reduced_by):
    record = write_recording(tmp_path, two_classes())
    dataset = open_recording(tmp_path, {'type': 'LoadSurroundImages', 'reduced_by': reduced_by})
    assert dataset[0]['data_samples'].ori_shape
    camera = list(record.cameras.values())[-1]
    file = tmp_path / camera.file
    cv2.imwrite(str(file), cv2.resize(cv2.imread(str(file)), None, fx=0.5, fy=0.5))
    width, height = camera.size_px
    with pytest.raises(ValueError, match=rf'{re.escape(str(file))}: has .* the index states {width} x {height}, which'):
        dataset[0]


def test_a_recording_without_cameras_is_refused(tmp_path):
    record = replace(write_recording(tmp_path, two_classes()), cameras={})
    infos.write(
        tmp_path / 'occupancy/own.pkl', infos.scene_infos([record]), infos.metainfo('own', rig=Rig.nuscenes(()))
    )
    with pytest.raises(ValueError, match=r'own\.pkl: its recordings have no cameras'):
        open_recording(tmp_path)


def test_images_of_two_sizes_become_a_stack_and_projections_follow(tmp_path):
    record = write_recording(tmp_path, two_classes())
    packed = open_recording(tmp_path, {'type': 'LoadSurroundImages'})[0]
    images, sample = packed['inputs']['imgs'], packed['data_samples']
    assert images.shape == (3, 3, 48, 100) and sample.ori_shape == (48, 100) and sample.cameras == tuple(SIZES)
    # The first and the last are as they were and end in black; the middle one is as wide as the stack and less high.
    assert (images[0, :, :, :80] == 50).all() and (images[0, :, :, 80:] == 0).all()
    assert (images[1, :, :30] == 100).all() and (images[1, :, 30:] == 0).all()
    global_from_lidar = record.global_from_ego @ record.ego_from_lidar
    for number, camera in enumerate(record.cameras.values()):
        global_from_camera = camera.global_from_ego @ camera.ego_from_camera
        lidar_from_camera = np.linalg.inv(global_from_lidar) @ global_from_camera
        u, v, depth, _ = sample.lidar2img[number] @ lidar_from_camera @ [0.5, -0.25, 2.0, 1.0]
        np.testing.assert_allclose([u / depth, v / depth], [60 * 0.25 + 40, 60 * -0.125 + 20], rtol=1e-9)
    batch = OccupancyDataPreprocessor(mean=(0, 0, 0), pad_divisor=32)(pseudo_collate([packed, packed]))
    assert batch['inputs']['imgs'].shape == (2, 3, 3, 64, 128)


@pytest.mark.parametrize('size', [(20, 33), (96, 160), (48, 30)])
def test_a_fitted_image_and_its_projection_agree(size):
    image = np.zeros((48, 80, 3), np.uint8)
    image[8:16, 40:56] = 255
    result, transform = fitted(image, size)
    assert result.shape == (*size, 3)
    rows, columns = np.nonzero(result[..., 0] > 127)
    centre = transform @ [48, 12, 1, 1]
    np.testing.assert_allclose([(columns + 0.5).mean(), (rows + 0.5).mean()], centre[:2], atol=0.6)
    factors = transform.diagonal()[:2]
    assert min(size[1] / 80, size[0] / 48) == pytest.approx(factors.mean(), rel=0.03)


def test_a_size_can_be_asked_for(tmp_path):
    write_recording(tmp_path, two_classes())
    packed = open_recording(tmp_path, {'type': 'LoadSurroundImages', 'size': (24, 40)})[0]
    assert packed['inputs']['imgs'].shape == (3, 3, 24, 40)
    scaling = ({'type': 'LoadSurroundImages'}, {'type': 'ScaleSurroundImages', 'factor': 0.5})
    packed = open_recording(tmp_path, *scaling)[0]
    assert packed['inputs']['imgs'].shape == (3, 3, 24, 50) and packed['data_samples'].ori_shape == (48, 100)


def test_classes_are_those_of_the_index(tmp_path):
    write_recording(tmp_path, two_classes())
    metainfo = open_recording(tmp_path).metainfo
    assert metainfo['classes'] == ('tram', 'ground')
    labels = LabelSet.stated_in(metainfo)
    assert labels.classes == (1, 2) and labels.names[17] == 'free' and labels.names[3] == ''


def test_points_take_the_labels_that_the_index_gives_their_categories(tmp_path):
    write_recording(tmp_path, two_classes())
    grid = {'frame': 'lidar', 'extent': (0, 0, 0, 5, 5, 3), 'voxel_size': 1.0}
    loading = {'type': 'LoadOccupancyLabels', 'format': 'points', 'grid': grid}
    target = open_recording(tmp_path, {'type': 'LoadSurroundImages'}, loading)[0]['data_samples'].gt_occupancy
    assert (target[1, 2, 0], target[3, 2, 0], target[0, 0, 0]) == (1, 2, 17)


def test_a_mapping_of_the_pipeline_names_the_classes(tmp_path):
    write_recording(tmp_path, Taxonomy.nuscenes())
    mapping = tmp_path / 'own.yaml'
    names = '\n'.join(f'  {index}: {0 if index == 0 else 3}' for index in range(32))
    mapping.write_text(f'learning_map:\n{names}\nlabels_16:\n  0: noise\n  3: anything\n')
    grid = {'frame': 'lidar', 'extent': (0, 0, 0, 5, 5, 3), 'voxel_size': 1.0}
    loading = {'type': 'LoadOccupancyLabels', 'format': 'points', 'grid': grid, 'label_mapping': str(mapping)}
    dataset = open_recording(tmp_path, {'type': 'LoadSurroundImages'}, loading)
    assert dataset.metainfo['classes'] == ('anything',)
    assert dataset[0]['data_samples'].gt_occupancy[3, 2, 0] == 3


def test_a_mapping_of_the_pipeline_is_for_the_categories_of_the_index(tmp_path):
    write_recording(tmp_path, two_classes())
    mapping = tmp_path / 'own.yaml'
    mapping.write_text('learning_map: {noise: 0, tram: 1, street: 2, house: 4}\nlabels_16: {4: house}\n')
    grid = {'frame': 'lidar', 'extent': (0, 0, 0, 5, 5, 3), 'voxel_size': 1.0}
    loading = {'type': 'LoadOccupancyLabels', 'format': 'points', 'grid': grid, 'label_mapping': str(mapping)}
    dataset = open_recording(tmp_path, {'type': 'LoadSurroundImages'}, loading)
    assert dataset.metainfo['classes'] == ('tram', 'ground', 'house')
    target = dataset[0]['data_samples'].gt_occupancy
    assert (target[1, 2, 0], target[3, 2, 0]) == (1, 4)
    mapping.write_text('learning_map: {noise: 0, tram: 1}\n')
    with pytest.raises(ValueError, match='own.yaml: learning_map has no entry for'):
        open_recording(tmp_path, {'type': 'LoadSurroundImages'}, loading)
