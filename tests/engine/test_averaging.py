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
