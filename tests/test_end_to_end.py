"""The whole program from the shell: a made world, its labels, training on them, a score. And: it learns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'config/occupancy_tiny.py'

pytestmark = pytest.mark.slow


def shell(*command: str | Path, data_root: Path) -> str:
    environment = {**os.environ, 'DATA_ROOT': str(data_root), 'CUDA_VISIBLE_DEVICES': '', 'PYTHON': sys.executable}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope='module')
def labelled_world(tmp_path_factory) -> Path:
    """Two scenes of four keyframes, one to train on and one to validate."""
    world = tmp_path_factory.mktemp('end_to_end') / 'world'
    made = ['tools/make_synthetic.py', '--out', world, '--keyframes', '4', '--image-size', '320x180']
    shell(sys.executable, *made, data_root=world)
    shell(sys.executable, 'data_converter.py', '--dataroot', world, '--save_path', world / 'occupancy', data_root=world)
    return world


def test_from_raw_data_to_a_score(labelled_world, tmp_path):
    options = ['--cfg-options', 'train_cfg.max_epochs=1']
    shell('bash', 'launcher.sh', CONFIG, tmp_path, '--amp', *options, data_root=labelled_world)
    options = ['--cfg-options', 'train_cfg.max_epochs=2']
    shell('bash', 'launcher.sh', CONFIG, tmp_path, '--amp', '--resume', *options, data_root=labelled_world)
    test = ['tools/test.py', CONFIG, tmp_path / 'epoch_2.pth', '--work-dir', tmp_path, '--bands', '20', '35']
    predictions = tmp_path / 'predictions'
    table = shell(sys.executable, *test, '--save-predictions', predictions, data_root=labelled_world)
    result = json.loads((tmp_path / 'epoch_2.json').read_text())
    assert f'{result["mIoU"]:.3f}' in table and '20-35 m' in table
    assert result['samples'] == 4 and len(list(predictions.glob('*.npz'))) == 4


def test_it_learns(labelled_world, tmp_path):
    """Overfitting four keyframes: over 60 % mIoU of the classes that occur."""
    train = labelled_world / 'occupancy/nuscenes_infos_train.pkl'
    options = [
        'train_cfg.max_epochs=80',
        'train_cfg.val_interval=80',
        f'val_dataloader.dataset.ann_file={train}',
        'default_hooks.checkpoint.interval=80',
    ]
    shell('bash', 'launcher.sh', CONFIG, tmp_path, '--cfg-options', *options, data_root=labelled_world)
    seen = ['--cfg-options', f'test_dataloader.dataset.ann_file={train}']
    test = ['tools/test.py', CONFIG, tmp_path / 'epoch_80.pth', '--work-dir', tmp_path]
    shell(sys.executable, *test, *seen, data_root=labelled_world)
    result = json.loads((tmp_path / 'epoch_80.json').read_text())
    assert result['samples'] == 4 and result['mIoU'] > 60, result['IoU']
