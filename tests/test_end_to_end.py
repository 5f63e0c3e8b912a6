"""The whole program from the shell: a synthetic world, its labels, training on them, a score, predictions as files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'config/occupancy_tiny.py'


def shell(*command: str | Path, data_root: Path) -> str:
    environment = {**os.environ, 'DATA_ROOT': str(data_root), 'CUDA_VISIBLE_DEVICES': '', 'PYTHON': sys.executable}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
def test_from_raw_data_to_a_score(tmp_path):
    world, out, predictions = tmp_path / 'world', tmp_path / 'out', tmp_path / 'predictions'
    shell(sys.executable, 'tools/make_synthetic.py', '--out', world, '--keyframes', '4', data_root=world)
    shell(sys.executable, 'data_converter.py', '--dataroot', world, '--save_path', world / 'occupancy', data_root=world)
    train = ['bash', 'launcher.sh', CONFIG, out, '--amp']
    shell(*train, '--cfg-options', 'train_cfg.max_epochs=1', data_root=world)
    shell(*train, '--resume', '--cfg-options', 'train_cfg.max_epochs=2', data_root=world)
    test = ['tools/test.py', CONFIG, out / 'epoch_2.pth', '--bands', '20', '35']
    table = shell(sys.executable, *test, '--save-predictions', predictions, data_root=world)
    result = json.loads((out / 'test' / 'epoch_2.json').read_text())
    assert f'{result["mIoU"]:.3f}' in table and '20-35 m' in table
    assert result['samples'] == 4 and len(list(predictions.glob('*.npz'))) == 4
