"""Training that was killed and resumed has the losses of training that was not, to the last bit."""

import signal
from pathlib import Path

import pytest
import torch
from processes import run_toy, trail

from project.engine.checkpoint import read_checkpoint


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('uninterrupted') / 'run'
    assert run_toy(work_dir) == [0]
    assert len(trail(work_dir)) == 4 * 7
    return work_dir


# Epochs have 7 iterations, and checkpoints are written at 3, 6, 7, 9, 12, 14, ...: within and at the end of epochs.
@pytest.mark.parametrize(
    ('kill_at', 'num_workers'), [(1, 0), (4, 0), (6, 2), (10, 2), (17, 0)], ids=lambda value: str(value)
)
def test_killed_and_resumed(uninterrupted, tmp_path, kill_at, num_workers):
    run = tmp_path / 'run'
    assert run_toy(run, kill_at=kill_at, train_dataloader__num_workers=num_workers) == [-signal.SIGKILL]
    assert len(trail(run)) == kill_at + 1
    assert run_toy(run, resume='auto', train_dataloader__num_workers=num_workers) == [0]
    assert trail(run) == trail(uninterrupted)
    for name in ('epoch_4.pth', best(uninterrupted)):
        resumed, whole = (read_checkpoint(folder / name)['state_dict'] for folder in (run, uninterrupted))
        assert all(torch.equal(resumed[key], whole[key]) for key in whole)


def best(work_dir: Path) -> str:
    (name,) = (path.name for path in work_dir.glob('best_*'))
    return name
