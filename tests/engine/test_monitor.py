"""Hooks that watch training."""

import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub

from project.engine import OccupancyRunner
from project.engine.checkpoint_hook import last_checkpoint
from project.engine.monitor import OccupancyLossCheckHook, OccupancyProgressHook


def runner(iteration: int = 3) -> SimpleNamespace:
    hub = MessageHub('monitor')
    hub.update_scalars({'train/time': 0.25, 'train/loss': 1.5})
    optim_wrapper = SimpleNamespace(get_lr=lambda: {'lr': [2e-4, 2e-5]})
    logger = logging.Logger('monitor')
    logger.addHandler(logging.StreamHandler(sys.stdout))
    return SimpleNamespace(
        epoch=1, iter=iteration, max_epochs=24, max_iters=100, work_dir='out/run1', message_hub=hub,
        optim_wrapper=optim_wrapper, logger=logger,
    )  # fmt: skip


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_loss_that_is_no_number_stops_training(bad):
    outputs = {'loss': torch.tensor(bad), 'loss_ce': torch.tensor(1.0), 'loss_lovasz': torch.tensor(bad)}
    with pytest.raises(FloatingPointError, match=r'loss, loss_lovasz is not finite in iteration 4.*0\.0002.*out/run1'):
        OccupancyLossCheckHook().after_train_iter(runner(), 0, outputs=outputs)
    OccupancyLossCheckHook().after_train_iter(runner(), 0, outputs={'loss': torch.tensor(1.0)})


def test_a_gradient_norm_that_is_no_number_stops_training():
    watched = runner()
    watched.message_hub.update_scalar('train/grad_norm', float('nan'))
    with pytest.raises(FloatingPointError, match='grad_norm is not finite in iteration 4'):
        OccupancyLossCheckHook().after_train_iter(watched, 0, outputs={'loss': torch.tensor(1.0)})
    watched.optim_wrapper.loss_scaler = object()  # which leaves out such steps itself
    OccupancyLossCheckHook().after_train_iter(watched, 0, outputs={'loss': torch.tensor(1.0)})


class NotANumberBackwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float('nan')


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'OccupancyBfloat16OptimWrapper'])
@pytest.mark.parametrize(('clip_grad', 'named'), [({'max_norm': 35}, 'grad_norm is'), (None, 'the weight layers.0')])
def test_a_gradient_that_is_no_number_spoils_no_checkpoint(tmp_path, monkeypatch, clip_grad, named, wrapper):
    """The last loss of the first epoch is finite, its gradient is not."""
    from toy import ToyModel

    forward, calls = ToyModel.forward, iter(range(1, 100))

    def spoilt(self, inputs, data_samples, mode='tensor'):
        out = forward(self, inputs, data_samples, mode)
        return {'loss': NotANumberBackwards.apply(out['loss'])} if mode == 'loss' and next(calls) == 7 else out

    monkeypatch.setattr(ToyModel, 'forward', spoilt)
    config = Config.fromfile(Path(__file__).with_name('toy_config.py'))
    config.update(work_dir=str(tmp_path), custom_imports=None, experiment_name=f'spoilt {named} {wrapper}')
    config.custom_hooks = [dict(type='OccupancyLossCheckHook')]
    config.optim_wrapper.update(type=wrapper, clip_grad=clip_grad)
    with pytest.raises(FloatingPointError, match=named):
        OccupancyRunner.from_cfg(config).train()
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['iter_3.pth', 'iter_6.pth']
    assert last_checkpoint(tmp_path) == tmp_path / 'iter_6.pth'


def test_progress_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('COLUMNS', '80')
    hook, watched = OccupancyProgressHook(), runner()
    hook.before_train(watched)
    hook.after_train_iter(watched, 3)
    watched.logger.error('a line of the log')
    hook.after_train(watched)
    shown = without_colours(capsys.readouterr().out)
    assert 'epoch 2/24  iteration   4/100' in shown and 'loss 1.5000  0.25 s/it' in shown and 'left' in shown
    assert 'a line of the log' in shown
    assert watched.logger.handlers[0].stream is sys.stdout


def test_no_line_without_a_terminal(monkeypatch, capsys):
    monkeypatch.delenv('FORCE_COLOR', raising=False)
    hook = OccupancyProgressHook()
    hook.before_train(runner())
    hook.after_train_iter(runner(), 3)
    hook.after_train(runner())
    assert capsys.readouterr().out == ''


def without_colours(text: str) -> str:
    from rich.text import Text

    return Text.from_ansi(text).plain
