"""mmengine's runner with checkpoints that are exact, whole and safe, and with several processes on a CPU."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import torch
from mmdet3d.registry import RUNNERS
from mmengine.dist import is_distributed, master_only
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from project.engine.checkpoint import read_checkpoint, write_checkpoint
from project.engine.classes import check_classes
from project.engine.message_hub import hub_state, restore_hub
from project.engine.schedule import replay
from project.engine.versions import versions
from project.engine.weights import load_matching, load_strictly, weights_of

_KEPT_METAINFO = ('label_names', 'palette', 'category_labels', 'cameras')
"""Entries of a checkpoint about the data that its model was trained on."""


@RUNNERS.register_module()
class OccupancyRunner(Runner):
    """Runs training and tests of a configuration.

    In addition to mmengine's runner: checkpoints hold plain data only and are written completely or not at all; those
    to test or to resume from must fit the model exactly, and for pretrained ones the log says what was loaded; without
    a GPU, ``launcher='pytorch'`` runs processes that communicate through gloo; loops with ``fp16=True`` run in
    bfloat16.
    """

    def setup_env(self, env_cfg: dict) -> None:
        """Set up processes, connect them, and have autocast mean bfloat16."""
        if self.distributed and not is_distributed() and not torch.cuda.is_available():
            torch.distributed.init_process_group('gloo')
        super().setup_env(env_cfg)
        # mmengine's loops of validation and test turn autocast on in the type that torch has for the device.
        torch.set_autocast_dtype('cuda', torch.bfloat16)

    def set_randomness(self, seed: int | None, diff_rank_seed: bool = False, deterministic: bool = False) -> None:
        """Choose one seed for all processes: the training loop makes them draw differently, so none has its own."""
        super().set_randomness(seed, diff_rank_seed=False, deterministic=deterministic)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: torch.nn.Module) -> torch.nn.Module:
        """Move the model to its device, and wrap it where several processes train it."""
        if torch.cuda.is_available() or not self.distributed:
            return super().wrap_model(model_wrapper_cfg, model)
        unused = self.cfg.get('find_unused_parameters', False)
        return MMDistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=unused)

    @master_only
    def dump_config(self) -> None:
        """Write the configuration and the versions of all that matters into the work directory."""
        super().dump_config()
        Path(self.work_dir, 'versions.json').write_text(json.dumps(versions(), indent=1) + '\n')

    def train(self) -> torch.nn.Module:
        """Train, and end the loading processes."""
        with self._loading():
            return super().train()

    def val(self) -> dict:
        """Validate, and end the loading processes."""
        with self._loading():
            return super().val()

    def test(self) -> dict:
        """Test, and end the loading processes."""
        with self._loading():
            return super().test()

    @contextmanager
    def _loading(self) -> Iterator[None]:
        """Ends persistent loading processes with the body. Left to Python's exit, torch waits 5 s for each of them
        where it pins memory, before it kills it."""
        try:
            yield
        finally:
            for loop in (self._train_loop, self._val_loop, self._test_loop):
                if isinstance(loop, BaseLoop):
                    loop.dataloader._iterator = None  # ends its processes; the next pass would start others

    @staticmethod
    def build_dataloader(dataloader: dict, *args, **kwargs) -> DataLoader:
        """Build a loader of data; settings for a GPU or for loading processes do not matter where there are none."""
        if isinstance(dataloader, dict):
            ignored: tuple[str, ...] = () if torch.cuda.is_available() else ('pin_memory',)
            if not dataloader.get('num_workers'):
                ignored += ('persistent_workers', 'prefetch_factor')
            dataloader = {key: value for key, value in dataloader.items() if key not in ignored}
        return Runner.build_dataloader(dataloader, *args, **kwargs)

    @property
    def bare_model(self) -> torch.nn.Module:
        """The model without what wraps it for distributed training."""
        return self.model.module if is_model_wrapper(self.model) else self.model

    def _init_model_weights(self) -> None:
        # Pretrained weights, which may be absent by now, would be replaced by the checkpoint's at once.
        if not self._resume:
            super()._init_model_weights()

    @cached_property
    def _config_text(self) -> str:
        return self.cfg.pretty_text

    def load_or_resume(self) -> None:
        """Load what was asked for: a checkpoint to resume from or to test, or pretrained weights."""
        is_training = isinstance(self._train_loop, BaseLoop)
        if is_training and self._load_from and not self._resume and not self._has_loaded:
            if '://' not in self._load_from and not Path(self._load_from).is_file():
                raise FileNotFoundError(
                    f'there are no pretrained weights {self._load_from}: ckpts/README.md says where to get them; '
                    '--cfg-options load_from=None trains without'
                )
            self.load_checkpoint(self._load_from, strict=False)
        else:
            super().load_or_resume()

    def load_checkpoint(self, filename: str, map_location: str = 'cpu', strict: bool = True, **_) -> dict:
        """Load weights into the model.

        Args:
            filename: the checkpoint.
            map_location: device for its tensors.
            strict: whether it must be a checkpoint of exactly this model.

        Returns:
            The whole checkpoint.

        Raises:
            FileNotFoundError, ValueError: one sentence that names the file and the fault; with `strict`, that may be
                that its model was trained for other classes than those of the data.
        """
        checkpoint = read_checkpoint(filename, map_location)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        if strict:
            self._check_classes(checkpoint, filename)
            load_strictly(self.bare_model, weights_of(checkpoint), filename)
            self.logger.info(f'loaded all weights from {filename}')
        else:
            self.logger.info(load_matching(self.bare_model, weights_of(checkpoint), filename))
        self._has_loaded = True
        return checkpoint

    def _check_classes(self, checkpoint: dict, filename: str) -> None:
        trained = checkpoint.get('meta', {}).get('dataset_meta') or {}
        for loop in (self._train_loop, self._val_loop, self._test_loop):
            if isinstance(loop, BaseLoop):
                dataset = loop.dataloader.dataset
                data = str(getattr(dataset, 'ann_file', 'the data'))
                check_classes(trained, filename, getattr(dataset, 'metainfo', {}), data)

    def resume(self, filename: str, **_) -> None:
        """Restore everything that training depends on from a checkpoint.

        Settings of the optimiser and its schedules are the configuration's, also where the checkpoint had others.

        Raises:
            ValueError: the checkpoint holds no state of training, or that of another optimiser.
        """
        checkpoint = self.load_checkpoint(filename)
        if not {'optimizer', 'meta', 'message_hub'} <= checkpoint.keys():
            raise ValueError(f'{filename} holds weights but no state of training; start from it with load_from instead')
        meta = checkpoint['meta']
        self.train_loop._epoch, self.train_loop._iter = meta['epoch'], meta['iter']
        self._randomness_cfg.update(seed=meta['seed'])
        self.set_randomness(**self._randomness_cfg)
        restore_hub(self.message_hub, checkpoint['message_hub'])
        self._resume_optimiser(checkpoint['optimizer'], filename)
        self.logger.info(f'resumed {filename} at epoch {self.epoch}, iteration {self.iter}')

    def _resume_optimiser(self, state: dict, filename: str) -> None:
        settings = [{**group, 'params': None} for group in self.optim_wrapper.param_groups]
        try:
            self.optim_wrapper.load_state_dict(state)
        except ValueError as error:
            raise ValueError(
                f'{filename} was made with other groups of parameters ({error}): resume with its optim_wrapper, or '
                'start from its weights with load_from'
            ) from error
        before = self.optim_wrapper.get_lr()['lr']
        for group, own in zip(self.optim_wrapper.param_groups, settings, strict=True):
            group.update({**own, 'params': group['params']})
        replay(self.param_schedulers or (), self.iter, len(self.train_loop.dataloader))
        now = self.optim_wrapper.get_lr()['lr']
        if now != before:
            now, before = (', '.join(f'{rate:.3g}' for rate in rates) for rates in (now, before))
            self.logger.warning(f'learning rates go on at {now}, as configured; the checkpoint had {before}')

    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        **_,
    ) -> None:
        """Write a checkpoint.

        Args:
            out_dir, filename: the file.
            save_optimizer, save_param_scheduler: whether training can be resumed from it.
            meta: ``epoch`` and ``iter``, the numbers of completed epochs and iterations.
        """
        about = dict(seed=self.seed, experiment_name=self.experiment_name, time=time.strftime('%Y-%m-%d %H:%M:%S'))
        metainfo = getattr(self.train_dataloader.dataset, 'metainfo', {})
        about['dataset_meta'] = {key: metainfo[key] for key in _KEPT_METAINFO if key in metainfo}
        checkpoint: dict = {
            'meta': {**(meta or {}), **about, 'cfg': self._config_text, 'versions': versions()},
            'state_dict': self.bare_model.state_dict(),
            'message_hub': hub_state(self.message_hub),
        }
        if save_optimizer:
            checkpoint['optimizer'] = self.optim_wrapper.state_dict()
        if save_param_scheduler:
            checkpoint['param_schedulers'] = [scheduler.state_dict() for scheduler in self.param_schedulers or ()]
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        write_checkpoint(Path(out_dir, filename), checkpoint)
