"""How many workers one Dask scheduler serves: everything is real but the scenes, which are tasks that sleep."""

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from project.execution.dask_executor import DaskExecutor
from tools.benchmarks._sleeping_cluster import SleepingCluster, sleeping_cluster

IDLE_S = 10
TELL_S = 60
"""Seconds between lines that say how far a long run is."""

FIGURES = {
    'workers': '{:.0f}',
    'scenes': '{:.0f}',
    'took, s': '{:.0f}',
    'workers are busy': '{:.0%}',
    "scheduler's core is busy": '{:.0%}',
    'of that without scenes': '{:.0%}',
    'scheduler, ms a scene': '{:.2f}',
    'client, ms a scene': '{:.2f}',
    'workers, ms a scene': '{:.2f}',
    'scheduler, MB': '{:.0f}',
    'client, MB': '{:.0f}',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--workers', type=int, nargs='+', default=[10, 100], metavar='N', help='workers (%(default)s)')
    parser.add_argument(
        '--processes', type=int, default=2, metavar='N',
        help='processes that these workers share; a worker needs some MB and tenths of a second to start (%(default)s)',
    )  # fmt: skip
    parser.add_argument('--scenes', type=int, default=10, help='scenes for each worker (%(default)s)')
    parser.add_argument(
        '--seconds', type=float, default=8.0, help='what a scene takes, up to a quarter more or less (%(default)s)'
    )
    parser.add_argument('--keyframes', type=int, default=4, help='steps of a scene (%(default)s)')
    parser.add_argument('--kilobytes', type=int, default=1100, help='what a scene weighs on its way (%(default)s)')


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print and return, for each number of workers, what scheduler and client cost in processor time and memory.

    Beside that how busy workers are, the rest of the time being waiting.
    """
    rows: list[dict[str, float]] = []
    for workers in args.workers:
        rows.append(_measured(workers, args))
        table = Table(title=f'scenes of {args.seconds:g} s and {args.kilobytes} kB', title_style='', show_header=False)
        for name, form in FIGURES.items():
            table.add_row(name, *(form.format(row[name]) for row in rows))
        Console().print(table)
    return {f'{row["workers"]:.0f} workers, {name}': value for row in rows for name, value in row.items()}


class _Scenes(Sequence):
    """As many scenes as wanted, the longest first, each made when it is asked for: its seconds, and bytes."""

    def __init__(self, count: int, seconds: float, kilobytes: int):
        self._count, self._seconds, self._kilobytes = count, seconds, kilobytes

    def __len__(self) -> int:
        return self._count

    def seconds(self, number: int) -> float:
        """From five quarters of the mean down to three."""
        return self._seconds * (1.25 - 0.5 * (number + 0.5) / self._count)

    def __getitem__(self, number):
        return self.seconds(number), bytes(1000 * self._kilobytes)


def sleep_through(scene: tuple[float, bytes], keyframes: int, on_step) -> bool:
    """A scene that takes some seconds, a step a keyframe."""
    for _ in range(keyframes):
        time.sleep(scene[0] / keyframes)
        on_step()
    return True


def _measured(workers: int, args: argparse.Namespace) -> dict[str, float]:
    """The figures of one row, by :data:`FIGURES`."""
    scenes = _Scenes(workers * args.scenes, args.seconds, args.kilobytes)
    began = time.monotonic()
    with sleeping_cluster(workers, args.processes) as cluster:
        print(f'{workers} workers came within {time.monotonic() - began:.0f} s', file=sys.stderr, flush=True)
        idle_s = _seconds(cluster.scheduler)
        time.sleep(IDLE_S)
        idle_s = _seconds(cluster.scheduler) - idle_s
        watch = _Watch(cluster, args.keyframes)
        executor = DaskExecutor(cluster.client, {'versions': {}, 'sizes': {}, 'contents': {}, 'urls': {}}, workers)
        executor.run(sleep_through, scenes, args.keyframes, watch.look)
        scheduler_s, client_s, workers_s, took = watch.clocks()
    slept = sum(map(scenes.seconds, range(len(scenes))))
    return {
        'workers': workers,
        'scenes': len(scenes),
        'took, s': took,
        'workers are busy': slept / workers / took,
        "scheduler's core is busy": scheduler_s / took,
        'of that without scenes': idle_s / IDLE_S,
        'scheduler, ms a scene': 1000 * scheduler_s / len(scenes),
        'client, ms a scene': 1000 * client_s / len(scenes),
        'workers, ms a scene': 1000 * workers_s / len(scenes),
        'scheduler, MB': watch.scheduler_mb,
        'client, MB': watch.client_mb,
    }


class _Watch:
    """Takes the time and memory of a run from here on, and tells each minute how far it is.

    Args:
        cluster: where it runs.
        keyframes: steps of a scene.
    """

    def __init__(self, cluster: SleepingCluster, keyframes: int):
        self._cluster, self._keyframes = cluster, keyframes
        self.scheduler_mb = self.client_mb = 0.0
        self._looked, self._told = 0.0, time.monotonic()
        self._start = self._clocks()

    def clocks(self) -> np.ndarray:
        """Seconds since the start: processor time of scheduler, client and all workers, and those of a clock."""
        return np.subtract(self._clocks(), self._start)

    def _clocks(self) -> tuple[float, float, float, float]:
        of_workers = sum(map(_seconds, self._cluster.workers))
        return _seconds(self._cluster.scheduler), time.process_time(), of_workers, time.perf_counter()

    def look(self, done: int) -> None:
        """Look at the memory, and tell; both only now and then.

        Args:
            done: steps of scenes done so far.
        """
        if time.monotonic() < self._looked + 1:
            return
        self._looked = time.monotonic()
        scheduler_mb, client_mb = _megabytes(self._cluster.scheduler), _megabytes(psutil.Process())
        self.scheduler_mb, self.client_mb = max(self.scheduler_mb, scheduler_mb), max(self.client_mb, client_mb)
        if self._looked < self._told + TELL_S:
            return
        self._told = self._looked
        scheduler_s, client_s, workers_s, took = self.clocks()
        print(
            f'{took:.0f} s: {done // self._keyframes} scenes; scheduler {scheduler_s:.0f} s of its core and '
            f'{scheduler_mb:.0f} MB, client {client_s:.0f} s and {client_mb:.0f} MB, workers {workers_s:.0f} s',
            file=sys.stderr, flush=True,
        )  # fmt: skip


def _megabytes(process: psutil.Process) -> float:
    """Memory of a process."""
    return process.memory_info().rss / 1e6


def _seconds(process: psutil.Process) -> float:
    """Processor time of a process so far."""
    times = process.cpu_times()
    return times.user + times.system
