"""Two processes on a CPU: the same result as one where there must be, and exact resuming."""

import json
import signal
from pathlib import Path

import pytest
import torch
from processes import run_toy, trail

from project.engine import checkpoint_hook
from project.engine.checkpoint import read_checkpoint


@pytest.fixture(scope='module')
def two_processes(tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('two') / 'run'
    assert run_toy(work_dir, world_size=2, train_cfg__max_epochs=2) == [0, 0]
    return work_dir


def test_processes_share_the_data_and_draw_differently(two_processes):
    first, second = trail(two_processes, 0), trail(two_processes, 1)
    # 13 samples, 2 processes, batches of 2: 4 iterations an epoch.
    assert len(first) == len(second) == 2 * 4
    assert all(first[k][1] != second[k][1] for k in first), 'losses are of different samples'
    assert all(first[k][2] == second[k][2] for k in first), 'learning rates are the same'


def test_both_killed_and_resumed(two_processes, tmp_path):
    run = tmp_path / 'run'
    loading = dict(train_dataloader__num_workers=1, train_dataloader__persistent_workers=True)
    options = dict(world_size=2, train_cfg__max_epochs=2, **loading)
    assert run_toy(run, kill_at='iter 5', **options) == [-signal.SIGKILL] * 2
    assert run_toy(run, resume='auto', **options) == [0, 0]
    for rank in range(2):
        assert trail(run, rank) == trail(two_processes, rank)
    resumed, whole = (read_checkpoint(folder / 'epoch_2.pth')['state_dict'] for folder in (run, two_processes))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole), 'running statistics too'


def test_averaging_moves_only_statistics_that_training_moves(monkeypatch):
    """Three processes, the others with zeros; a mean of three equal numbers may be another number."""
    averaged = []

    def thirds(buffers, op):
        averaged.extend(buffers)
        for buffer in averaged:
            buffer /= 3

    monkeypatch.setattr(checkpoint_hook, 'is_distributed', lambda: True)
    monkeypatch.setattr(checkpoint_hook, 'all_reduce_params', thirds)
    norms = [torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2).eval(), torch.nn.InstanceNorm2d(2)]
    model = torch.nn.Sequential(*norms)
    model.register_buffer('anchors', torch.full((5,), 0.1))
    checkpoint_hook.average_statistics(model)
    assert {id(buffer) for buffer in averaged} == {id(norms[0].running_mean), id(norms[0].running_var)}
    assert (norms[0].running_var == 1 / 3).all() and (norms[1].running_var == 1).all()
    assert norms[0].num_batches_tracked == 0 and (model.anchors == 0.1).all()


@pytest.mark.parametrize('samples', [1, 5])
def test_every_keyframe_counts_once_where_the_sampler_pads(two_processes, tmp_path, samples):
    results = []
    for world_size in (1, 2):
        path = tmp_path / f'{world_size}.json'
        options = dict(
            test=two_processes / 'epoch_2.pth',
            test_evaluator__json_path=str(path),
            test_dataloader__dataset__length=samples,
        )
        assert run_toy(tmp_path / f'run_{world_size}', world_size, **options) == [0] * world_size
        results.append(json.loads(path.read_text()))
    assert results[0] == results[1]
    assert results[0]['samples'] == samples


@pytest.mark.parametrize('changed', [dict(train_dataloader__batch_size=4), dict(train_dataloader__dataset__length=14)])
def test_other_processes_batches_or_data_cannot_resume_exactly_and_say_so(two_processes, tmp_path, changed):
    """With a batch of 4, or with 14 keyframes, the epochs are as long as they were."""
    resumed = dict(
        resume=two_processes / 'epoch_2.pth', world_size=1 if 'train_dataloader__batch_size' in changed else 2
    )
    assert set(run_toy(tmp_path / 'run', **resumed, **changed)) == {2}
    said = (tmp_path / 'run_0.log').read_text()
    assert 'made with other data or processes (processes 2, batch size 2, keyframes 13, iterations an epoch 4)' in said
