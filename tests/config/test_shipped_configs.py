"""Every shipped configuration can be built, and means what it says."""

import ast
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

import project  # noqa: F401  (registers everything)
from tools.benchmarks._rig import lidar2img

FOLDER = Path(__file__).parents[2] / 'config'
CONFIGS = sorted(path.stem for path in FOLDER.glob('*.py'))
LIFTS = [name for name in CONFIGS if name.startswith('occupancy_lift')]


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        yield


def read(name):
    return Config.fromfile(FOLDER / f'{name}.py')


@cache
def build(name):
    from mmdet3d.registry import MODELS

    return MODELS.build(read(name).model)


def depth(path):
    """Levels of `_base_` below a configuration."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            bases = ast.literal_eval(node.value)
            bases = [bases] if isinstance(bases, str) else bases
            return 1 + max(depth(path.parent / base) for base in bases)
    return 0


@pytest.mark.parametrize('name', CONFIGS)
def test_it_has_at_most_two_levels_of_bases(name):
    assert depth(FOLDER / f'{name}.py') <= 2


@pytest.mark.parametrize('name', CONFIGS)
def test_its_model_is_built(name):
    model = build(name)
    config = read(name)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e6
    if config.model.type == 'OccupancyBEVFormer':
        assert model.encoder.baseline_compatible is config.model.get('baseline_compatible', False)
    else:
        assert model.image_loss.bins == model.depth_net.bins


@pytest.mark.parametrize('name', LIFTS)
def test_labels_are_rendered_at_the_stride_of_the_features(name):
    config, model = read(name), build(name).eval()
    steps = {step.type: step for step in config.train_dataloader.dataset.pipeline}
    height, width = steps['FitSurroundImages'].size
    with torch.no_grad():
        features = model.extract_feat(torch.zeros(1, 1, 3, height, width))
    assert features.shape[-2:] == (height / steps['RenderOccupancy'].stride, width / steps['RenderOccupancy'].stride)


@pytest.mark.parametrize('name', CONFIGS)
def test_its_data_pipelines_and_metric_are_built(name):
    from mmdet3d.registry import METRICS, TRANSFORMS

    config = read(name)
    grid = build(name).grid
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        steps = [TRANSFORMS.build(step) for step in loader.dataset.pipeline]
        labels = next(step for step in steps if type(step).__name__ == 'LoadOccupancyLabels')
        assert labels.grid == grid
        assert loader.dataset.frame == grid.frame
        assert loader.dataset.queue_length == config.train_dataloader.dataset.queue_length
    METRICS.build(config.val_evaluator)


def test_occ3d_is_trained_and_validated_by_the_rules_of_its_benchmark():
    from mmdet3d.registry import METRICS

    from project.evaluation.protocols import build_protocol

    model, config = build('occupancy_occ3d'), read('occupancy_occ3d')
    metric = METRICS.build(config.val_evaluator)
    assert metric.protocols == {'occ3d': build_protocol('occ3d')} and model.grid == build_protocol('occ3d').grid
    shape = model.grid.shape
    truth, seen = np.full(shape, 17, np.uint8), np.zeros(shape, bool)
    truth[:2], seen[:1] = 0, True
    prediction = np.where(seen, truth, 5)  # right where cameras see
    labels = dict(gt_occupancy=torch.tensor(truth), mask_camera=torch.tensor(seen))
    metric.process({}, [dict(sample_token='a', grid=model.grid, pred_occupancy=torch.tensor(prediction), **labels)])
    assert metric.evaluate(1)[config.default_hooks.checkpoint.save_best] == 100
    for loss in model.head.losses.values():
        for label, counts in ((0, True), (255, False)):
            value = loss(torch.zeros(1, 18, 7, 5, 3), torch.full((1, 7, 5, 3), label))
            assert (value > 0) == counts


@pytest.mark.parametrize(
    'name', ['occupancy_tiny', 'occupancy_lift_tiny', pytest.param('occupancy_medium', marks=pytest.mark.slow)]
)
def test_every_parameter_takes_part(name):
    """Distributed training waits for the gradients of all of them."""
    from project.datasets.data_sample import OccupancyDataSample

    model = build(name).train()
    if name in LIFTS:
        matrices = lidar2img((64, 64))
    else:
        # All anchors straight ahead of each camera, at its middle.
        middle = np.diag([0.0, 0.0, 0.0, 1.0])
        middle[:, 3] = 32, 32, 1, 1
        matrices = np.stack([middle] * 6)
    data_sample = OccupancyDataSample(metainfo={'lidar2img': matrices})
    data_sample.gt_occupancy = torch.randint(0, 18, model.grid.shape, dtype=torch.uint8)
    losses = model({'imgs': torch.randn(1, 6, 3, 64, 64)}, [data_sample], mode='loss')
    sum(losses.values()).backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []


def test_the_baseline_has_the_parameters_as_published():
    assert sum(parameter.numel() for parameter in build('occupancy').parameters()) == 61_505_360


@pytest.mark.parametrize('name', ['occupancy', 'occupancy_tiny', 'occupancy_lift'])
def test_a_schedule_keeps_the_backbones_share(name):
    from mmdet3d.registry import PARAM_SCHEDULERS

    config = read(name)
    model = torch.nn.ModuleDict({'img_backbone': torch.nn.Linear(1, 1), 'head': torch.nn.Linear(1, 1)})
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    defaults = dict(optimizer=wrapper, epoch_length=100, end=config.train_cfg.max_epochs)  # as the runner gives them
    schedules = [PARAM_SCHEDULERS.build(schedule, default_args=defaults) for schedule in config.param_scheduler]
    rates = []
    for _ in range(2400):
        rates.append([group['lr'] for group in wrapper.param_groups])
        for schedule in schedules:
            schedule.step()
    rates = torch.tensor(rates)
    share = 0.1 if name == 'occupancy' else 1.0
    torch.testing.assert_close(rates[:, 0], share * rates[:, -1])
    peak = config.optim_wrapper.optimizer.lr
    assert rates[0, -1] == pytest.approx(0.05 * peak)
    assert rates[:, -1].max() > 0.85 * peak
    assert rates[-1, -1] == pytest.approx(0.005 * peak, rel=0.05)
