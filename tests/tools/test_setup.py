"""tools/setup.sh and `make clean`: what they never remove."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRETENDED_PYTHON = """#!/bin/sh
# Makes an environment, as `python -m venv --clear FOLDER` does it, and installs nothing.
case "$*" in
    '-m venv --clear '*) mkdir -p "$4/bin" && touch "$4/pyvenv.cfg" && rm -f "$4/old" && cp "$0" "$4/bin/python" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make setup` and `make clean` need of a checkout."""
    (tmp_path / 'checkout/tools').mkdir(parents=True)
    for name in ('Makefile', 'requirements.txt', 'pyproject.toml', 'tools/setup.sh'):
        shutil.copy(ROOT / name, tmp_path / 'checkout' / name)
    return tmp_path / 'checkout'


def call(checkout: Path, venv: Path, *command: str) -> subprocess.CompletedProcess:
    python = checkout / 'python'
    python.write_text(PRETENDED_PYTHON)
    python.chmod(0o755)
    # The tests may themselves have been started by make.
    inherited = {key: value for key, value in os.environ.items() if key not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS')}
    environment = {**inherited, 'VENV': str(venv), 'PYTHON': str(python)}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize('command', [('bash', 'tools/setup.sh'), ('make', 'setup'), ('make', 'clean')])
def test_a_folder_that_is_no_environment_stays_as_it_is(checkout: Path, tmp_path: Path, command) -> None:
    (tmp_path / 'home').mkdir()
    (tmp_path / 'home/thesis.tex').write_text('mine')
    done = call(checkout, tmp_path / 'home', *command)
    assert done.returncode == 2 and f'{tmp_path}/home is ' in done.stderr and 'no virtual environment' in done.stderr
    assert [path.name for path in (tmp_path / 'home').iterdir()] == ['thesis.tex']


@pytest.mark.parametrize('before', ['nothing', 'an empty folder', 'an environment that does not work'])
def test_an_environment_is_made_or_made_anew_and_removed(checkout: Path, tmp_path: Path, before: str) -> None:
    venv = tmp_path / 'venv'
    if before != 'nothing':
        venv.mkdir()
    if before == 'an environment that does not work':
        (venv / 'pyvenv.cfg').touch()
        (venv / 'old').touch()
    done = call(checkout, venv, 'make', 'setup')
    assert done.returncode == 0, done.stderr
    assert (venv / '.complete').is_file() and not (venv / 'old').exists()
    assert done.stdout.splitlines()[-1] == f'setup: done; next: source {venv}/bin/activate'
    assert call(checkout, venv, 'make', 'clean').returncode == 0 and not venv.exists()
