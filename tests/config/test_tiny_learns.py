"""The tiny configuration learns four keyframes of a synthetic world by heart, on a CPU, from raw data on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.synthetic import WorldSettings, make_world

ROOT = Path(__file__).parents[2]
EPOCHS = 90


def run(*arguments, **environment):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_four_keyframes_by_heart(tmp_path):
    root, out = tmp_path / 'world', tmp_path / 'out'
    make_world(root, WorldSettings(scenes=1, keyframes=4))
    run('data_converter.py', '--dataroot', root, '--save_path', root / 'occupancy')
    index = 'dataset.ann_file=occupancy/nuscenes_infos_train.pkl'
    options = [f'{loader}.{index}' for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader')]
    options += [f'train_cfg.max_epochs={EPOCHS}', f'train_cfg.val_interval={EPOCHS}']
    options += [f'default_hooks.checkpoint.interval={EPOCHS}']
    config = 'config/occupancy_tiny.py'
    run('tools/train.py', config, '--work-dir', out, '--cfg-options', *options, DATA_ROOT=str(root))
    checkpoint, scores = out / f'epoch_{EPOCHS}.pth', out / 'scores.json'
    run('tools/test.py', config, checkpoint, '--json', scores, '--cfg-options', *options, DATA_ROOT=str(root))
    assert json.loads(scores.read_text())['mIoU'] > 60
