"""Writes checkpoints, and decides which are kept."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from mmdet3d.registry import HOOKS
from mmengine.dist import all_reduce_params, is_distributed, is_main_process
from mmengine.hooks import Hook
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from project.formats.common import written_whole

LAST_CHECKPOINT = 'last_checkpoint'
"""File in the work directory that holds the path of the newest checkpoint to resume from."""


@HOOKS.register_module()
class OccupancyCheckpointHook(Hook):
    """Writes checkpoints so that a stop at any moment leaves a complete one to resume from.

    A new checkpoint is written aside and renamed, then ``last_checkpoint`` points to it, and only then old ones go.

    Args:
        interval: epochs between checkpoints; the last epoch always gets one.
        iteration_interval: iterations between checkpoints within an epoch; None for none.
        max_keep_ckpts: how many of these stay.
        save_best: the figure of validation whose highest value marks the best weights, kept in one more file.
    """

    priority = 'VERY_LOW'

    def __init__(
        self,
        interval: int = 1,
        iteration_interval: int | None = None,
        max_keep_ckpts: int = 2,
        save_best: str | None = 'mIoU',
    ):
        if interval < 1 or (iteration_interval or 1) < 1 or max_keep_ckpts < 1:
            raise ValueError('interval, iteration_interval and max_keep_ckpts must be at least 1')
        self.interval = interval
        self.iteration_interval = iteration_interval
        self.max_keep_ckpts = max_keep_ckpts
        self.save_best = save_best

    def before_train(self, runner) -> None:
        """Remove the half-written files of a run that was stopped."""
        if is_main_process():
            for unfinished in Path(runner.work_dir).glob('.*.pth.*'):
                unfinished.unlink()

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Write a checkpoint within an epoch where one is due."""
        done = runner.iter + 1
        if self.iteration_interval and done % self.iteration_interval == 0 and done % len(runner.train_dataloader):
            average_statistics(runner.model)
            self._save(runner, f'iter_{done}.pth', epoch=runner.epoch, iteration=done)

    def after_train_epoch(self, runner) -> None:
        """Write a checkpoint after an epoch where one is due."""
        average_statistics(runner.model)
        done = runner.epoch + 1
        if done % self.interval == 0 or done == runner.max_epochs:
            self._save(runner, f'epoch_{done}.pth', epoch=done, iteration=runner.iter)

    def after_val_epoch(self, runner, metrics: dict[str, float]) -> None:
        """Keep the weights where they are the best so far."""
        if self.save_best is None:
            return
        score = metrics.get(self.save_best)
        if score is None:
            runner.logger.warning(f'validation gave no {self.save_best}, so no best checkpoint is chosen')
            return
        hub = runner.message_hub
        if score <= hub.get_info('best_score', -math.inf):
            return
        name = f'best_{self.save_best.replace("/", "_")}_epoch_{runner.epoch}.pth'
        previous = hub.get_info('best_ckpt')
        hub.update_info_dict({'best_score': score, 'best_ckpt': name})
        meta = {'epoch': runner.epoch, 'iter': runner.iter, self.save_best: score}
        runner.save_checkpoint(runner.work_dir, name, save_optimizer=False, save_param_scheduler=False, meta=meta)
        runner.logger.info(f'best {self.save_best} so far, {score:.3f}: saved {name}')
        if previous != name:
            _remove(runner, previous)

    def _save(self, runner, name: str, epoch: int, iteration: int) -> None:
        hub = runner.message_hub
        names = [*(kept for kept in hub.get_info('kept_ckpts', []) if kept != name), name]
        hub.update_info('kept_ckpts', names[-self.max_keep_ckpts :])
        runner.save_checkpoint(runner.work_dir, name, meta={'epoch': epoch, 'iter': iteration})
        if is_main_process():
            with written_whole(Path(runner.work_dir, LAST_CHECKPOINT)) as file:
                file.write(os.path.join(runner.work_dir, name).encode())
        for outdated in names[: -self.max_keep_ckpts]:
            _remove(runner, outdated)


def last_checkpoint(work_dir: str | Path) -> Path | None:
    """The checkpoint to resume from in a work directory, which may have been moved; None where there is none."""
    pointer = Path(work_dir, LAST_CHECKPOINT)
    if not pointer.is_file():
        return None
    return Path(work_dir, Path(pointer.read_text().strip()).name)


def average_statistics(model: nn.Module) -> None:
    """Give all processes the same running statistics, so that a checkpoint holds what each of them goes on with.

    Only statistics that training changes are averaged: the mean of equal numbers may differ from them in the last bit,
    so constants would drift.
    """
    if is_distributed():
        all_reduce_params(_running_statistics(model), op='mean')


def _running_statistics(model: nn.Module) -> Iterator[Tensor]:
    for module in model.modules():
        if isinstance(module, _NormBase) and module.training:
            yield from (each for each in (module.running_mean, module.running_var) if each is not None)


def _remove(runner, name: str | None) -> None:
    if name and is_main_process():
        Path(runner.work_dir, name).unlink(missing_ok=True)
