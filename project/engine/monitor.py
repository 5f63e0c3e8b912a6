"""Hooks that watch training: a progress line, and a check for values that are not finite."""

import atexit
import logging
import math
import sys

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from project.engine.message_hub import forget_old_values

_WHERE = 'epoch {task.fields[epoch]}/{task.fields[epochs]}  iteration'
_HOW = ' loss {task.fields[loss]:.4f}  {task.fields[seconds]:.2f} s/it '


@HOOKS.register_module()
class OccupancyProgressHook(Hook):
    """Keeps a line below the log of a terminal: epoch, iteration, loss, seconds an iteration, time left."""

    priority = 'LOW'

    def __init__(self):
        self.progress: Progress | None = None

    def before_train(self, runner) -> None:
        """Show the line, where there is a terminal."""
        console = Console()
        if not (is_main_process() and console.is_terminal):
            return
        done, time_left = (TextColumn(_WHERE), MofNCompleteColumn()), (TimeRemainingColumn(), TextColumn('left'))
        self.progress = Progress(*done, BarColumn(10), TextColumn(_HOW), *time_left, console=console)
        fields = dict(epoch=runner.epoch + 1, epochs=runner.max_epochs, loss=math.nan, seconds=math.nan)
        self.task = self.progress.add_task('train', total=runner.max_iters, completed=runner.iter, **fields)
        self.progress.start()
        atexit.register(self.progress.stop)  # an error, too, must leave the terminal as it was
        # rich prints what goes to sys.stdout above the line; the log's handler holds the stream from before.
        _send_log_to(runner.logger, sys.stdout)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs: dict | None = None) -> None:
        """Move the line on."""
        forget_old_values(runner.message_hub)
        if self.progress is not None:
            seconds = runner.message_hub.get_scalar('train/time').mean(20)
            loss = runner.message_hub.get_scalar('train/loss').mean(20)
            done = runner.iter + 1
            self.progress.update(self.task, completed=done, epoch=runner.epoch + 1, loss=loss, seconds=seconds)

    def after_train(self, runner) -> None:
        """Take the line away."""
        if self.progress is not None:
            self.progress.stop()
            atexit.unregister(self.progress.stop)
            _send_log_to(runner.logger, sys.stdout)
            self.progress = None


@HOOKS.register_module()
class OccupancyLossCheckHook(Hook):
    """Stops training at the first loss or gradient that is not a finite number, before a checkpoint can be spoiled."""

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs: dict | None = None) -> None:
        """Check the losses of an iteration, and the norm of its gradients where they are clipped.

        Raises:
            FloatingPointError: one is NaN or infinite.
        """
        figures = {**(outputs or {}), **_gradient_norm(runner)}
        bad = [name for name, value in figures.items() if not math.isfinite(torch.as_tensor(value).item())]
        if bad:
            raise FloatingPointError(_advice(runner, f'{", ".join(bad)} is not finite in iteration {runner.iter + 1}'))

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Check the weights, which a gradient that nothing clips may have spoiled.

        Raises:
            FloatingPointError: one is NaN or infinite.
        """
        bad = [name for name, weight in runner.bare_model.named_parameters() if not weight.isfinite().all()]
        if bad:
            raise FloatingPointError(
                _advice(runner, f'the weight {bad[0]} is not finite after iteration {runner.iter}')
            )


def _gradient_norm(runner) -> dict[str, float]:
    """The last one, which clipping has logged; a wrapper that scales losses leaves steps out where it is infinite."""
    logged = runner.message_hub.log_scalars.get('train/grad_norm')
    if logged is None or hasattr(runner.optim_wrapper, 'loss_scaler'):
        return {}
    return {'grad_norm': logged.current()}


def _advice(runner, fault: str) -> str:
    rate = max(runner.optim_wrapper.get_lr()['lr'])
    return (
        f'{fault}: look at the data there, or lower the learning rate (now {rate:.2g}), then resume from the last '
        f'checkpoint in {runner.work_dir}'
    )


def _send_log_to(logger: logging.Logger, stream) -> None:
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.setStream(stream)
