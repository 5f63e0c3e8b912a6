"""The optimiser for matrices: what a step does to them, and to everything else."""

import copy
import math

import pytest
import torch
from mmdet3d.registry import OPTIMIZERS
from polar import polar_factor
from torch import nn

import project  # noqa: F401  registers the optimiser
from project.engine.muon import OccupancyMuon, is_matrix

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(8, 12, 3, bias=False), nn.BatchNorm2d(12), nn.Flatten(), nn.Linear(12, 40), nn.Linear(40, 2)]
    return nn.Sequential(*layers).to(DEVICE)


def train(model, optimiser, steps, start=0):
    for step in range(start, start + steps):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(16, 8, 3, 3, generator=generator).to(DEVICE)
        nn.functional.cross_entropy(model(x), (x.mean((1, 2, 3)) > 0).long()).backward()
        optimiser.step()
        optimiser.zero_grad()


def test_which_parameters_are_matrices():
    model = network()
    names = [name for name, each in model.named_parameters() if is_matrix(each)]
    assert names == ['0.weight', '3.weight'], 'neither vectors nor the two rows of the last layer'


@pytest.mark.parametrize(('rows', 'columns'), [(8, 30), (30, 8)])
def test_a_first_step_goes_along_the_polar_factor_and_is_as_long_as_adams(rows, columns):
    weight = nn.Parameter(torch.randn(rows, columns, device=DEVICE))
    before, gradient = weight.detach().clone(), torch.randn(rows, columns, device=DEVICE)
    weight.grad = gradient
    OccupancyMuon([weight], lr=0.1, weight_decay=0.5).step()
    change = (0.95 * before - weight.detach()).cpu()
    exact = polar_factor(gradient.cpu())
    assert (change * exact).sum() / (change.norm() * exact.norm()) > 0.95
    # The mean square of a matrix with orthonormal rows is one over its longer side.
    assert float(change.square().mean().sqrt()) == pytest.approx(0.1 * 0.2, rel=0.2)


def test_a_convolution_is_a_matrix_of_its_output_channels():
    torch.manual_seed(3)
    convolution, gradient = nn.Parameter(torch.zeros(9, 4, 3, 3)), torch.randn(9, 4, 3, 3)
    matrix = nn.Parameter(torch.zeros(9, 36))
    convolution.grad, matrix.grad = gradient, gradient.flatten(1)
    OccupancyMuon([convolution, matrix]).step()
    torch.testing.assert_close(convolution.flatten(1), matrix)


def test_all_else_is_trained_by_adamw_at_its_share_of_the_rate():
    model = network()
    reference = copy.deepcopy(model)
    vectors, theirs = ([each for each in net.parameters() if not is_matrix(each)] for net in (model, reference))
    optimisers = OccupancyMuon(vectors, lr=0.04, weight_decay=0.1), torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1)
    for net, optimiser in zip((model, reference), optimisers, strict=True):
        train(net, optimiser, 4)
    for ours, other in zip(vectors, theirs, strict=True):
        torch.testing.assert_close(ours, other)


def test_parameters_without_gradients_stay():
    model = network()
    before = copy.deepcopy(model.state_dict())
    model[0].requires_grad_(False)
    train(model, OccupancyMuon(model.parameters()), 2)
    assert torch.equal(model[0].weight, before['0.weight'])
    assert not torch.equal(model[3].weight, before['3.weight'])


