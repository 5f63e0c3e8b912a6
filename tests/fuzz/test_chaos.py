"""Label generation killed at random moments, and fed with a data set that is still being copied: nothing is lost.

Training that is killed is in ``tests/engine/test_resume.py``, killed workers are in ``tests/test_workers.py``.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from breaking import SEED
from table_edits import copied

from project.commands import occ_convert

ROOT = Path(__file__).resolve().parents[2]
KILLS = 6


def options(world: Path, out: Path) -> list[str]:
    return ['--dataroot', str(world), '--save_path', str(out), '--workers', '2', '--num_sweeps', '1']


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob('*') if path.is_file() and path.name != 'errors.log')
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope='module')
def whole(tiny_world, tmp_path_factory) -> dict[str, bytes]:
    """Labels of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp('whole')
    assert occ_convert.main(options(tiny_world, out)) == 0
    return content(out)


@pytest.mark.slow
def test_labels_of_runs_that_were_killed_are_those_of_one_that_was_not(tiny_world, whole, tmp_path):
    rng = np.random.default_rng(SEED)
    command = [sys.executable, str(ROOT / 'data_converter.py'), *options(tiny_world, tmp_path)]
    for _ in range(KILLS):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(float(rng.uniform(0.5, 15)))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            process.wait(60)
        for path in tmp_path.rglob('*.npz'):
            with np.load(path) as arrays:
                assert all(arrays[name] is not None for name in arrays.files)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert content(tmp_path) == whole


@pytest.mark.slow
def test_a_data_set_that_is_still_being_copied(tiny_world, whole, tmp_path, capsys):
    world, out = copied(tiny_world, tmp_path / 'world'), tmp_path / 'labels'
    late = [path for pattern in ('samples/LIDAR_TOP/*', 'lidarseg/*/*') for path in sorted(world.glob(pattern))]
    files = {path: path.read_bytes() for path in np.random.default_rng(SEED).choice(late, 4, replace=False)}
    for number, (path, copy) in enumerate(files.items()):
        path.unlink()
        if number % 2:
            path.write_bytes(copy[: len(copy) // 3])
    assert occ_convert.main(options(world, out)) in (1, 2)
    said = ''.join(capsys.readouterr()).replace('\n', '')
    assert any(path.name in said for path in files)
    for path, copy in files.items():
        path.unlink(missing_ok=True)
        path.write_bytes(copy)
    assert occ_convert.main(options(world, out)) == 0
    assert content(out) == whole
