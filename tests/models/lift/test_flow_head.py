"""The head for flow: what it learns, what counts, what it costs when it is off."""

import pytest
import torch
from small_lift import batch, parameters_without_gradients, small_lift
from small_model import GRID

from project.models import OccupancyFlowHead
from project.taxonomy import MOVING

CAR, ROAD = 4, 11


def with_flow(count=2):
    inputs, samples = batch(count)
    for sample in samples:
        sample.gt_occupancy[:3] = CAR
        sample.gt_flow = torch.tensor([3.0, -2.0]).expand(*GRID.shape, 2).clone()
    return inputs, samples


def flow_lift():
    model = small_lift()
    return type(model)(
        model.img_backbone, model.img_neck, model.depth_net, model.view, model.volume, model.head, GRID,
        model.image_loss, extra_heads={'flow': dict(type='OccupancyFlowHead', hidden_channels=8)},
    )  # fmt: skip


@pytest.mark.parametrize('amp', [False, True])
def test_a_few_steps_of_training_lower_its_loss(amp):
    model = flow_lift().train()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-2)
    inputs, samples = with_flow()
    totals = []
    for _ in range(6):
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            losses = model(inputs, samples, mode='loss')
        assert set(losses) == {'loss_ce', 'loss_lovasz', 'loss_flow', 'loss_depth', 'loss_image_semantics'}
        optimiser.zero_grad()
        sum(losses.values()).backward()
        assert parameters_without_gradients(model) == []
        optimiser.step()
        totals.append(losses['loss_flow'].item())
    assert totals[0] == pytest.approx(0.2 * 5.0, rel=1e-3)  # |3| + |-2|: everything stands still at first
    assert totals[-1] < 0.9 * totals[0]


def test_only_things_that_move_count():
    head = OccupancyFlowHead(GRID, 4, loss_weight=1.0)
    labels = torch.full((2, *GRID.shape), ROAD, dtype=torch.uint8)
    labels[1] = 255
    flow, target = torch.randn(2, *GRID.shape, 2), torch.randn(2, *GRID.shape, 2)
    flow.requires_grad_()
    loss = head.loss({'flow': flow}, labels, target)['loss_flow']
    assert loss == 0
    loss.backward()
    assert (flow.grad == 0).all()
    labels[0, 2, 3, 1], labels[1, 4, 0, 2] = CAR, 7
    loss = head.loss({'flow': flow}, labels, target)['loss_flow']
    differences = (flow - target).abs().sum(-1)
    torch.testing.assert_close(loss, (differences[0, 2, 3, 1] + differences[1, 4, 0, 2]) / 2)


@pytest.mark.parametrize('amp', [False, True])
def test_predicted_flow_is_that_of_things_that_move(amp):
    model = flow_lift().eval()
    torch.nn.init.normal_(model.extra_heads['flow'].flow.weight)
    inputs, samples = batch(2, targets=False)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=amp):
        model(inputs, samples, mode='predict')
    for sample in samples:
        assert sample.pred_flow.shape == (*GRID.shape, 2) and sample.pred_flow.dtype == torch.float32
        moves = torch.isin(sample.pred_occupancy, torch.tensor(MOVING, dtype=torch.uint8))
        assert ((sample.pred_flow != 0).any(-1) == moves).all()
    labels = torch.randint(0, 18, (2, *GRID.shape), dtype=torch.uint8)
    outputs = {'flow': torch.rand(2, *GRID.shape, 2) + 1}
    flow = model.extra_heads['flow'].predict(outputs, labels)['pred_flow']
    for label in range(18):
        assert (flow[labels == label] > 0).all() if label in MOVING else (flow[labels == label] == 0).all()


def test_voxels_are_in_the_order_of_the_labels():
    head = OccupancyFlowHead(GRID, 2, hidden_channels=4)
    head.hidden.weight.data.zero_()
    head.hidden.weight.data[0, 0, 1, 1] = head.hidden.weight.data[1, 1, 1, 1] = 1.0
    head.hidden.bias.data.zero_()
    head.flow.weight.data[0, 0] = head.flow.weight.data[1, 1] = 1.0
    expected = torch.rand(3, *GRID.shape, 2)
    features = expected.permute(0, 3, 4, 1, 2).flatten(0, 1)  # (B Z, C, X, Y)
    torch.testing.assert_close(head(features)['flow'], expected)


def test_a_model_without_it_has_the_weights_and_predictions_as_before():
    plain, model = small_lift(), flow_lift()
    assert set(model.state_dict()) - set(plain.state_dict()) == {
        f'extra_heads.flow.{layer}.{part}' for layer in ('hidden', 'flow') for part in ('weight', 'bias')
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
