"""``project.load``: the labels of tools/test.py from plain arrays."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from tiny_model import CONFIG, ROOT

import project
from project.datasets.images import scaled, scaled_projection
from project.inference.calibration import image_from_grid
from project.taxonomy import CAMERAS


@pytest.fixture(scope='module')
def model(checkpoint):
    return project.load(CONFIG, checkpoint, device='cpu')


def saved_predictions(config, checkpoint, labels, tiny_world, folder, *options):
    """Labels of tools/test.py by token."""
    command = [sys.executable, 'tools/test.py', config, checkpoint, '--save-predictions', folder, *options]
    command += ['--work-dir', folder / 'work', '--cfg-options', f'test_dataloader.dataset.data_root={tiny_world}']
    command += [f'test_dataloader.dataset.ann_file={labels}/nuscenes_infos_val.pkl', 'test_dataloader.num_workers=0']
    command += [f'test_dataloader.dataset.data_prefix.occupancy={labels}']
    environment = {**os.environ, 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {file.stem: np.load(file)['arr_0'] for file in folder.glob('*.npz')}


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ('queue', 'options'), [(False, []), pytest.param(True, [], marks=SLOW), pytest.param(False, ['--amp'], marks=SLOW)]
)
def test_the_labels_of_a_whole_test(
    checkpoint, tiny_labels, tiny_world, keyframes, queue_config, tmp_path, queue, options
):
    config = queue_config if queue else CONFIG
    expected = saved_predictions(config, checkpoint, tiny_labels, tiny_world, tmp_path, *options)
    model = project.load(config, checkpoint, device='cpu', amp='--amp' in options)
    assert len(keyframes) == len(expected) == 3
    for token, moment in keyframes.items():
        prediction = model.predict(*moment)
        assert prediction.grid == model.grid
        np.testing.assert_array_equal(prediction.dense(), expected[token])
        assert len(np.unique(expected[token])) > 3


def test_the_past_counts_until_it_is_forgotten(queue_config, checkpoint, keyframes):
    model = project.load(queue_config, checkpoint, device='cpu')
    first, second, _ = keyframes.values()
    alone = model.predict(*first).dense()
    after = model.predict(*second).dense()
    model.forget()
    assert (model.predict(*second).dense() != after).any()
    model.forget()
    np.testing.assert_array_equal(model.predict(*first).dense(), alone)
    with pytest.raises(ValueError, match='no global_from_grid: this model looks at 3 moments in a row'):
        model.predict(*first[:2])


def test_the_model_is_told_what_was_when_and_where(queue_config, checkpoint, keyframes, tmp_path, monkeypatch):
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = '{queue_config}'\ntest_dataloader = dict(dataset=dict(cameras={CAMERAS[::-1]}))\n")
    model, told = project.load(config, checkpoint, device='cpu'), []
    nothing = BaseDataElement(pred_occupancy=torch.zeros(model.grid.shape, dtype=torch.uint8))
    monkeypatch.setattr(model.model, 'test_step', lambda batch: told.append(batch) or [nothing])
    first, second, third = keyframes.values()
    for moment in (first, second, third, first):
        model.predict(*moment)
    queues = (first, first, first), (first, first, second), (first, second, third), (second, third, first)
    exists = [False, False, True], [False, True, True], [True, True, True], [True, True, True]
    for batch, queue, flags in zip(told, queues, exists, strict=True):
        metainfo = batch['data_samples'][0].metainfo
        assert metainfo['frame_exists'].tolist() == flags
        for moment, (files, calibration, pose) in enumerate(queue):
            np.testing.assert_allclose(metainfo['global_from_grid'][moment], pose)
            for place, name in enumerate(CAMERAS[::-1]):
                image = cv2.imread(str(files[name]))
                found = batch['inputs']['imgs'][0][moment, place].movedim(0, -1).numpy()
                np.testing.assert_array_equal(found, scaled(image, 0.25))
                projection = image_from_grid(name, calibration[name], 'lidar', image.shape[:2])
                found = metainfo['lidar2img'][moment, place]
                np.testing.assert_allclose(found, scaled_projection(projection, 0.25, image.shape[:2]))


def test_arrays_and_files_are_the_same(model, keyframes):
    files, calibration, _ = next(iter(keyframes.values()))
    arrays = {name: cv2.imread(str(file)) for name, file in reversed(files.items())}
    from_files, from_arrays = (model.predict(images, calibration).dense() for images in (files, arrays))
    np.testing.assert_array_equal(from_arrays, from_files)
    swapped = {**arrays, 'CAM_FRONT': arrays['CAM_BACK'], 'CAM_BACK': arrays['CAM_FRONT']}
    assert (model.predict(swapped, calibration).dense() != from_files).any()


@pytest.fixture
def given(keyframes):
    """Images and calibration that a test may spoil."""
    files, calibration, _ = next(iter(keyframes.values()))
    images = {name: cv2.imread(str(file)) for name, file in files.items()}
    return images, {name: dict(camera) for name, camera in calibration.items()}


def spoil(images, calibration, fault):
    """One thing that is wrong."""
    if fault in ('image', 'calibration'):
        del (images if fault == 'image' else calibration)['CAM_BACK']
    elif fault == 'pose':
        calibration['CAM_BACK']['ego_from_camera'] = calibration['CAM_BACK'].pop('lidar_from_camera')
    elif fault == 'transposed':
        calibration['CAM_BACK']['lidar_from_camera'] = np.transpose(calibration['CAM_BACK']['lidar_from_camera'])
    elif fault == 'floats':
        images['CAM_BACK'] = images['CAM_BACK'] / 255
    elif fault == 'file':
        images['CAM_BACK'] = 'absent.jpg'
    else:
        every = images if fault == 'scaled' else ['CAM_BACK']
        images.update({name: images[name][::2, ::2] for name in every})


@pytest.mark.parametrize(
    ('fault', 'sentence'),
    [
        ('image', 'no image of CAM_BACK; the model needs CAM_FRONT, CAM_FRONT_RIGHT'),
        ('calibration', 'no calibration of CAM_BACK;'),
        ('pose', r'CAM_BACK: its calibration has no lidar_from_camera \(it has intrinsics, ego_from_camera\)'),
        ('transposed', r'CAM_BACK: lidar_from_camera must be 4x4 finite numbers with the last row \[0, 0, 0, 1\]'),
        ('floats', r'CAM_BACK: the image is \(90, 160, 3\) float64'),
        ('file', 'absent.jpg: missing'),
        ('scaled', r'CAM_FRONT: the principal point .* lies outside of the image of 80x45 pixels'),
        ('one scaled', r'CAM_BACK: the principal point .* lies outside of the image of 80x45 pixels'),
    ],
)
def test_what_is_wrong_is_named(model, given, fault, sentence):
    spoil(*given, fault)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        model.predict(*given)


def test_what_cannot_be_loaded_is_named(checkpoint, tmp_path):
    for config, file, sentence in [
        (CONFIG.with_name('occupancy.py'), checkpoint, 'checkpoint of another model'),
        (CONFIG, tmp_path / 'absent.pth', 'there is no checkpoint'),
        (tmp_path / 'absent.py', checkpoint, 'there is no configuration'),
    ]:
        with pytest.raises((ValueError, FileNotFoundError), match=sentence):
            project.load(config, file)


def test_importing_the_project_imports_nothing_heavy():
    code = 'import sys, project; project.load; sys.exit(not {"torch", "numpy", "mmengine"}.isdisjoint(sys.modules))'
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0
