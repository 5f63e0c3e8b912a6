"""Two calls of launcher.sh as two machines, with a GPU each or on a CPU: they train, end and resume together."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

ROOT = Path(__file__).parents[2]
TOY = ROOT / 'tests' / 'engine' / 'toy_config.py'
TWO_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two GPUs')
SILENCE_S = 15
pytestmark = pytest.mark.slow


@pytest.fixture(params=['cpu', pytest.param('gpu', marks=TWO_GPUS)])
def start(request, tmp_path):
    """Starts training on both machines; returns their launchers."""
    started = []

    def start_both(epochs: int, *options: str) -> list[subprocess.Popen]:
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        command = ['bash', 'launcher.sh', str(TOY), str(tmp_path / 'run'), *options]
        command += ['--cfg-options', f'train_cfg.max_epochs={epochs}']
        command += [f'default_hooks.machines.silence_s={SILENCE_S}']
        environment = os.environ | {
            'PYTHONPATH': os.pathsep.join([str(TOY.parent), str(ROOT)]), 'PYTHON': sys.executable, 'GPUS': '1',
            'NNODES': '2', 'PORT': str(port), 'OMP_NUM_THREADS': '1', 'TOY_KILL_AT': '',
        }  # fmt: skip
        both = []
        for rank in range(2):
            log = open(tmp_path / f'{rank}.log', 'a')  # noqa: SIM115
            gpu = '' if request.param == 'cpu' else str(rank)
            own = environment | {'NODE_RANK': str(rank), 'CUDA_VISIBLE_DEVICES': gpu}
            both.append(subprocess.Popen(command, cwd=ROOT, env=own, stdout=log, stderr=log))
        started.extend(both)
        return both

    yield start_both
    for launcher in started:
        end(launcher)


def end(launcher: subprocess.Popen) -> None:
    """Kill a launcher and all that it started, as when a machine stops."""
    if launcher.poll() is None:
        send(launcher, signal.SIGKILL)
        launcher.wait()


def send(launcher: subprocess.Popen, number: signal.Signals) -> None:
    """Send a signal to a launcher and to all that it started."""
    for process in [psutil.Process(launcher.pid), *psutil.Process(launcher.pid).children(recursive=True)]:
        process.send_signal(number)


def iterations(folder: Path, rank: int) -> list[int]:
    """Numbers of the iterations that a process did so far."""
    file = folder / f'trail_{rank}.txt'
    return [int(line.split()[1]) for line in file.read_text().splitlines()] if file.exists() else []


def wait_for_checkpoint(run: Path, launchers: list[subprocess.Popen]) -> None:
    until = time.monotonic() + 300
    while not (run / 'last_checkpoint').exists() and time.monotonic() < until:
        assert all(launcher.poll() is None for launcher in launchers), (run.parent / '0.log').read_text()
        time.sleep(0.2)


@pytest.mark.parametrize('killed', [0, 1])
def test_one_of_two_machines_is_lost_and_both_resume(start, tmp_path, killed):
    run = tmp_path / 'run'
    launchers = start(1000)
    wait_for_checkpoint(run, launchers)
    end(launchers[killed])
    assert launchers[1 - killed].wait(60) != 0
    said = (tmp_path / f'{1 - killed}.log').read_text()
    assert f'launcher.sh: training ended on machine {1 - killed} of 2' in said and 'with --resume' in said
    done = max(iterations(run, 0))
    # 13 samples, 2 processes, batches of 2: 4 iterations an epoch, counted from 0.
    epochs = done // 4 + 2
    assert [launcher.wait(300) for launcher in start(epochs, '--resume')] == [0, 0]
    for rank in range(2):
        assert iterations(run, rank)[-1] == 4 * epochs - 1
        assert set(iterations(run, rank)) == set(range(4 * epochs))


@pytest.mark.parametrize('stopped', [0, 1])
def test_a_machine_that_closes_no_connection_is_missed(start, tmp_path, stopped):
    launchers = start(1000)
    wait_for_checkpoint(tmp_path / 'run', launchers)
    send(launchers[stopped], signal.SIGSTOP)
    assert launchers[1 - stopped].wait(SILENCE_S + 45) != 0
    said = (tmp_path / f'{1 - stopped}.log').read_text()
    assert f'error: nothing was heard for {SILENCE_S} s of' in said and f'(process {stopped})' in said
