"""Frames of packed samples, the runner's hook, and the pictures of tools/browse_dataset.py."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet3d.registry import HOOKS

import project
from project.datasets.data_sample import OccupancyDataSample
from project.grid import VoxelGrid
from project.taxonomy import FREE
from project.visualization.sources.samples import sample_frame

assert project
GRID = VoxelGrid.from_range('lidar', (-7, -5, -1, 7, 5, 2), (2, 2, 1))
CHANNELS = ('CAM_FRONT', 'CAM_BACK')


def packed(queue: int = 1) -> tuple[torch.Tensor, OccupancyDataSample]:
    """Images whose channels differ (BGR 10, 20, 30), and labels with a prediction."""
    images = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1).repeat(2, 1, 24, 32)
    projections = np.stack([np.diag([number + 1.0, 1, 1, 1]) for number in range(2)])
    if queue > 1:
        images = torch.stack([torch.zeros_like(images)] * (queue - 1) + [images])
        projections = np.stack([np.zeros_like(projections)] * (queue - 1) + [projections])
    meta = dict(scene_name='scene-0061', sample_token='t' * 32, grid=GRID, lidar2img=projections)
    meta['cameras'] = CHANNELS
    sample = OccupancyDataSample(metainfo=meta)
    sample.gt_occupancy = torch.full(GRID.shape, FREE, dtype=torch.uint8)
    sample.pred_occupancy = sample.gt_occupancy.clone()
    sample.pred_occupancy[1, 2, 0] = 4
    sample.mask_camera = torch.ones(GRID.shape, dtype=torch.bool)
    return images, sample


@pytest.mark.parametrize('queue', [1, 3])
def test_frame_of_a_sample(queue: int):
    frame = sample_frame(*packed(queue), index=5)
    assert (frame.scene, frame.index, frame.token, frame.grid) == ('scene-0061', 5, 't' * 32, GRID)
    assert frame.prediction[1, 2, 0] == 4
    assert list(frame.masks) == ['camera']
    assert [camera.name for camera in frame.cameras] == list(CHANNELS)
    np.testing.assert_array_equal(frame.cameras[1].image[3, 4], (30, 20, 10))
    np.testing.assert_array_equal(frame.cameras[1].image_from_grid, np.diag([2.0, 1, 1, 1])[:3])


def test_the_hook_makes_a_picture_at_every_nth_validation():
    hook = HOOKS.build(dict(type='OccupancyVisualizationHook', interval=2, frames=(1,), width_px=320))
    made = []
    visualizer = SimpleNamespace(add_image=lambda name, picture, step: made.append((name, picture.shape[1], step)))
    images, sample = packed()
    for validation in range(4):
        runner = SimpleNamespace(visualizer=visualizer, iter=10 * validation)
        hook.before_val_epoch(runner)
        for batch in range(3):
            hook.after_val_iter(runner, batch, {'inputs': {'imgs': [images]}}, [sample])
    assert made == [('validation_1', 320, 10), ('validation_1', 320, 30)]
