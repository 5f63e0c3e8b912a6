"""tools/slurm_train.sh: what it asks of srun, with one that only tells what it was asked."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = 'tests/engine/toy_config.py'


@pytest.fixture
def programs(tmp_path) -> Path:
    """Folder with an srun that prints its arguments, one a line, and a python that is never run."""
    for name, text in (('srun', 'printf "%s\\n" "$@"'), ('python', 'exit 1')):
        (tmp_path / name).write_text(f'#!/bin/sh\n{text}\n')
        (tmp_path / name).chmod(0o755)
    return tmp_path


def asked(programs: Path, *arguments: str, **environment: str) -> list[str]:
    """Arguments of srun."""
    none_named = dict(PYTHON='', VIRTUAL_ENV='', CONDA_PREFIX='', GPUS='', GPUS_PER_NODE='', SRUN_ARGS='')
    path = f'{programs}{os.pathsep}{os.environ["PATH"]}'
    done = subprocess.run(
        ['bash', 'tools/slurm_train.sh', 'part', 'job', CONFIG, *arguments],
        cwd=ROOT,
        env={**os.environ, **none_named, 'PATH': path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_gpus_are_dealt_to_nodes_and_options_passed_on(programs):
    words = asked(programs, 'out/run 1', '--amp', GPUS='12', GPUS_PER_NODE='4', SRUN_ARGS='--time=1:00 --qos=low')
    assert {'--partition=part', '--job-name=job', '--ntasks=12', '--ntasks-per-node=4', '--gres=gpu:4'} <= set(words)
    assert '--time=1:00' in words and '--qos=low' in words
    train = words.index(f'{ROOT}/tools/train.py')
    assert words[train + 1 :] == [CONFIG, '--launcher', 'slurm', '--work-dir', 'out/run 1', '--amp']
    assert '--gres=gpu:2' in asked(programs, GPUS='2') and '--gres=gpu:8' in asked(programs)


def test_the_interpreter_is_the_launchers(programs):
    def interpreter(**environment: str) -> str:
        words = asked(programs, **environment)
        return words[words.index(f'{ROOT}/tools/train.py') - 2]

    assert interpreter(PYTHON='/opt/python') == '/opt/python'
    assert interpreter(VIRTUAL_ENV='/opt/active') == f'{programs}/python'
    own = ROOT / '.venv/bin/python'
    assert interpreter() == (str(own) if own.exists() else f'{programs}/python')