def test_training_goes_on_from_a_checkpoint_as_if_never_stopped():
    model = network()
    optimiser = OccupancyMuon(model.parameters(), lr=0.02)
    train(model, optimiser, 4)
    kept = copy.deepcopy((model.state_dict(), optimiser.state_dict()))
    train(model, optimiser, 4, start=4)
    resumed = network()
    resumed.load_state_dict(kept[0])
    other = OccupancyMuon(resumed.parameters(), lr=0.5)
    other.load_state_dict(kept[1])
    train(resumed, other, 4, start=4)
    for ours, theirs in zip(model.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_copy_and_one_with_a_group_more_train_as_well():
    model = network()
    optimiser = OccupancyMuon(model[:3].parameters())
    optimiser.add_param_group({'params': list(model[3:].parameters())})
    train(model, optimiser, 1)
    twin = copy.deepcopy(optimiser)
    assert [group['fused'] for group in twin.param_groups] == 2 * [DEVICE == 'cuda']
    twin.step()


def test_state_that_was_dropped_begins_anew():
    model = network()
    optimiser = OccupancyMuon(model.parameters())
    train(model, optimiser, 2)
    optimiser.state.clear()
    train(model, optimiser, 1)
    assert len(optimiser.state_dict()['state']) == len(list(model.parameters()))


def test_state_of_another_device_can_be_loaded():
    model = network()
    optimiser = OccupancyMuon(model.parameters())
    train(model, optimiser, 1)
    kept = copy.deepcopy(optimiser.state_dict())
    for group in kept['param_groups']:
        group['fused'] = not group['fused']
    optimiser.load_state_dict(kept)
    assert [group['fused'] for group in optimiser.param_groups] == [DEVICE == 'cuda']
    train(model, optimiser, 1)


def test_settings_may_change_in_every_step():
    weights = [nn.Parameter(torch.zeros(8, 20, device=DEVICE)) for _ in range(2)]
    optimisers = [OccupancyMuon([each]) for each in weights]
    gradients = torch.randn(5, 8, 20, device=DEVICE)
    for step, gradient in enumerate(gradients):
        for weight, optimiser in zip(weights, optimisers, strict=True):
            weight.grad = gradient.clone()
            optimiser.param_groups[0]['momentum'] = 0.9 if weight is weights[1] and step == 4 else 0.95
            optimiser.step()
    assert not torch.equal(*weights)


def test_groups_have_rates_of_their_own():
    slow, fast = (nn.Parameter(torch.zeros(8, 8)) for _ in range(2))
    slow.grad = fast.grad = torch.randn(8, 8)
    optimiser = OPTIMIZERS.build(
        dict(type='OccupancyMuon', params=[dict(params=[slow], lr=0.1), dict(params=[fast])], lr=0.4)
    )
    optimiser.step()
    torch.testing.assert_close(4 * slow, fast)


@pytest.mark.skipif(DEVICE == 'cpu', reason='graphs need a GPU')
def test_a_graph_changes_matrices_as_plain_torch_does(monkeypatch):
    results = []
    for graphs in ('0', '1'):
        monkeypatch.setenv('OCCUPANCY_CUDA_GRAPHS', graphs)
        model = network()
        optimiser = OccupancyMuon(model.parameters(), lr=0.02)
        train(model, optimiser, 5)
        optimiser.param_groups[0]['lr'] = 0.01
        train(model, optimiser, 3, start=5)
        results.append([each.detach().clone() for each in model.parameters()])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.skipif(DEVICE == 'cpu', reason='graphs need a GPU')
def test_graphs_that_run_at_the_same_time_give_what_each_gives_alone():
    """Products share a workspace by default, and many of one size use it."""

    def trainings(streams):
        generator = torch.Generator(DEVICE).manual_seed(0)
        weights = [torch.randn(512, 4608, generator=generator, device=DEVICE) for _ in range(8)]
        pairs = [[nn.Parameter(weight.clone()) for weight in weights] for _ in streams]
        optimisers = [OccupancyMuon(each) for each in pairs]
        torch.cuda.synchronize()
        for _ in range(20):
            for stream, parameters, optimiser in zip(streams, pairs, optimisers, strict=True):
                with torch.cuda.stream(stream):
                    for each in parameters:
                        each.grad = each.detach().sign()
                    optimiser.step()
        torch.cuda.synchronize()
        return pairs

    (alone,) = trainings([torch.cuda.current_stream()])
    for together in trainings([torch.cuda.Stream() for _ in range(4)]):
        for ours, theirs in zip(alone, together, strict=True):
            assert torch.equal(ours, theirs)


def test_the_length_of_a_step_does_not_depend_on_that_of_the_gradient():
    weights = [nn.Parameter(torch.zeros(8, 20)) for _ in range(2)]
    gradient = torch.randn(8, 20)
    weights[0].grad, weights[1].grad = gradient, 1e3 * gradient
    OccupancyMuon(weights).step()
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-3, atol=1e-6)
    assert math.isfinite(float(weights[0].detach().norm()))
