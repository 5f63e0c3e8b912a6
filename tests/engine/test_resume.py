"""Training that was killed and resumed has the losses of training that was not, to the last bit."""

import signal
from pathlib import Path

import pytest
import torch
from processes import run_toy, trail

from project.engine.checkpoint import read_checkpoint
from project.engine.checkpoint_hook import last_checkpoint

PERSISTENT = dict(train_dataloader__num_workers=2, train_dataloader__persistent_workers=True)


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('uninterrupted') / 'run'
    assert run_toy(work_dir) == [0]
    assert len(trail(work_dir)) == 4 * 7
    return work_dir


def checkpoints(work_dir: Path) -> list[str]:
    return sorted(path.name for path in work_dir.iterdir() if '.pth' in path.name)


def test_files_of_a_run(uninterrupted):
    (best,) = uninterrupted.glob('best_mIoU_epoch_*.pth')
    assert checkpoints(uninterrupted) == [best.name, 'epoch_4.pth', 'iter_27.pth']
    assert last_checkpoint(uninterrupted) == uninterrupted / 'epoch_4.pth'
    assert (uninterrupted / 'toy_config.py').exists() and (uninterrupted / 'versions.json').exists()
    assert 'optimizer' not in read_checkpoint(best)


# Epochs have 7 iterations; checkpoints are written after 3, 6, 7, 9, 12, 14, ... of them, within and after epochs.
@pytest.mark.parametrize(
    ('kill_at', 'loading'),
    [
        pytest.param('iter 1', {}, marks=pytest.mark.slow),  # before any checkpoint
        ('iter 10', PERSISTENT),  # in the second epoch, between checkpoints
        pytest.param('iter 17', {}, marks=pytest.mark.slow),  # with a checkpoint within the epoch written just before
        pytest.param('save epoch_2', {}, marks=pytest.mark.slow),
        ('save iter_12', dict(train_dataloader__num_workers=2)),
        pytest.param('val 4', {}, marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed(uninterrupted, tmp_path, kill_at, loading):
    run = tmp_path / 'run'
    assert run_toy(run, kill_at=kill_at, **loading) == [-signal.SIGKILL]
    found = last_checkpoint(run)
    assert (found is None) == (kill_at == 'iter 1')
    if found is not None:
        assert 'optimizer' in read_checkpoint(found), 'whole, and good to resume from'

    assert run_toy(run, resume='auto', **loading) == [0]
    assert trail(run) == trail(uninterrupted)
    assert 'learning rates go on at' not in (tmp_path / 'run_0.log').read_text()
    assert checkpoints(run) == checkpoints(uninterrupted)
    for name in checkpoints(run):
        resumed, whole = (read_checkpoint(folder / name)['state_dict'] for folder in (run, uninterrupted))
        assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def test_a_moved_run_resumes(uninterrupted, tmp_path):
    moved = tmp_path / 'moved'
    moved.mkdir()
    for name in ('last_checkpoint', 'epoch_4.pth'):
        (moved / name).write_bytes((uninterrupted / name).read_bytes())
    assert last_checkpoint(moved) == moved / 'epoch_4.pth'
    assert last_checkpoint(tmp_path) is None


@pytest.fixture(scope='module')
def half(tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('half') / 'run'
    assert run_toy(work_dir, train_cfg__max_epochs=2) == [0]
    return work_dir


def rates(work_dir: Path, first: int) -> list[float]:
    return [float.fromhex(values[2]) for iteration, values in trail(work_dir).items() if iteration >= first]


@pytest.mark.parametrize('factor', [pytest.param(1, marks=pytest.mark.slow), 0.5])
def test_longer_training_or_another_rate_goes_on_along_its_own_schedule(uninterrupted, half, tmp_path, factor):
    run = tmp_path / 'run'
    changed = dict(optim_wrapper__optimizer__lr=0.01 * factor, optim_wrapper__optimizer__weight_decay=0.25)
    assert run_toy(run, resume=half / 'epoch_2.pth', **changed) == [0]
    assert rates(run, 14) == [pytest.approx(factor * rate) for rate in rates(uninterrupted, 14)]
    group = read_checkpoint(run / 'epoch_4.pth')['optimizer']['param_groups'][0]
    assert group['weight_decay'] == 0.25
    assert 'learning rates go on at' in (tmp_path / 'run_0.log').read_text()


def test_an_optimiser_of_other_groups_is_refused(half, tmp_path):
    groups = {'custom_keys': {'layers.0': {'lr_mult': 0.1}}}
    assert run_toy(tmp_path / 'run', resume=half / 'epoch_2.pth', optim_wrapper__paramwise_cfg=groups) == [2]
    assert 'epoch_2.pth was made with other groups of parameters' in (tmp_path / 'run_0.log').read_text()


def test_averages_of_weights_go_on_as_they_were(tmp_path):
    hooks = ['OccupancyLossCheckHook', 'OccupancyProgressHook', 'TrailHook']
    options = dict(custom_hooks=[*({'type': hook} for hook in hooks), dict(type='OccupancyAverageHook', momentum=0.1)])
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    assert run_toy(whole, **options) == [0]
    assert run_toy(broken, kill_at='iter 10', **options) == [-signal.SIGKILL]
    assert run_toy(broken, resume='auto', **options) == [0]
    assert trail(broken) == trail(whole)
    ours, theirs = (read_checkpoint(folder / 'epoch_4.pth') for folder in (broken, whole))
    for part in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(ours[part][key], theirs[part][key]) for key in theirs[part])
    weights = {key.removeprefix('module.'): value for key, value in theirs['ema_state_dict'].items()}
    assert any(not torch.equal(weights[key], value) for key, value in theirs['state_dict'].items())
    (best,) = whole.glob('best_mIoU_epoch_*.pth')
    assert run_toy(whole, test=best, **options) == [0]
