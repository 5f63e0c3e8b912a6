"""Data samples as data loaders hand them over."""

import pytest

pytest.importorskip('mmdet3d')

import torch
from torch.utils.data import DataLoader

from project.datasets.data_sample import OccupancyDataSample


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_loader_pins_the_tensors_of_samples():
    sample = OccupancyDataSample(metainfo={'scene_name': 'scene-0061'})
    sample.gt_occupancy = torch.arange(24, dtype=torch.uint8).view(2, 3, 4)
    sample.gt_depths = torch.rand(6, 5, 7)
    loader = DataLoader([sample], batch_size=1, collate_fn=lambda samples: {'data_samples': samples}, pin_memory=True)
    (batch,) = loader
    (pinned,) = batch['data_samples']
    assert type(pinned) is OccupancyDataSample and pinned.scene_name == 'scene-0061'
    for name in ('gt_occupancy', 'gt_depths'):
        assert getattr(pinned, name).is_pinned() and torch.equal(getattr(pinned, name), getattr(sample, name))
