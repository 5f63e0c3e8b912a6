"""Random numbers of samples: their own, and those that the samples of a clip share."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from project.datasets import MoveOccupancyGrid
from project.datasets.random_generator import begin_clip, new_generator
from project.engine.randomness import PlacedBatches, PlacedSampler, SeededDataset
from project.grid import VoxelGrid

GRID = VoxelGrid.from_range('lidar', (-4.0, -4.0, -1.0, 4.0, 4.0, 1.0), (1.0, 1.0, 1.0))


class Drawing(Dataset):
    """Samples that draw a number of their own, and move their grid."""

    def __getitem__(self, index):
        moved = MoveOccupancyGrid().transform({'grid': GRID, 'lidar2img': np.eye(4), 'global_from_grid': np.eye(4)})
        return new_generator().random(), tuple(moved['global_from_grid'].ravel().tolist())

    def __len__(self):
        return 12


class Order:
    def __init__(self, length=None):
        if length is not None:
            self.length = length

    def __iter__(self):
        return iter(range(12))

    def __len__(self):
        return 12


@pytest.fixture(autouse=True)
def no_clip():
    yield
    begin_clip(None)


def drawn(sampler, seed=0, epoch=0):
    placed = PlacedSampler(sampler)
    placed.begin_epoch(seed, epoch)
    dataset = SeededDataset(Drawing())
    return [dataset[item] for item in placed]


def test_samples_of_a_clip_move_their_grid_alike_and_nothing_else():
    own, moves = zip(*drawn(Order(4)), strict=True)
    assert len(set(own)) == 12
    assert [len(set(moves[first : first + 4])) for first in (0, 4, 8)] == [1, 1, 1]
    assert len(set(moves)) == 3
    assert moves[0] != drawn(Order(4), epoch=1)[0][1] and moves[0] != drawn(Order(4), seed=1)[0][1]


def test_samples_that_belong_to_no_clip_move_their_grid_on_their_own():
    _, moves = zip(*drawn(Order()), strict=True)
    assert len(set(moves)) == 12


@pytest.mark.parametrize('length', [None, 4])
def test_what_is_drawn_depends_on_the_place_only(length):
    torch.manual_seed(5)
    batches = PlacedBatches(PlacedSampler(Order(length)), batch_size=5, drop_last=False)
    batches.begin(seed=3, epochs=range(1, 3), skip=1)
    dataset = SeededDataset(Drawing())
    later = [dataset[item] for batch in batches for item in batch]
    assert [len(batch) for batch in batches] == [5, 2, 5, 5, 2] and len(batches) == 3
    assert later == drawn(Order(length), 3, 1)[5:] + drawn(Order(length), 3, 2)
