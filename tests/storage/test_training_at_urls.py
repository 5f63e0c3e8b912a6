"""A model is trained on recordings and labels in an object store, by the commands of the shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.storage.remote import RemoteFolder

pytest.importorskip('mmdet3d', reason="needs the extra 'model'")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_an_epoch_and_its_score(tiny_world: Path, bucket: str, tmp_path: Path):
    remote = RemoteFolder(f'{bucket}/world')
    for path in tiny_world.rglob('*'):
        if path.is_file():
            remote.put(path, path.relative_to(tiny_world).as_posix())
    environment = os.environ | {'DATA_ROOT': remote.url, 'CUDA_VISIBLE_DEVICES': ''}

    def shell(*words: str) -> None:
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    shell('data_converter.py', '--dataroot', remote.url, '--num_sweeps', '1', '--no-refine-poses', '--workers', '1')
    options = [f'train_dataloader.dataset.cache={tmp_path / "cache"}', 'train_cfg.max_epochs=1']
    shell('tools/train.py', 'config/occupancy_tiny.py', '--work-dir', str(tmp_path / 'out'), '--cfg-options', *options)
    assert list((tmp_path / 'out').glob('epoch_1.pth'))
    assert len(list((tmp_path / 'cache').rglob('*.jpg'))) == 6 * 3
