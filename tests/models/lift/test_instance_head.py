"""The head for instances: its targets, what it learns, and that exact outputs give the true objects."""

import numpy as np
import pytest
import torch
from small_lift import batch, parameters_without_gradients, small_lift
from small_model import GRID

from project.datasets.object_targets import FindObjectCentres, centres_of
from project.evaluation.protocols.segments import match_segments, segment_keys
from project.grid import VoxelGrid
from project.models import OccupancyInstanceHead
from project.models.lift.instance_head import grouped

CAR, ROAD = 4, 11
WIDE = VoxelGrid.from_range('lidar', (-13.5, -10.5, -2.0, 13.5, 10.5, 2.0), 1.0)
"""X=27, Y=21, Z=4."""


def town(rng):
    """Labels and objects of cars of 3x2x2 voxels, some of which touch, on a road."""
    labels, objects = np.full(WIDE.shape, 17, np.uint8), np.zeros(WIDE.shape, np.int32)
    labels[:, :, 0] = ROAD
    for number, (x, y) in enumerate([(1, 2), (4, 2), (1, 4), (10, 9), (20, 15), (14, 9)]):
        x += int(rng.integers(0, 2)) if number > 2 else 0
        labels[x : x + 3, y : y + 2, 1:3], objects[x : x + 3, y : y + 2, 1:3] = CAR, 7 + 300 * number
    return labels, objects


def test_exact_outputs_give_the_true_objects(rng):
    for _ in range(4):
        labels, objects = town(rng)
        values, offsets = centres_of(objects, WIDE, reach=0.7)
        assert (values == 1).sum() == 6 and values.dtype == offsets.dtype == np.float32
        assert (np.isnan(offsets[..., 0]) == (objects == 0)).all()
        logits = torch.logit(torch.from_numpy(values).clamp(1e-4, 1 - 1e-4))
        things = torch.from_numpy(labels == CAR)
        found = grouped(logits, torch.from_numpy(offsets).nan_to_num(), things, 0.9, 20).numpy()
        assert (found[labels != CAR] == 0).all() and len(np.unique(found[labels == CAR])) == 6
        true, predicted = (segment_keys(labels.ravel(), each.ravel()) for each in (objects, found))
        counts = match_segments(true, predicted, np.ones(labels.size, bool))
        assert counts['matched'][CAR] == 6 and counts['iou'][CAR] == 6_000_000
        assert counts['missed'].sum() == counts['invented'].sum() == 0


def test_without_centres_there_are_no_objects():
    things = torch.ones(7, 5, 3, dtype=torch.bool)
    found = grouped(torch.full((7, 5), -9.0), torch.zeros(7, 5, 3, 2), things, 0.1, 99)
    assert found.dtype == torch.int32 and not found.any()
    assert not grouped(torch.full((7, 5), 9.0), torch.zeros(7, 5, 3, 2), ~things, 0.1, 99).any()


def test_targets_of_a_keyframe_without_objects():
    values, offsets = centres_of(np.zeros(GRID.shape, np.int32), GRID, 1.0)
    assert not values.any() and np.isnan(offsets).all()


def test_only_things_are_objects():
    labels, objects = np.full(GRID.shape, ROAD, np.uint8), np.full(GRID.shape, 3, np.int32)
    labels[2, 3, 1] = CAR
    made = FindObjectCentres()({'gt_occupancy': labels, 'gt_objects': objects, 'grid': GRID})
    assert np.argwhere(made['gt_centres'] == 1).tolist() == [[2, 3]]
    assert np.argwhere(~np.isnan(made['gt_offsets'][..., 0])).tolist() == [[2, 3, 1]]


def instance_lift():
    return small_lift(extra_heads={'instances': dict(type='OccupancyInstanceHead', hidden_channels=8)})


@pytest.mark.parametrize('amp', [False, True])
def test_a_few_steps_of_training_lower_its_losses(amp):
    model = instance_lift().train()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-2)
    inputs, samples = batch(2)
    for sample in samples:
        objects = np.zeros(GRID.shape, np.int32)
        objects[1:3, 1:3], objects[5:, 3:] = 1, 2
        sample.gt_occupancy[torch.from_numpy(objects > 0)] = CAR
        sample.gt_centres, sample.gt_offsets = map(torch.from_numpy, centres_of(objects, GRID, 1.0))
    totals = []
    for _ in range(6):
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            losses = model(inputs, samples, mode='loss')
        assert {'loss_centres', 'loss_offsets'} < set(losses)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        assert parameters_without_gradients(model) == []
        optimiser.step()
        totals.append([losses['loss_centres'].item(), losses['loss_offsets'].item()])
    assert np.isfinite(totals).all()
    assert (np.array(totals[-1]) < 0.95 * np.array(totals[0])).all()
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=amp):
        model.eval()(inputs, samples, mode='predict')
    assert samples[0].pred_objects.shape == GRID.shape and samples[0].pred_objects.dtype == torch.int32


def test_exact_centres_cost_less_than_others():
    head = OccupancyInstanceHead(GRID, 4)
    objects = np.zeros(GRID.shape, np.int32)
    objects[1:3, 1:3], objects[5:, 3:] = 1, 2
    centres, offsets = (torch.from_numpy(each)[None] for each in centres_of(objects, GRID, 1.0))
    labels = torch.where(torch.from_numpy(objects) > 0, CAR, ROAD)[None]
    exact = {'centres': torch.where(centres == 1, 9.0, -9.0), 'offsets': offsets.nan_to_num()}
    losses = head.loss(exact, labels, centres, offsets)
    assert losses['loss_offsets'] == 0 and losses['loss_centres'] < 1e-3
    shifted = head.loss({**exact, 'centres': exact['centres'].roll(1, 1)}, labels, centres, offsets)
    assert shifted['loss_centres'] > 1
    nothing = head.loss(
        exact, torch.full_like(labels, ROAD), torch.zeros_like(centres), torch.full_like(offsets, torch.nan)
    )
    assert nothing['loss_offsets'] == 0 and nothing['loss_centres'].isfinite()
