"""Moving averages of weights."""

import torch
from torch import nn

from project.engine.averaging import OccupancyMovingAverage


def test_the_first_step_is_taken_as_it_is_and_later_ones_by_their_share():
    model = nn.BatchNorm1d(3)
    average = OccupancyMovingAverage(model, momentum=0.4)
    for step, value in enumerate((5.0, 7.0, 1.0)):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        if step == 0:
            assert (average.module.weight == 5).all()
    # After the first, ten elevenths and ten twelfths count, since there have been so few steps.
    expected = 5 + (7 - 5) * 10 / 11
    expected += (1 - expected) * 10 / 12
    torch.testing.assert_close(average.module.weight.detach(), torch.full((3,), expected))


def test_after_many_steps_the_newest_counts_as_much_as_it_is_told():
    model = nn.Linear(1, 1, bias=False)
    average = OccupancyMovingAverage(model, momentum=0.25)
    average.steps.fill_(1000)
    nn.init.constant_(average.module.weight, 4.0)
    nn.init.constant_(model.weight, 8.0)
    average.update_parameters(model)
    assert average.module.weight.item() == 5.0


def test_running_statistics_are_the_models_own():
    model = nn.BatchNorm1d(3)
    average = OccupancyMovingAverage(model, momentum=0.1)
    model(torch.randn(8, 3))
    average.update_parameters(model)
    assert torch.equal(average.module.running_mean, model.running_mean)
    assert average.module.num_batches_tracked == 1


def test_a_shared_weight_counts_once():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    average = OccupancyMovingAverage(model, momentum=0.25)
    average.steps.fill_(1000)
    nn.init.constant_(average.module[0].weight, 4.0)
    nn.init.constant_(model[0].weight, 8.0)
    average.update_parameters(model)
    assert (average.module[1].weight == 5).all()


def test_tensors_may_be_replaced_and_models_too():
    model = nn.BatchNorm1d(3)
    average = OccupancyMovingAverage(model, momentum=0.1)
    average.update_parameters(model)
    model.running_mean = torch.full((3,), 7.0)  # another tensor
    average.update_parameters(model)
    assert (average.module.running_mean == 7).all()
    other = nn.BatchNorm1d(3)
    nn.init.constant_(other.running_mean, 2.0)
    average.update_parameters(other)
    assert (average.module.running_mean == 2).all()
    assert set(average.state_dict()) == {'steps', *(f'module.{name}' for name in model.state_dict())}
