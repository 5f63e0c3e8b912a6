"""From files to model inputs exactly as the baseline's loader gives them, against its golden numbers."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from project.datasets import NuScenesOccupancyDataset, OccupancyDataPreprocessor
from project.formats import infos

FOLDER = Path(os.environ.get('OCCUPANCY_GOLDEN', Path(__file__).parents[3] / 'shared' / 'golden'))

pytestmark = pytest.mark.skipif(
    not (FOLDER / 'data_pipeline.npz').exists(),
    reason=f'no numbers of the baseline in {FOLDER} (OCCUPANCY_GOLDEN)',
)


@pytest.fixture(scope='module')
def golden() -> dict[str, np.ndarray]:
    with np.load(FOLDER / 'data_pipeline.npz') as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope='module')
def config() -> dict:
    return json.loads((FOLDER / 'config.json').read_text())


@pytest.fixture(scope='module')
def root(golden, tmp_path_factory) -> Path:
    """The golden inputs as a data set: images, an index and a point file."""
    root = tmp_path_factory.mktemp('golden')
    images = {}
    for c, channel in enumerate(golden['cam_order'].tolist()):
        file = root / 'samples' / channel / '0.png'
        file.parent.mkdir(parents=True)
        cv2.imwrite(str(file), golden['raw_bgr_u8'][c])
        lidar_from_camera = np.eye(4)
        lidar_from_camera[:3, :3] = golden['f64.sensor2lidar_rotation'][c]
        lidar_from_camera[:3, 3] = golden['f64.sensor2lidar_translation'][c]
        images[channel] = {
            'img_path': f'samples/{channel}/0.png',
            'cam2img': golden['f64.cam_intrinsic'][c].tolist(),
            'lidar2cam': np.linalg.inv(lidar_from_camera).tolist(),
        }
    entry = {
        'token': 'token', 'prev': '', 'scene_name': 'scene-0001', 'timestamp': 0.0, 'images': images,
        'ego2global': np.eye(4).tolist(), 'lidar_points': {'lidar2ego': np.eye(4).tolist()},
        'occupancy_path': {'points': '0.pcd.bin'},
    }  # fmt: skip
    infos.write(root / 'occupancy' / 'infos.pkl', [entry], infos.metainfo('v1.0-mini'))
    golden['occ_file_f16'].tofile(root / 'occupancy' / '0.pcd.bin')
    return root


def load(root: Path, config: dict, golden: dict, scale: float) -> tuple[torch.Tensor, dict]:
    low, high = np.reshape(config['pc_range'], (2, 3))
    size = ((high - low) / golden['grid_size']).tolist()
    grid = {'frame': 'lidar', 'extent': config['pc_range'], 'voxel_size': size}
    pipeline = [
        {'type': 'LoadSurroundImages', 'to_float32': True},
        {'type': 'ScaleSurroundImages', 'factor': scale},
        {'type': 'LoadOccupancyLabels', 'grid': grid, 'format': 'points', 'baseline_compatible': True},
        {'type': 'PackOccupancyInputs'},
    ]
    dataset = NuScenesOccupancyDataset('occupancy/infos.pkl', data_root=str(root), pipeline=pipeline)
    mean, std = config['img_norm']['mean'], config['img_norm']['std']
    batch = OccupancyDataPreprocessor(mean, std)(pseudo_collate([dataset[0]]))
    return batch['inputs']['imgs'], batch['data_samples'][0]


@pytest.mark.parametrize(('scale', 'prefix'), [(1.0, ''), (0.5, 'scale05_')])
def test_images_and_projections(root, config, golden, scale, prefix):
    images, sample = load(root, config, golden, scale)
    expected = golden[f'{prefix}imgs']
    assert images.shape == expected.shape and images.dtype == torch.float32
    np.testing.assert_allclose(images.numpy(), expected, atol=2e-5 * np.abs(expected).max())
    np.testing.assert_allclose(sample.lidar2img, golden[f'f64.{prefix}lidar2img'], rtol=1e-12, atol=1e-9)
    assert [(*sample.pad_shape, 3)] * len(expected[0]) == [tuple(s) for s in golden[f'{prefix}img_shape'].tolist()]


def test_labels(root, config, golden):
    _, sample = load(root, config, golden, 1.0)
    np.testing.assert_array_equal(sample.gt_occupancy.numpy(), golden['vox_label'][0])
