"""What command lines share."""

import os
import subprocess
import sys

import pytest

from project.cli import usable_cores


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
