"""A car with four cameras of two sizes, two lidars that are not deskewed, and classes of its own: labels are made, and
the tiny model trains, tests and predicts on their index."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import project
from project.formats import infos, voxels
from project.formats.stated import LABELS_FILE
from project.sources.taxonomies import read_taxonomy
from project.synthetic.rig import TWO_LIDARS

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'config/occupancy_tiny.py'
OWN = {
    'car': 'vehicle', 'truck': 'vehicle', 'bus': 'vehicle', 'trailer': 'vehicle', 'construction_vehicle': 'vehicle',
    'pedestrian': 'person', 'bicycle': 'cycle', 'motorcycle': 'cycle', 'barrier': 'thing', 'traffic_cone': 'thing',
    'driveable_surface': 'street', 'other_flat': 'street', 'sidewalk': 'path', 'terrain': 'path',
    'manmade': 'building', 'vegetation': 'plant', 'noise': 'noise',
}  # fmt: skip
NAMES = ('vehicle', 'person', 'cycle', 'thing', 'street', 'path', 'building', 'plant')


def shell(root: Path, *command, refused: str = '') -> str:
    environment = {**os.environ, 'DATA_ROOT': str(root), 'CUDA_VISIBLE_DEVICES': ''}
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == bool(refused), done.stdout[-2000:] + done.stderr[-4000:]
    assert refused in done.stderr and (not refused or 'Traceback' not in done.stderr), done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope='module')
def recording(tmp_path_factory) -> Path:
    """Two scenes of three keyframes, labelled."""
    root = tmp_path_factory.mktemp('own') / 'car'
    made = ['--rig', 'two-lidars', '--layout', 'folder', '--keyframes', 3, '--image-size', '320x180']
    shell(root, 'tools/make_synthetic.py', '--out', root, *made)
    path = root / 'taxonomy.yaml'
    taxonomy = yaml.safe_load(path.read_text())
    for kind in ('movable', 'ground', 'static'):
        taxonomy[kind] = {category: OWN[label] for category, label in taxonomy[kind].items()}
    path.write_text(yaml.safe_dump(taxonomy, sort_keys=False))
    shell(root, 'data_converter.py', '--dataroot', root)
    return root


@pytest.mark.slow
def test_labels_and_their_index(recording):
    index = infos.read(recording / 'occupancy/nuscenes_infos_train.pkl')
    assert index['metainfo']['rig']['cameras'] == ['front', 'left', 'rear', 'right']
    assert sorted(filter(None, index['metainfo']['label_names'])) == sorted(['noise', 'free', *NAMES])
    assert [entry['scene_name'] for entry in index['data_list']] == ['scene-0061'] * 3
    sizes = {name: (image['width'], image['height']) for name, image in index['data_list'][0]['images'].items()}
    assert sizes == {'front': (320, 180), 'left': (256, 144), 'rear': (320, 180), 'right': (256, 144)}
    for entry in index['data_list']:
        labels = voxels.read(recording / 'occupancy' / entry['occupancy_path']['voxels'])
        assert len(labels.classes) > 20_000 and len(np.unique(labels.classes)) >= 6


@pytest.mark.slow
def test_train_test_and_predict(recording, tmp_path):
    options = ['train_dataloader.num_workers=0', 'val_dataloader.num_workers=0', 'test_dataloader.num_workers=0']
    limits = ['train_cfg.max_epochs=2', 'train_cfg.val_interval=2']
    shell(recording, 'tools/train.py', CONFIG, '--work-dir', tmp_path, '--cfg-options', *options, *limits)
    checkpoint, predictions = tmp_path / 'epoch_2.pth', tmp_path / 'predictions'
    command = ['tools/test.py', CONFIG, checkpoint, '--json', tmp_path / 'scores.json']
    table = shell(recording, *command, '--save-predictions', predictions, '--cfg-options', *options)
    assert 'vehicle' in table and 'street' in table and 'bus' not in table
    assert set(json.loads((tmp_path / 'scores.json').read_text())['IoU']) == set(NAMES)
    stated = json.loads((predictions / LABELS_FILE).read_text())['label_names']

    model = project.load(ROOT / CONFIG, checkpoint, 'cpu')
    assert model.cameras == tuple(TWO_LIDARS.cameras) and list(model.labels.names) == stated
    keyframe = infos.read(recording / 'occupancy/nuscenes_infos_val.pkl')['data_list'][0]
    images = {name: recording / image['img_path'] for name, image in keyframe['images'].items()}
    calibration = {
        name: {'intrinsics': image['cam2img'], 'lidar_from_camera': np.linalg.inv(image['lidar2cam'])}
        for name, image in keyframe['images'].items()
    }
    predicted = model.predict(images, calibration).dense()
    np.testing.assert_array_equal(predicted, np.load(predictions / f'{keyframe["token"]}.npz')['arr_0'])

    # Labels of the same recording with other classes: whoever uses the checkpoint with them is told.
    mapping = tmp_path / 'mapping.yaml'
    categories = read_taxonomy(recording / 'taxonomy.yaml').categories
    learned = {name: int(name != 'noise') for name in categories}
    mapping.write_text(yaml.safe_dump({'learning_map': learned, 'labels_16': {1: 'anything'}}))
    other = recording / 'other_classes'
    shell(recording, 'data_converter.py', '--dataroot', recording, '--save_path', other, '--label_mapping', mapping)
    for split in ('train', 'val'):
        options += [f'{split}_dataloader.dataset.ann_file=other_classes/nuscenes_infos_{split}.pkl']
    options += ['test_dataloader.dataset.ann_file=other_classes/nuscenes_infos_val.pkl']
    refused = 'epoch_2.pth: its model was trained for other classes'
    shell(recording, 'tools/test.py', CONFIG, checkpoint, '--cfg-options', *options, refused=refused)
    again = ['tools/train.py', CONFIG, '--work-dir', tmp_path, '--resume', '--cfg-options', 'train_cfg.max_epochs=3']
    shell(recording, *again, *options, refused=refused)
    show = ['tools/visualize.py', CONFIG, checkpoint, '--png', tmp_path / 'a.png', '--cfg-options', *options]
    shell(recording, *show, refused=refused)
