"""Four cameras of two sizes with names and classes of their own: the tiny model trains, tests and predicts."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import project
from project.formats import Keyframe, OccupancyLabels, infos, voxels
from project.formats.stated import LABELS_FILE
from project.label_set import LabelSet
from project.sources.base import Rig
from project.taxonomy import Taxonomy

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'config/occupancy_tiny.py'
SIZES = {'nose': (180, 320), 'left': (120, 320), 'tail': (180, 320), 'right': (120, 320)}
"""Rows and columns of the images of each camera, which look ahead and then round to the left."""

COUNT = 3
STREET, TRAM = 5, 2


def own_taxonomy() -> Taxonomy:
    return replace(
        Taxonomy.nuscenes(),
        categories=('noise', 'tram', 'street'),
        ground=range(2, 3),
        static=range(2, 3),
        porous=frozenset(),
        own_vehicle=None,
        labels=('noise', '', 'tram', '', '', 'street'),
        label_of=np.array([0, TRAM, STREET, *[0] * 253], np.uint8),
    )


def lidar_from_camera(number: int) -> np.ndarray:
    """Pose of a camera that is turned by a quarter for each one before it; the lidar looks along y."""
    turn = number * np.pi / 2
    ahead, right = np.array([-np.sin(turn), np.cos(turn), 0]), np.array([np.cos(turn), np.sin(turn), 0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, [0, 0, -1], ahead], axis=1)
    return pose


def intrinsics(size: tuple[int, int]) -> np.ndarray:
    return np.array([[200.0, 0, size[1] / 2], [0, 200, size[0] / 2], [0, 0, 1]])


def record(root: Path, k: int) -> infos.KeyframeRecord:
    rng = np.random.default_rng(k)
    cameras = {}
    for number, (name, size) in enumerate(SIZES.items()):
        file = f'drive/{name}/{k}.png'
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / file), rng.integers(0, 256, (*size, 3), np.uint8))
        pose = lidar_from_camera(number)
        cameras[name] = infos.CameraRecord(file, f'{name}{k}', k, intrinsics(size), pose, np.eye(4), size[::-1])
    names = Keyframe('drive', 'drive-token', f'keyframe-{k}', f'lidar-{k}', f'{k}.bin')
    boxes = infos.BoxRecords((), (), np.zeros((0, 4, 4)), np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int))
    return infos.KeyframeRecord(names, 500_000 * k, np.eye(4), np.eye(4), cameras, boxes, f'drive/lidar/{k}.bin')


def labels() -> OccupancyLabels:
    """Street everywhere at the height of the ground, and a tram of 10 m ahead."""
    dense = np.full(voxels.GRID.shape, 17, np.uint8)
    dense[:, :, 16] = STREET
    dense[250:265, 270:320, 17:30] = TRAM
    return OccupancyLabels.from_dense(voxels.GRID, dense)


@pytest.fixture(scope='module')
def recording(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('own')
    records = [record(root, k) for k in range(COUNT)]
    taxonomy = own_taxonomy()
    metainfo = infos.metainfo('own', taxonomy, Rig.nuscenes(tuple(SIZES)))
    for split in ('train', 'val'):
        infos.write(root / f'occupancy/nuscenes_infos_{split}.pkl', infos.scene_infos(records, taxonomy), metainfo)
    for each in records:
        voxels.write(root / 'occupancy' / voxels.path(each.keyframe), labels())
    return root


def shell(root: Path, *command) -> str:
    environment = {**os.environ, 'DATA_ROOT': str(root), 'CUDA_VISIBLE_DEVICES': ''}
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_train_test_and_predict(recording, tmp_path):
    options = ['train_dataloader.num_workers=0', 'val_dataloader.num_workers=0', 'test_dataloader.num_workers=0']
    limits = ['train_cfg.max_epochs=2', 'train_cfg.val_interval=2']
    shell(recording, 'tools/train.py', CONFIG, '--work-dir', tmp_path, '--cfg-options', *options, *limits)
    checkpoint, predictions = tmp_path / 'epoch_2.pth', tmp_path / 'predictions'
    command = ['tools/test.py', CONFIG, checkpoint, '--json', tmp_path / 'scores.json']
    table = shell(recording, *command, '--save-predictions', predictions, '--cfg-options', *options)
    assert 'tram' in table and 'street' in table and 'bus' not in table
    assert list(json.loads((tmp_path / 'scores.json').read_text())['IoU']) == ['tram', 'street']
    names = LabelSet.of(own_taxonomy()).names
    assert tuple(json.loads((predictions / LABELS_FILE).read_text())['label_names']) == names

    model = project.load(ROOT / CONFIG, checkpoint, 'cpu')
    assert model.cameras == tuple(SIZES) and model.labels.names == names
    images = {name: recording / f'drive/{name}/0.png' for name in SIZES}
    calibration = {
        name: {'intrinsics': intrinsics(size), 'lidar_from_camera': lidar_from_camera(number)}
        for number, (name, size) in enumerate(SIZES.items())
    }
    predicted = model.predict(images, calibration).dense()
    np.testing.assert_array_equal(predicted, np.load(predictions / 'keyframe-0.npz')['arr_0'])
