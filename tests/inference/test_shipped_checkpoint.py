"""ckpts/occupancy_lift_tiny.pth, which `make demo` trained, in a town that it has not seen."""

from pathlib import Path

import numpy as np
import pytest

import project
from project.commands import occ_convert
from project.datasets.labels import LoadOccupancyLabels
from project.evaluation.confusion import class_iou, confusion_matrices, geometric_iou, mean_iou
from project.formats import infos
from project.synthetic import WorldSettings, make_world
from project.taxonomy import CLASSES

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / 'ckpts' / 'occupancy_lift_tiny.pth'


@pytest.fixture(scope='module')
def town(tmp_path_factory):
    """Three keyframes of a town like the demo's, of another seed, and their labels."""
    root = tmp_path_factory.mktemp('town')
    settings = WorldSettings(
        seed=12, scenes=1, keyframes=3, image_size=(480, 270), people=8, scene_names=('scene-0103',)
    )
    make_world(root, settings)
    assert occ_convert.main(['--dataroot', str(root), '--save_path', str(root / 'occupancy'), '--workers', '1']) == 0
    return root


def test_it_is_small():
    assert CHECKPOINT.stat().st_size < 3.5e6


def test_its_score_in_a_town_that_it_has_not_seen(town):
    model = project.load(ROOT / 'config' / 'occupancy_lift_tiny.py', CHECKPOINT, device='cpu')
    load = LoadOccupancyLabels(model.grid)
    matrix = np.zeros((18, 18), np.int64)
    for entry in infos.read(town / 'occupancy' / 'nuscenes_infos_val.pkl')['data_list']:
        images = {name: town / each['img_path'] for name, each in entry['images'].items()}
        calibration = {
            name: {'intrinsics': each['cam2img'], 'lidar_from_camera': np.linalg.inv(each['lidar2cam'])}
            for name, each in entry['images'].items()
        }
        _, truth = load.load(town / 'occupancy' / entry['occupancy_path']['voxels'])
        matrix += confusion_matrices(model.predict(images, calibration).dense(), truth.semantics)[0]
    # It had 26.3, 68.9 and 32.5 per cent.
    assert mean_iou(matrix) > 0.22 and geometric_iou(matrix) > 0.63
    assert class_iou(matrix)[CLASSES.index('car')] > 0.22
