"""project.workers and project.cli.run: however a command ends, none of its processes is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from project.workers import beside

ROOT = Path(__file__).parents[1]
COMMAND = """
import multiprocessing, os, sys, time
from project.cli import run
from project.workers import worker_pool

def work(seconds):
    os.write(1, f'{os.getpid()}\\n'.encode())
    time.sleep(seconds)

def main():
    with worker_pool(2, multiprocessing.get_context(sys.argv[1])) as pool:
        for future in [pool.submit(work, float(sys.argv[2])) for _ in range(4)]:
            future.result()
    return 3

if __name__ == '__main__':
    sys.exit(run(main, 'stopped; call it again'))
"""


@pytest.fixture
def start(tmp_path: Path):
    """Starts a command whose two workers are at work; returns it, and the ids of these."""
    commands = []

    def start_it(method: str, seconds: float) -> tuple[subprocess.Popen, list[int]]:
        (tmp_path / 'command.py').write_text(COMMAND)
        command = subprocess.Popen(
            [sys.executable, 'command.py', method, str(seconds)],
            cwd=tmp_path,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        commands.append(command)
        return command, [int(command.stdout.readline()) for _ in range(2)]

    yield start_it
    for command in commands:
        command.kill()
        command.communicate()


def runs(process: int) -> bool:
    """Whether a process is there, and not only waiting for its end to be noticed."""
    try:
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='processes are looked up in /proc')
@pytest.mark.parametrize('method', ['forkserver', 'spawn'])
@pytest.mark.parametrize(
    ('sent', 'to_all', 'code', 'said'),
    [
        (signal.SIGTERM, False, 143, '\nstopped; call it again\n'),
        (signal.SIGINT, False, 130, '\nstopped; call it again\n'),
        (signal.SIGINT, True, 130, '\nstopped; call it again\n'),
        (signal.SIGKILL, False, -9, ''),
    ],
)
def test_a_command_that_is_stopped_says_so_and_leaves_no_process(start, method, sent, to_all, code, said):
    command, workers = start(method, 600)
    assert all(map(runs, workers))
    (os.killpg if to_all else os.kill)(command.pid, sent)
    assert command.wait(20) == code
    until = time.monotonic() + 30
    while any(map(runs, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(runs, workers))
    if said:
        assert command.stderr.read() == said


def test_a_command_that_is_not_stopped_gives_its_exit_code(start):
    command, _ = start('forkserver', 0.01)
    assert command.wait(20) == 3


KILLED = """
import multiprocessing, os, signal, sys
from project.workers import call_each

def work(number, what):
    # Twice is what is killed always; once is what leaves a file behind the first time.
    if what == 'twice' or (what and not os.path.exists(what)):
        open(what, 'w').close()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 10

if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    print(call_each(work, ['', 'once', '', 'twice', '', 'again', ''], 2, context))
"""


@pytest.mark.parametrize('method', ['forkserver', 'spawn'])
def test_what_a_killed_worker_did_is_done_once_more_and_all_else_is_finished(tmp_path, method):
    (tmp_path / 'command.py').write_text(KILLED)
    done = subprocess.run(
        [sys.executable, 'command.py', method], cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == '[0, 10, 20, None, 40, 50, 60]', done.stderr


def _twice(number: int, killed_in: int) -> int:
    if os.getpid() != killed_in and killed_in:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


@pytest.mark.parametrize('in_process', [False, True])
def test_a_call_beside_others_gives_its_result_even_if_its_process_is_killed(in_process):
    with beside(in_process, _twice, 4, os.getpid()) as result:
        assert result() == 8
