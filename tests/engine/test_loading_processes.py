"""Loading processes end with the training, not when Python does."""

import pytest
import torch
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from project.engine import OccupancyRunner


class Loop(BaseLoop):
    def __init__(self, dataloader: DataLoader, broken: bool):
        self.dataloader, self.broken = dataloader, broken

    def run(self) -> list:
        seen = [int(item) for item in self.dataloader]
        assert not self.broken
        return seen


@pytest.mark.parametrize('broken', [False, True])
@pytest.mark.parametrize('name', ['train', 'val', 'test'])
def test_none_is_left(monkeypatch, name, broken):
    monkeypatch.setattr(Runner, name, lambda runner: getattr(runner, f'_{name}_loop').run())
    runner = object.__new__(OccupancyRunner)
    runner._train_loop, runner._val_loop, runner._test_loop = None, {'type': 'not built'}, None
    loader = DataLoader(torch.arange(5), num_workers=1, persistent_workers=True)
    setattr(runner, f'_{name}_loop', Loop(loader, broken))
    (first,) = iter(loader)._workers
    if broken:
        with pytest.raises(AssertionError):
            getattr(runner, name)()
    else:
        assert getattr(runner, name)() == [0, 1, 2, 3, 4]
    assert not first.is_alive()
    assert loader._iterator is None
