"""Learning rates, iteration by iteration."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet3d.registry import PARAM_SCHEDULERS
from mmengine.config import Config

import project  # noqa: F401 - registers the schedule

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get('OCCUPANCY_GOLDEN', ROOT.parent / 'shared/golden')) / 'lr_schedule.npz'


def rates(schedule: list[dict], optimiser: torch.optim.Optimizer, iterations: int, epoch_length: int = 1) -> np.ndarray:
    default_args = dict(optimizer=optimiser, epoch_length=epoch_length)
    schedulers = [PARAM_SCHEDULERS.build(dict(entry), default_args=default_args) for entry in schedule]
    rows = []
    for _ in range(iterations):
        rows.append([group['lr'] for group in optimiser.param_groups])
        optimiser.step()
        for scheduler in schedulers:
            scheduler.step()
    return np.array(rows)


def optimiser(*base_rates: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([{'params': [torch.zeros(1, requires_grad=True)], 'lr': rate} for rate in base_rates])


@pytest.mark.skipif(not GOLDEN.exists(), reason=f'no golden numbers at {GOLDEN} (set OCCUPANCY_GOLDEN)')
def test_the_schedule_of_the_baseline():
    golden = np.load(GOLDEN)
    total = int(golden['t_initial'])
    schedule = dict(
        type='OccupancyBaselineLR',
        by_epoch=False,
        warmup=int(golden['warmup_t']),
        start=float(golden['warmup_lr_init']),
        floor=float(golden['lr_min']),
        end=total,
    )
    found = rates([schedule], optimiser(*golden['base_lr']), total)
    np.testing.assert_allclose(found, golden['lr'][:total], rtol=1e-12)


def test_our_schedule_scales_with_the_rate_of_each_group_and_starts_at_once():
    config = Config.fromfile(ROOT / 'config/_base_/schedule.py')
    epoch_length = 100
    found = rates(
        [{'end': 24 * (epoch_length if not entry['by_epoch'] else 1), **entry} for entry in config.param_scheduler],
        optimiser(2e-4, 2e-5),
        24 * epoch_length,
        epoch_length,
    )
    np.testing.assert_allclose(found[:, 1], found[:, 0] / 10, rtol=1e-9)
    # A cosine over all of training, under a factor that grows from 1 / 20 to 1 within the warm-up.
    step = np.arange(24 * epoch_length)
    cosine = 1e-6 + (2e-4 - 1e-6) * (1 + np.cos(np.pi * step / len(step))) / 2
    assert found[0, 0] == pytest.approx(1e-5)
    np.testing.assert_allclose(found[500:, 0], cosine[500:], rtol=1e-2)
    assert (np.diff(found[:400, 0]) > 0).all() and (np.diff(found[501:, 0]) < 0).all()
