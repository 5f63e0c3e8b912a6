"""The hook that says where the time of training goes."""

import multiprocessing
import os
import re
import select
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from project.engine import speed
from project.engine.speed import OccupancySpeedHook


def runner_of(batch_size: int) -> tuple[SimpleNamespace, list[str]]:
    said: list[str] = []
    loop = SimpleNamespace(dataloader=SimpleNamespace(batch_sampler=SimpleNamespace(batch_size=batch_size)))
    return SimpleNamespace(train_loop=loop, logger=SimpleNamespace(info=said.append)), said


def train(hook, runner, iterations: int, wait: float = 0.0, work: float = 0.0) -> None:
    for index in range(iterations):
        time.sleep(wait)
        hook.before_train_iter(runner, index)
        time.sleep(work)
        hook.after_train_iter(runner, index)


def numbers(sentence: str) -> list[float]:
    return [float(number) for number in re.findall(r'\d+\.?\d*', sentence)]


def test_it_tells_steps_and_waiting_apart_once():
    hook, (runner, said) = OccupancySpeedHook(first=2, count=5), runner_of(batch_size=4)
    train(hook, runner, 6, wait=0.03, work=0.02)
    assert not said
    train(hook, runner, 20, wait=0.03, work=0.02)
    (sentence,) = said
    iterations, step, waited, rate = numbers(sentence)[:4]
    # The first of the five had its data when the clock began. Sleep may take longer, never less.
    assert iterations == 5 and step >= (5 * 20 + 4 * 30) / 5 - 0.1
    assert 4 * 30 / 5 - 0.1 <= waited <= step - 20 + 0.1
    assert rate == pytest.approx(4 * 1000 / step, rel=0.01, abs=0.1)
    assert 'GPU' not in sentence or speed.torch.cuda.is_available()


def test_what_happens_between_epochs_is_left_out(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(speed, 'time', SimpleNamespace(perf_counter=lambda: now[0]))
    hook, (runner, said) = OccupancySpeedHook(first=2, count=7), runner_of(batch_size=1)
    hook.after_train_epoch(runner)  # before it began
    for _ in range(3):
        for index in range(4):
            now[0] += 0.020  # loading
            hook.before_train_iter(runner, index)
            now[0] += 0.010
            hook.after_train_iter(runner, index)
        hook.after_train_epoch(runner)
        now[0] += 1000.0  # a checkpoint, a validation
    (sentence,) = said
    # Two in the first epoch, four in the second, one in the third; the first of each had its data when clocks began.
    assert numbers(sentence)[:3] == [7, round((7 * 10 + 4 * 20) / 7, 1), round(4 * 20 / 7, 1)]


def test_a_training_that_is_too_short_is_told_of_at_its_end():
    hook, (runner, said) = OccupancySpeedHook(first=2, count=50), runner_of(batch_size=1)
    for _ in range(2):
        train(hook, runner, 3)
        hook.after_train_epoch(runner)
    assert not said
    hook.after_train(runner)
    assert [numbers(sentence)[0] for sentence in said] == [4]
    nothing = OccupancySpeedHook(first=2, count=50)
    train(nothing, runner, 2)
    nothing.after_train(runner)
    assert len(said) == 1


def burn(seconds: float, begun, done) -> None:
    begun.wait()
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass
    done.set()
    time.sleep(60)


@pytest.mark.skipif(not os.path.isdir('/proc/self'), reason='needs /proc')
def test_processor_time_of_loading_processes_is_counted():
    context = multiprocessing.get_context('fork')
    begun, done = context.Event(), context.Event()
    process = context.Process(target=burn, args=(0.5, begun, done), daemon=True)
    process.start()
    try:
        hook, (runner, said) = OccupancySpeedHook(first=0, count=2), runner_of(batch_size=5)
        hook.before_train_iter(runner, 0)
        begun.set()
        assert done.wait(60)
        hook.after_train_iter(runner, 0)
        train(hook, runner, 1)
    finally:
        process.kill()
        process.join()
    found = re.search(r'([\d.]+) ms of processor time to load a keyframe, in (\d+) process', said[0])
    # Half a second for ten keyframes; the system counts in steps of 10 ms.
    assert 48 <= float(found[1]) <= 70 and int(found[2]) >= 1


def test_what_the_gpu_did_is_read_and_its_watcher_ended(monkeypatch):
    command = [sys.executable, '-c', "import time; print('3\\n4\\n90\\n[N/A]\\n80', flush=True); time.sleep(60)"]
    watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    monkeypatch.setattr(speed, '_watcher_of_gpu', lambda: watcher)
    hook, (runner, said) = OccupancySpeedHook(first=0, count=1), runner_of(batch_size=1)
    hook.before_train_iter(runner, 0)
    assert select.select([watcher.stdout], [], [], 60)[0]
    hook.after_train_iter(runner, 0)
    assert said[0].endswith('the GPU was idle 15.0% of the time') and watcher.poll() is not None
