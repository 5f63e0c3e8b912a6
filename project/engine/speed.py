"""A hook that says where the time of training goes: steps, waiting for data, loading processes, idle GPU."""

import multiprocessing
import os
import statistics
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class OccupancySpeedHook(Hook):
    """Logs one sentence about a stretch of training, once, at the end of the stretch or of training.

    It tells how long a step takes and how much of that it waits for data, keyframes a second, processor time of the
    loading processes for a keyframe (on Linux), and for how much of the time the GPU had nothing to do (by nvidia-smi,
    ten times a second). What happens between epochs is left out. Each process of a training on several GPUs measures
    itself; the log is that of the first.

    Args:
        first: iterations before the stretch, in which graphs are captured and loading processes begin.
        count: iterations of the stretch.
    """

    priority = 80  # after hooks that look at an iteration, before those that save checkpoints at the end of an epoch

    def __init__(self, first: int = 60, count: int = 200):
        self.first, self.count = first, count
        self._seen = 0
        self._stretch: _Stretch | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Begin the stretch, go on with it after a pause, or note how long this iteration waited for its data."""
        if self._stretch is None and self._seen == self.first:
            self._stretch = _Stretch()
        if self._stretch is not None:
            self._stretch.data_came()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Note the end of the iteration, and log the sentence at the end of the stretch."""
        self._seen += 1
        if self._stretch is not None:
            self._stretch.iteration_ended()
            if self._seen == self.first + self.count:
                self._say(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Checkpoints and validation are not part of the stretch."""
        if self._stretch is not None:
            self._stretch.pause()

    def after_train(self, runner: Runner) -> None:
        """Training was shorter than the stretch."""
        if self._stretch is not None:
            self._say(runner)

    def _say(self, runner: Runner) -> None:
        assert self._stretch is not None
        self._stretch.pause()
        batch_size = runner.train_loop.dataloader.batch_sampler.batch_size
        runner.logger.info(self._stretch.sentence(batch_size, get_world_size()))
        self._stretch = None


class _Stretch:
    """Clocks that run from the first data on, or the first after a pause."""

    def __init__(self) -> None:
        self.steps, self.processes, self.seconds, self.waited = 0, 0, 0.0, 0.0
        self.used: float | None = 0.0
        self.busy: list[float] = []
        self._running: _Running | None = None

    def data_came(self) -> None:
        """The data of an iteration came: the clocks start if they do not run yet."""
        if self._running is not None:
            self.waited += time.perf_counter() - self._running.last
            return
        _wait_for_device()
        loading = [process.pid for process in multiprocessing.active_children() if process.pid]
        now = time.perf_counter()
        self._running = _Running(now, now, loading, _processor_seconds(loading), _watcher_of_gpu())

    def iteration_ended(self) -> None:
        """An iteration ended."""
        assert self._running is not None
        self._running.last = time.perf_counter()
        self.steps += 1

    def pause(self) -> None:
        """Stop the clocks, if they run."""
        if self._running is None:
            return
        _wait_for_device()
        running, self._running = self._running, None
        self.seconds += time.perf_counter() - running.start
        self.busy += _busy_shares(running.watcher)
        self.processes = len(running.loading)
        used = _processor_seconds(running.loading)
        known = self.used is not None and used is not None and running.used is not None
        self.used = self.used + used - running.used if known else None

    def sentence(self, batch_size: int, gpus: int) -> str:
        """What was measured until now."""
        step, waiting = 1000 * self.seconds / self.steps, 1000 * self.waited / self.steps
        rate = gpus * batch_size * self.steps / self.seconds
        parts = [
            f'speed of {self.steps} iterations: {step:.1f} ms each, {waiting:.1f} of them waiting for data; '
            f'{rate:.1f} keyframes/s'
        ]
        if self.processes and self.used is not None:
            each = 1000 * self.used / (self.steps * batch_size)
            parts.append(f'{each:.1f} ms of processor time to load a keyframe, in {self.processes} processes')
        if self.busy:
            parts.append(f'the GPU was idle {1 - statistics.mean(self.busy):.1%} of the time')
        return '; '.join(parts)


@dataclass
class _Running:
    """Clocks from their start on, and the end of the last iteration."""

    start: float
    last: float
    loading: list[int]
    used: float | None
    watcher: subprocess.Popen | None


def _wait_for_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _processor_seconds(processes: Iterable[int]) -> float | None:
    """What these processes have used so far, user and system; None where the system does not say."""
    try:
        texts = [Path(f'/proc/{process}/stat').read_text() for process in processes]
    except OSError:
        return None
    # The name of the program, in brackets, may have any characters.
    fields = [text.rpartition(')')[2].split() for text in texts]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf('SC_CLK_TCK')


def _watcher_of_gpu() -> subprocess.Popen | None:
    if not torch.cuda.is_available():
        return None
    card = torch.cuda.get_device_properties(torch.cuda.current_device()).uuid
    query = ['nvidia-smi', '-i', f'GPU-{card}', '--query-gpu=utilization.gpu', '--format=csv,noheader,nounits']
    try:
        return subprocess.Popen([*query, '-lms', '100'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None


def _busy_shares(watcher: subprocess.Popen | None) -> list[float]:
    """What the watcher has seen: shares of short times in which the GPU did something."""
    if watcher is None:
        return []
    watcher.terminate()
    lines = watcher.communicate()[0].split()
    # The first ones are of the time before.
    return [int(line) / 100 for line in lines[2:] if line.isdigit()]
