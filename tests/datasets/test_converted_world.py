"""The synthetic world, converted by the program users run, as training sees it."""

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate

from project.datasets import NuScenesOccupancyDataset, OccupancyDataPreprocessor
from project.errors import UserError
from project.formats import FORMATS
from project.taxonomy import MOVABLE

GRIDS = {
    'lidar': {'frame': 'lidar', 'extent': (-49.6, -49.6, -5, 49.6, 49.6, 3), 'voxel_size': (1.6, 0.8, 1)},
    'ego': {'frame': 'ego', 'extent': (-40, -40, -1, 40, 40, 5.4), 'voxel_size': (1.6, 0.8, 0.8)},
}


def make_dataset(tiny_world, tiny_labels, format: str, split: str = 'train', **options) -> NuScenesOccupancyDataset:
    grid = GRIDS[FORMATS[format].GRID.frame]
    pipeline = [
        {'type': 'LoadSurroundImages'},
        {'type': 'LoadOccupancyLabels', 'grid': grid, 'format': format, **options},
        {'type': 'PackOccupancyInputs'},
    ]
    return NuScenesOccupancyDataset(
        str(tiny_labels / f'nuscenes_infos_{split}.pkl'), str(tiny_world), frame=grid['frame'], queue_length=2,
        data_prefix={'occupancy': str(tiny_labels)}, pipeline=pipeline, serialize_data=False,
    )  # fmt: skip


def test_both_splits_make_batches(tiny_world, tiny_labels):
    for split in ('train', 'val'):
        dataset = make_dataset(tiny_world, tiny_labels, 'voxels', split)
        batch = OccupancyDataPreprocessor()(pseudo_collate([dataset[i] for i in range(len(dataset))]))
        assert batch['inputs']['imgs'].shape == (3, 2, 6, 3, 96, 160)
        for sample in batch['data_samples']:
            assert sample.gt_occupancy.shape == (62, 124, 8)
            assert len(np.unique(sample.gt_occupancy)) > 4


@pytest.mark.parametrize(('format', 'other'), [('voxels', 'points'), ('voxels', 'openoccupancy'), ('occ3d', 'openocc')])
def test_formats_of_one_frame_tell_the_same(tiny_world, tiny_labels, format, other):
    first, second = (
        make_dataset(tiny_world, tiny_labels, name)[1]['data_samples'].gt_occupancy.numpy() for name in (format, other)
    )
    either = ((first > 0) & (first < 17)) | ((second > 0) & (second < 17))
    assert either.any()
    assert (first == second)[either].mean() > 0.9


def test_velocities_reach_the_model_where_the_labels_have_them(tiny_world, tiny_labels):
    dataset = make_dataset(tiny_world, tiny_labels, 'openocc', flow=True)
    batch = OccupancyDataPreprocessor()(pseudo_collate([dataset[i] for i in range(len(dataset))]))
    fastest = []
    for sample in batch['data_samples']:
        flow = sample.gt_flow.numpy()
        assert flow.shape == (*sample.gt_occupancy.shape, 2) and flow.dtype == np.float32
        speed = np.linalg.norm(flow, axis=-1)
        assert not speed[~np.isin(sample.gt_occupancy.numpy(), list(MOVABLE))].any()
        fastest.append(speed.max())
    assert 1 < max(fastest) < 30  # cars of a town
    assert 'gt_flow' not in make_dataset(tiny_world, tiny_labels, 'openocc')[0]['data_samples']
    with pytest.raises(UserError, match='has no flow; make the labels with data_converter.py --flow'):
        make_dataset(tiny_world, tiny_labels, 'voxels', flow=True)[0]
