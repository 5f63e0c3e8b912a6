"""Random numbers that depend on where training is, not on how it got there.

Before each iteration, and before each sample is loaded, every generator is seeded from the run's seed and the place
in the run. So no generator's state has to be saved for a resumed run to draw what an uninterrupted one draws, and the
data is the same whatever the number of loading processes.
"""

import random
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from mmengine.dist import get_rank
from torch.utils.data import BatchSampler, Dataset, Sampler

from project.datasets.random_generator import begin_clip

_ITERATION, _SAMPLE, _CLIP = 0, 1, 2
"""Purpose of a seed: the first number of the place, so that model and data never share a stream."""

Place = tuple[int, ...]


def seed_everything(*place: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch, on all devices, from whole numbers that name a place."""
    words = np.random.SeedSequence(place).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])  # noqa: NPY002 - mmcv's and mmdet's transforms draw from it
    torch.manual_seed(int(words[2]) << 32 | int(words[3]))


def seed_iteration(seed: int, iteration: int) -> None:
    """Seed what the model draws in one iteration, differently in each process."""
    seed_everything(_ITERATION, seed, iteration, get_rank())


class SeededDataset(Dataset):
    """A dataset whose items are asked for by place, clip and index, and are drawn with the seed of that place."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __getitem__(self, item: tuple[Place, Place | None, int]):
        place, clip, index = item
        seed_everything(*place)
        begin_clip(clip)
        return self.dataset[index]

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def metainfo(self) -> dict:
        """The metainfo of the dataset."""
        return getattr(self.dataset, 'metainfo', {})


class PlacedSampler(Sampler):
    """A sampler that gives the indices of an epoch together with their place in the run.

    Args:
        sampler: draws indices, a function of its attributes ``seed`` and ``epoch``. If it has a ``length``, so many
            samples after each other are a clip.
    """

    def __init__(self, sampler: Sampler):
        self.sampler = sampler
        self.begin_epoch(seed=0, epoch=0)

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Choose the next pass: seed of the run, and epoch."""
        self.seed, self.epoch = seed, epoch
        self.sampler.seed = seed
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[Place, Place | None, int]]:
        length, run = getattr(self.sampler, 'length', None), (self.seed, self.epoch)
        for position, index in enumerate(self.sampler):
            clip = None if length is None else (_CLIP, *run, position // length, get_rank())
            yield (_SAMPLE, *run, position, get_rank()), clip, index

    def __len__(self) -> int:
        return len(self.sampler)


class PlacedBatches(BatchSampler):
    """Batches of a :class:`PlacedSampler`; its length is that of one epoch, but a pass can have several.

    Loading processes load ahead in a pass, so they do not wait where an epoch ends.
    """

    def __init__(self, sampler: PlacedSampler, batch_size: int, drop_last: bool):
        super().__init__(sampler, batch_size, drop_last)
        self.begin(seed=0, epochs=range(1))

    def begin(self, seed: int, epochs: range, skip: int = 0) -> None:
        """Choose the next pass: seed of the run, epochs, and how many batches of the first one it leaves out."""
        self.seed, self.epochs, self.skip = seed, epochs, skip

    def __iter__(self) -> Iterator[list]:
        skip = self.skip
        for epoch in self.epochs:
            self.sampler.begin_epoch(self.seed, epoch)
            yield from islice(super().__iter__(), skip, None)
            skip = 0
