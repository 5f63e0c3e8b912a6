"""The head for flow: what it learns, what counts, what it costs when it is off."""

import math

import pytest
import torch
from small_lift import batch, parameters_without_gradients, small_lift
from small_model import GRID

from project.models import OccupancyFlowHead
from project.models.lift.flow_head import SPEED
from project.taxonomy import MOVING

CAR, ROAD = 4, 11


def with_flow(count=2):
    inputs, samples = batch(count)
    for sample in samples:
        sample.gt_occupancy[:3] = CAR
        sample.gt_flow = torch.tensor([3.0, -2.0]).expand(*GRID.shape, 2).clone()
    return inputs, samples


def flow_lift():
    return small_lift(extra_heads={'flow': dict(type='OccupancyFlowHead', hidden_channels=8)})


@pytest.mark.parametrize('amp', [False, True])
def test_a_few_steps_of_training_lower_its_losses(amp):
    model = flow_lift().train()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-2)
    inputs, samples = with_flow()
    totals = []
    for _ in range(6):
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            losses = model(inputs, samples, mode='loss')
        parts = {'loss_ce', 'loss_lovasz', 'loss_flow', 'loss_moving', 'loss_depth', 'loss_image_semantics'}
        assert set(losses) == parts
        optimiser.zero_grad()
        sum(losses.values()).backward()
        assert parameters_without_gradients(model) == []
        optimiser.step()
        totals.append([losses['loss_flow'].item(), losses['loss_moving'].item()])
    # |3| + |-2| and log 2: everything stands still at first, and may move.
    assert totals[0] == pytest.approx([0.2 * 5.0, 0.5 * math.log(2)], rel=1e-3)
    assert totals[-1][0] < 0.9 * totals[0][0] and totals[-1][1] < 0.9 * totals[0][1]


def test_velocities_are_learned_from_what_moves_alone():
    head = OccupancyFlowHead(GRID, 4, loss_weight=1.0, moving_weight=1.0)
    labels = torch.full((2, *GRID.shape), ROAD, dtype=torch.uint8)
    labels[1] = 255
    flow, target = torch.randn(2, *GRID.shape, 2), torch.randn(2, *GRID.shape, 2)
    moves = torch.randn(2, *GRID.shape)
    flow.requires_grad_()
    moves.requires_grad_()
    losses = head.loss({'flow': flow, 'moves': moves}, labels, target)
    assert losses['loss_flow'] == losses['loss_moving'] == 0
    sum(losses.values()).backward()
    assert (flow.grad == 0).all() and (moves.grad == 0).all()
    labels[0, 2, 3, 1], labels[1, 4, 0, 2], labels[1, 1, 1, 1] = CAR, 7, CAR
    target[0, 2, 3, 1], target[1, 4, 0, 2] = torch.tensor([[0.0, 0.3], [-4.0, 3.0]])
    target[1, 1, 1, 1] = torch.tensor([0.0, -0.19])  # slower than 0.2 m/s: it stands
    losses = head.loss({'flow': flow, 'moves': moves}, labels, target)
    differences = (flow - target).abs().sum(-1)
    torch.testing.assert_close(losses['loss_flow'], (differences[0, 2, 3, 1] + differences[1, 4, 0, 2]) / 2)
    sure = moves.sigmoid()
    right = sure[0, 2, 3, 1], sure[1, 4, 0, 2], 1 - sure[1, 1, 1, 1]
    torch.testing.assert_close(losses['loss_moving'], -sum(torch.log(each) for each in right) / 3)


def test_what_is_unsure_stands_but_its_velocity_is_learned():
    """One voxel in four moves at 8 m/s and looks like all others: the median of the velocities is zero."""
    head = OccupancyFlowHead(GRID, 4, hidden_channels=8)
    volume = torch.ones(GRID.shape[2], 4, *GRID.shape[:2])
    labels = torch.full((1, *GRID.shape), CAR, dtype=torch.uint8)
    target = torch.zeros(1, *GRID.shape, 2)
    target.view(-1, 2)[::4, 0] = 8.0
    optimiser = torch.optim.Adam(head.parameters(), 3e-2)
    for _ in range(150):
        optimiser.zero_grad()
        sum(head.loss(head(volume), labels, target).values()).backward()
        optimiser.step()
    outputs = head(volume)
    inside = slice(None), slice(1, -1), slice(1, -1)  # the border sees the padding
    torch.testing.assert_close(outputs['flow'][inside].mean(dim=(0, 1, 2, 3)), torch.tensor([8.0, 0.0]), atol=1, rtol=0)
    assert outputs['moves'][inside].sigmoid().mean().item() == pytest.approx(0.25, abs=0.05)
    assert not head.predict(outputs, labels)['pred_flow'][inside].any()


@pytest.mark.parametrize('amp', [False, True])
def test_predicted_flow_is_that_of_things_that_move(amp):
    model = flow_lift().eval()
    torch.nn.init.normal_(model.extra_heads['flow'].voxels[-1].weight)
    torch.nn.init.constant_(model.extra_heads['flow'].voxels[-1].bias, 9.0)
    inputs, samples = batch(2, targets=False)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=amp):
        model(inputs, samples, mode='predict')
    for sample in samples:
        assert sample.pred_flow.shape == (*GRID.shape, 2) and sample.pred_flow.dtype == torch.float32
        moves = torch.isin(sample.pred_occupancy, torch.tensor(MOVING, dtype=torch.uint8))
        assert ((sample.pred_flow != 0).any(-1) == moves).all()
    labels = torch.randint(0, 18, (2, *GRID.shape), dtype=torch.uint8)
    outputs = {'flow': torch.rand(2, *GRID.shape, 2) + 1, 'moves': torch.randn(2, *GRID.shape)}
    flow = model.extra_heads['flow'].predict(outputs, labels)['pred_flow']
    moves = torch.isin(labels, torch.tensor(MOVING, dtype=torch.uint8)) & (outputs['moves'] > 0)
    torch.testing.assert_close(flow, torch.where(moves[..., None], outputs['flow'], 0))


def test_voxels_are_in_the_order_of_the_labels():
    head = OccupancyFlowHead(GRID, 2, hidden_channels=4)
    hidden, _, said = head.voxels
    hidden.weight.data.zero_()
    hidden.weight.data[0, 0, 1, 1] = hidden.weight.data[1, 1, 1, 1] = 1.0
    hidden.bias.data.zero_()
    said.weight.data[0, 0] = said.weight.data[1, 1] = 1.0
    expected = torch.rand(3, *GRID.shape, 2)
    features = expected.permute(0, 3, 4, 1, 2).flatten(0, 1)  # (B Z, C, X, Y)
    torch.testing.assert_close(head(features)['flow'], SPEED * expected)


def test_a_model_without_it_has_the_weights_and_predictions_as_before():
    plain, model = small_lift(), flow_lift()
    assert set(model.state_dict()) - set(plain.state_dict()) == {
        f'extra_heads.flow.voxels.{layer}.{part}' for layer in (0, 2) for part in ('weight', 'bias')
    }
    assert not set(plain.state_dict()) - set(model.state_dict())
    inputs, samples = batch(1, targets=False)
    with torch.no_grad():
        plain.eval()(inputs, samples, mode='predict')
        assert 'pred_flow' not in samples[0]
        before = samples[0].pred_occupancy
        model.eval()(inputs, samples, mode='predict')
    assert torch.equal(samples[0].pred_occupancy, before)


def test_labels_without_flow_are_refused_in_training():
    inputs, samples = batch()
    with pytest.raises(ValueError, match='no gt_flow, which this model is trained on'):
        flow_lift()(inputs, samples, mode='loss')
