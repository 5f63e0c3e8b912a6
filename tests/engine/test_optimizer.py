"""One group of parameters for each setting: what each parameter gets is what mmengine gives it."""

import logging

import pytest

pytest.importorskip('mmdet3d')

import torch
from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from project.engine.optimizer import OccupancyOptimWrapperConstructor

OPTIMISER = {'type': 'OptimWrapper', 'optimizer': {'type': 'AdamW', 'lr': 2e-4, 'weight_decay': 0.01}}
BY_NAME = {'custom_keys': {'backbone': {'lr_mult': 0.1}}, 'norm_decay_mult': 0.0, 'bias_decay_mult': 0.5}


class Model(nn.Module):
    """Parts with settings of their own, and a frozen one."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
        self.head = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
        self.queries = nn.Parameter(torch.zeros(5))
        self.backbone[0].requires_grad_(False)


def settings(model, constructor):
    """Learning rate and decay of each parameter, and the number of groups."""
    groups = constructor(OPTIMISER, BY_NAME)(model).optimizer.param_groups
    found = {id(each): (group['lr'], group['weight_decay']) for group in groups for each in group['params']}
    assert sum(len(group['params']) for group in groups) == len(found)
    return {name: found.get(id(each)) for name, each in model.named_parameters() if each.requires_grad}, len(groups)


def test_every_parameter_keeps_its_settings_in_fewer_groups():
    model = Model()
    expected, many = settings(model, DefaultOptimWrapperConstructor)
    found, few = settings(model, OccupancyOptimWrapperConstructor)
    assert found == expected and len(set(found.values())) == few == 4
    assert few < many
    assert found['backbone.2.weight'] == (pytest.approx(2e-5), 0.01)
    assert found['head.1.weight'] == (pytest.approx(2e-4), 0.0)


def test_an_optimiser_that_does_not_exist_is_named():
    wrapper = {**OPTIMISER, 'optimizer': {'type': 'Foo', 'lr': 2e-4}}
    with pytest.raises(ValueError, match='type=Foo: there is no such optimiser'):
        OccupancyOptimWrapperConstructor(wrapper)(Model())


def test_the_log_has_a_line_for_each_group_and_none_for_each_parameter():
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        OccupancyOptimWrapperConstructor(OPTIMISER, BY_NAME)(Model())
    finally:
        logger.removeHandler(handler)
    lines = [line for line in records if 'paramwise' in line or 'parameter' in line or 'skipped' in line]
    assert lines == [
        '3 parameter tensors are trained with lr 0.0002, weight_decay 0.01',
        '4 parameter tensors are trained with lr 2e-05, weight_decay 0.01',
        '2 parameter tensors are trained with lr 0.0002, weight_decay 0.005',
        '2 parameter tensors are trained with lr 0.0002, weight_decay 0.0',
        '2 parameter tensors are frozen',
    ]
