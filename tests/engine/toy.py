"""A toy in place of the detector and its data: random in every way that real training is, with a trail of losses."""

import os
import random
from pathlib import Path

import numpy as np
import torch
from mmdet3d.registry import DATASETS, HOOKS, MODELS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import Dataset

import project  # noqa: F401 - before mmdet3d, which needs its import hooks

SHAPE = (7, 5, 3)
CLASSES = 18


@DATASETS.register_module()
class ToyDataset(Dataset):
    """Features of fixed labels; in training with noise from all three generators that transforms use."""

    def __init__(self, length: int, test_mode: bool = False, label_names: list[str] | None = None):
        self.length, self.test_mode = length, test_mode
        self.metainfo = {} if label_names is None else {'label_names': label_names}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict:
        truth = torch.randint(0, CLASSES, SHAPE, generator=torch.Generator().manual_seed(index), dtype=torch.uint8)
        noise = 0 if self.test_mode else torch.randn(4, *SHAPE) + random.random() + np.random.rand()  # noqa: NPY002
        sample = BaseDataElement(metainfo={'sample_token': f'{index:032x}'})
        sample.gt_occupancy = truth
        return {'inputs': (truth / CLASSES).expand(4, *SHAPE) + noise, 'data_samples': sample}


@MODELS.register_module()
class ToyModel(BaseModel):
    """Convolution, batch norm, dropout, convolution."""

    def __init__(self, data_preprocessor: dict | None = None, channels: int = 6):
        super().__init__(data_preprocessor)
        self.layers = nn.Sequential(
            nn.Conv3d(4, channels, 1), nn.BatchNorm3d(channels), nn.Dropout(0.3), nn.Conv3d(channels, CLASSES, 1)
        )

    def forward(self, inputs: list, data_samples: list, mode: str = 'tensor'):
        logits = self.layers(torch.stack(list(inputs)))
        if mode == 'loss':
            truth = torch.stack([sample.gt_occupancy for sample in data_samples]).long()
            return {'loss': nn.functional.cross_entropy(logits, truth) * (1 + 0.1 * random.random())}
        for sample, prediction in zip(data_samples, logits.argmax(1), strict=True):
            sample.pred_occupancy = prediction
        return data_samples


@HOOKS.register_module()
class TrailHook(Hook):
    """Appends every loss and learning rate, to the last bit, to a file.

    It kills its own process where the environment's TOY_KILL_AT says: ``iter 6`` after that iteration, ``val 2``
    within the validation after that epoch, ``save iter_9.pth`` when half of that checkpoint is written.
    """

    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs: dict | None = None) -> None:
        lr = runner.optim_wrapper.get_lr()['lr'][0]
        line = f'{runner.epoch} {runner.iter} {outputs["loss"].item().hex()} {lr.hex()}\n'
        with open(Path(runner.work_dir, f'trail_{get_rank()}.txt'), 'a') as file:
            file.write(line)
        self._kill_at(f'iter {runner.iter}')

    def after_val_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self._kill_at(f'val {runner.epoch}')

    def before_train(self, runner) -> None:
        save = torch.save

        def dying_save(content, file) -> None:
            if os.environ['TOY_KILL_AT'] == f'save {Path(file.name).name.split(".")[1]}':
                file.write(b'half of a checkpoint')
                file.flush()
                os.kill(os.getpid(), 9)
            save(content, file)

        torch.save = dying_save

    @staticmethod
    def _kill_at(moment: str) -> None:
        if os.environ['TOY_KILL_AT'] == moment:
            os.kill(os.getpid(), 9)
