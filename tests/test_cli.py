"""What command lines share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.cli import usable_cores

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not hasattr(os, 'sched_getaffinity'), reason='no affinity on this system')
def test_cores_are_those_that_the_process_may_use():
    one = min(os.sched_getaffinity(0))
    code = f'import os; os.sched_setaffinity(0, [{one}]); from project.cli import usable_cores; print(usable_cores())'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '1\n'


def test_without_affinity_they_are_those_of_the_machine(monkeypatch):
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    monkeypatch.setattr(os, 'cpu_count', lambda: 7)
    assert usable_cores() == 7


def test_missing_packages_are_told_in_a_sentence():
    # -S: without the packages of the environment.
    done = subprocess.run([sys.executable, '-S', 'data_converter.py'], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and 'run make setup, then source .venv/bin/activate' in done.stderr
    assert len(done.stderr.splitlines()) == 1


WITHOUT_NUMBA = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.split('.')[0] == 'numba' else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path if hasattr(finder, 'find_spec')]
sys.path.insert(0, {root!r})
try:
    import {module}
except ImportError as error:
    print('ImportError', error.name)
"""


@pytest.mark.parametrize('module, code', [('project.evaluation.folder_evaluation', 0), ('project.commands', 2)])
def test_only_commands_end_the_program_where_a_package_is_missing(module, code):
    """Without numba a library module raises what Python raises, and a command says what to do."""
    program = WITHOUT_NUMBA.format(root=str(ROOT), module=module)
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ('ImportError' in done.stdout) if code == 0 else ('has no package numba' in done.stderr)
