"""A drive frame by frame: what is read, prepared and computed once, and what follows what."""

import cv2
import numpy as np
import pytest
import torch
from tiny_model import ROOT

import project
from project.inference import predictor
from project.inference.stream import LONGEST_GAP_S, Moment, Stream
from project.taxonomy import CAMERAS

CONFIG = f"""
_base_ = '{ROOT}/config/occupancy_lift_tiny.py'
val_dataloader = dict(dataset=dict(queue_length=3))
test_dataloader = val_dataloader
model = dict(history=dict(type='OccupancyHistory', channels=8, frames=2))
"""
SIZE = 90, 160


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    from mmdet3d.registry import MODELS

    from project.engine.config_files import read_config

    folder = tmp_path_factory.mktemp('stream')
    (folder / 'config.py').write_text(CONFIG)
    torch.manual_seed(0)
    weights = MODELS.build(read_config(folder / 'config.py').model).state_dict()
    torch.save({'state_dict': weights}, folder / 'weights.pth')
    return project.load(folder / 'config.py', folder / 'weights.pth', device='cpu')


@pytest.fixture
def logits(model, monkeypatch):
    """Logits of each prediction from now on."""
    found, predictions = [], type(model.model)._predictions
    monkeypatch.setattr(
        type(model.model),
        '_predictions',
        lambda self, outputs: found.append(outputs['logits'].clone()) or predictions(self, outputs),
    )
    model.forget()
    model.model.forget()
    return found


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """Files of images, calibrations and poses of five frames of a car that drives on and turns."""
    folder, rng = tmp_path_factory.mktemp('drive'), np.random.default_rng(1)
    intrinsics = [[80.0, 0, 80], [0, 80.0, 45], [0, 0, 1]]
    frames = []
    for moment in range(5):
        images, calibration = {}, {}
        for place, name in enumerate(CAMERAS):
            images[name] = folder / f'{moment}_{name}.png'
            cv2.imwrite(str(images[name]), rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8))
            calibration[name] = {'intrinsics': intrinsics, 'lidar_from_camera': camera_pose(place * np.pi / 3)}
        pose = turn(0.1 * moment)
        pose[:2, 3] = 1000 + 2 * moment, 3
        frames.append((images, calibration, pose))
    return frames


def turn(angle):
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return pose


def camera_pose(yaw):
    """A camera at the origin that looks along +x, turned about z."""
    looks = np.eye(4)
    looks[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    return turn(yaw) @ looks


def test_streamed_predictions_are_those_of_whole_queues(model, logits, drive):
    for frame in drive:
        model.predict(*frame)
    streamed = list(logits)
    logits.clear()
    model.forget()
    for frame in drive:
        model.model.forget()  # so that all frames of the queue are computed anew
        model.predict(*frame)
    for one, other in zip(streamed, logits, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(streamed[0], streamed[1])


def test_each_image_is_read_prepared_and_encoded_once(model, logits, drive, monkeypatch):
    read, encoded = [], []
    monkeypatch.setattr(
        predictor, 'read_image', lambda path, read_image=predictor.read_image: read.append(path) or read_image(path)
    )
    hook = model.model.img_backbone.register_forward_pre_hook(lambda _, inputs: encoded.append(len(inputs[0])))
    for frame in drive:
        model.predict(*frame)
    hook.remove()
    assert read == [path for images, *_ in drive for path in images.values()]
    assert encoded == [len(CAMERAS)] * len(drive)


@pytest.mark.parametrize(('times', 'fresh'), [
    ((10.0, 10.5, 11.0), ()),
    ((10.0, 10.5, 10.5 + LONGEST_GAP_S + 0.1), (2,)),
    ((10.0, 10.5, 10.2), (2,)),
    ((10.0, 10.0, 10.5), (1,)),
    ((None, 10.0, None), ()),
])  # fmt: skip
def test_gaps_and_frames_out_of_order_start_another_drive(model, logits, drive, times, fresh):
    for frame, time in zip(drive, times, strict=False):
        model.predict(*frame, timestamp=time)
    given = list(logits)
    logits.clear()
    model.forget()
    for place, frame in enumerate(drive[: len(times)]):
        if place in fresh:
            model.forget()
        model.predict(*frame)
    for one, other in zip(given, logits, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_what_cannot_follow_is_said(model, logits, drive):
    images, calibration, pose = drive[0]
    model.predict(images, calibration, pose)
    with pytest.raises(ValueError, match='must be a finite number of seconds'):
        model.predict(images, calibration, pose, timestamp=float('nan'))
    model.forget()


def test_images_of_another_size_need_another_drive():
    stream = Stream(3)
    first, other = (Moment(torch.zeros(6, 3, *size), np.eye(4), np.eye(4), 0, None) for size in ((8, 9), (8, 10)))
    stream.append(first)
    with pytest.raises(ValueError, match=r'images of \(8, 10\) pixels after images of \(8, 9\): call forget'):
        stream.queue(other, None)
