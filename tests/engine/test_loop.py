"""Loading processes go on with the next epoch while one ends, with the same samples in the same order."""

import multiprocessing
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import DATASETS
from torch.utils.data import Dataset

from project.engine import OccupancyRunner
from project.engine.loop import OccupancyTrainLoop

SAMPLES, BATCHES, EPOCHS = 5, 3, 3
PERSISTENT = dict(num_workers=2, persistent_workers=True)
ANEW = dict(num_workers=2, persistent_workers=False)


@DATASETS.register_module()
class Witnessed(Dataset):
    """Samples with a random number; a file has the process that loaded each."""

    def __init__(self, file: Path):
        self.file, self.version = file, 0

    def __getitem__(self, index: int) -> tuple[int, float, int]:
        with open(self.file, 'a') as file:
            file.write(f'{os.getpid()}\n')
        return index, float(torch.rand(())), self.version

    def __len__(self) -> int:
        return SAMPLES


class Training:
    """What the loop needs of a runner. Hooks are functions by name; ``batches`` are those that were trained on."""

    seed, val_loop, optim_wrapper, _randomness_cfg = 5, None, None, {}
    visualizer = SimpleNamespace()
    message_hub = SimpleNamespace(get_info=lambda key, default: default, update_info=lambda key, value: None)
    build_dataloader = staticmethod(OccupancyRunner.build_dataloader)

    def __init__(self, folder: Path, hooks: dict | None = None, **loading):
        self.file, self.hooks, self.batches = folder / 'loaded.txt', hooks or {}, []
        self.file.write_text('')
        self.model = SimpleNamespace(train=lambda: None, train_step=self._train_step)
        loading = dict(batch_size=2, collate_fn=list, **loading)
        data = dict(dataset=dict(type='Witnessed', file=self.file), sampler=dict(type='DefaultSampler', shuffle=True))
        self.loop = OccupancyTrainLoop(self, dict(data, **loading), EPOCHS)

    def call_hook(self, name: str, **_) -> None:
        self.hooks.get(name, lambda training: None)(self)

    def loaded_by(self) -> list[int]:
        return list(map(int, self.file.read_text().splitlines()))

    def still_loading(self) -> set[int]:
        return {process.pid for process in multiprocessing.active_children()} & set(self.loaded_by())

    def run(self, iteration: int = 0) -> list:
        self.loop._epoch, self.loop._iter = iteration // BATCHES, iteration
        self.loop.run()
        return self.batches

    def _train_step(self, batch: list, optim_wrapper: None) -> None:
        self.batches.append(batch)


@pytest.fixture
def plain(tmp_path) -> list:
    """Batches of a training without loading processes."""
    batches = Training(tmp_path).run()
    assert [len(batch) for batch in batches] == [2, 2, 1] * EPOCHS
    indices = [[index for batch in batches[k : k + BATCHES] for index, *_ in batch] for k in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(SAMPLES)) for epoch in indices) and indices[0] != indices[1] != indices[2]
    return batches


@pytest.mark.parametrize('loading', [{}, ANEW, PERSISTENT])
@pytest.mark.parametrize('iteration', [0, 3, 4, 8])
def test_batches_are_the_same_from_any_iteration_on(plain, tmp_path, loading, iteration):
    assert Training(tmp_path, **loading).run(iteration) == plain[iteration:]


def test_a_last_batch_that_is_dropped_is_not_filled_from_the_next_epoch(plain, tmp_path):
    dropped = Training(tmp_path, drop_last=True, **PERSISTENT)
    assert len(dropped.loop.dataloader) == 2 and dropped.loop.max_iters == 2 * EPOCHS
    assert dropped.run() == [batch for batch in plain if len(batch) == 2]


def wait_for_the_next_epoch(training: Training) -> None:
    expected, end = SAMPLES * (training.loop.epoch + 1), time.monotonic() + 60
    while len(training.loaded_by()) <= expected and training.loop.epoch + 1 < EPOCHS:
        assert time.monotonic() < end, 'nothing of the next epoch is loaded at the end of this one'
        time.sleep(0.01)


def test_the_next_epoch_is_loaded_while_one_ends_but_nothing_beyond_the_last(tmp_path):
    training = Training(tmp_path, dict(after_train_epoch=wait_for_the_next_epoch), **PERSISTENT)
    training.run()
    assert len(training.loaded_by()) == SAMPLES * EPOCHS
    assert len(set(training.loaded_by())) == 2, 'processes are started once'


def change_data(training: Training) -> None:
    training.loop.dataloader.dataset.dataset.version += 1


@pytest.mark.parametrize('loading', [{}, ANEW])
def test_processes_that_do_not_persist_see_what_a_hook_changes_in_the_data(tmp_path, loading):
    training = Training(tmp_path, dict(before_train_epoch=change_data), **loading)
    assert [version for batch in training.run() for *_, version in batch] == [1] * 5 + [2] * 5 + [3] * 5
    assert not training.still_loading()


def look_at_data(training: Training) -> None:
    next(iter(training.loop.dataloader))


@pytest.mark.parametrize('hook', ['before_train', 'before_train_epoch', 'after_train_epoch'])
def test_a_hook_that_looks_at_the_data_changes_nothing(plain, tmp_path, hook):
    assert Training(tmp_path, {hook: look_at_data}, **PERSISTENT).run() == plain


def stop(training: Training) -> None:
    training.loop.stop_training = True


def stop_when_the_next_epoch_is_loaded(training: Training) -> None:
    wait_for_the_next_epoch(training)
    stop(training)


def fail(training: Training) -> None:
    raise KeyError('a hook')


@pytest.mark.parametrize(
    ('name', 'hook'), [('after_train_iter', stop), ('after_train_epoch', stop_when_the_next_epoch_is_loaded)]
)
def test_processes_end_where_training_is_stopped_or_fails(tmp_path, name, hook):
    stopped = Training(tmp_path, {name: hook}, **PERSISTENT)
    assert len(stopped.run()) == BATCHES
    assert not stopped.still_loading()
    failing = Training(tmp_path, {name: fail}, **PERSISTENT)
    with pytest.raises(KeyError, match='a hook'):
        failing.run()
    assert failing.loaded_by() and not failing.still_loading()


def test_batches_of_another_kind_are_refused(tmp_path):
    with pytest.raises(ValueError, match='batch_sampler'):
        Training(tmp_path, batch_sampler=dict(type='Pairs'))
