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
from tools.benchmarks._sleeping_cluster import sleeping_cluster

IDLE_S = 10
TELL_S = 60
"""Seconds between lines that say how far a long run is."""

COLUMNS = {
    'workers': '{:.0f}',
    'scenes': '{:.0f}',
    'took, s': '{:.0f}',
    'workers are busy': '{:.0%}',
    "scheduler's core is busy": '{:.0%}',
    'of that without scenes': '{:.0%}',
    'scheduler, ms a scene': '{:.2f}',
    'client, ms a scene': '{:.2f}',
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
    table = Table(title=f'scenes of {args.seconds:g} s and {args.kilobytes} kB', title_style='')
    for name in COLUMNS:
        table.add_column(name, justify='right')
    figures = {}
    for workers in args.workers:
        measured = _measured(workers, args)
        figures |= {f'{workers} workers, {name}': value for name, value in measured.items()}
        table.add_row(*(form.format(measured[name]) for name, form in COLUMNS.items()))
        Console().print(table)
    return figures


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
    """The figures of one row, by :data:`COLUMNS`."""
    peaks = {'scheduler, MB': 0.0, 'client, MB': 0.0}
    scenes = _Scenes(workers * args.scenes, args.seconds, args.kilobytes)
    with sleeping_cluster(workers, args.processes) as (client, scheduler):
        idle_s, own = _seconds(scheduler), psutil.Process()
        time.sleep(IDLE_S)
        idle_s = _seconds(scheduler) - idle_s
        looked = 0.0

        def look(done: int) -> None:
            nonlocal looked
            if time.monotonic() > looked + 1:
                looked = time.monotonic()
                for name, process in (('scheduler, MB', scheduler), ('client, MB', own)):
                    peaks[name] = max(peaks[name], process.memory_info().rss / 1e6)

        told, start = time.monotonic(), (0.0, 0.0, 0.0)

        def tell(done: int) -> None:
            nonlocal told
            look(done)
            if time.monotonic() > told + TELL_S:
                told = time.monotonic()
                scheduler_s, client_s, took = np.subtract(_clocks(scheduler), start)
                print(
                    f'{took:.0f} s: {done // args.keyframes} scenes; scheduler {scheduler_s:.0f} s of its core and '
                    f'{scheduler.memory_info().rss / 1e6:.0f} MB, client {client_s:.0f} s and '
                    f'{own.memory_info().rss / 1e6:.0f} MB',
                    file=sys.stderr, flush=True,
                )  # fmt: skip

        executor = DaskExecutor(client, {'versions': {}, 'sizes': {}, 'contents': {}, 'urls': {}}, workers)
        start = _clocks(scheduler)
        executor.run(sleep_through, scenes, args.keyframes, tell)
        end = _clocks(scheduler)
    scheduler_s, client_s, took = np.subtract(end, start)
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
        **peaks,
    }


def _clocks(scheduler: psutil.Process) -> tuple[float, float, float]:
    """Processor time of the scheduler and of this process, and the time of a clock."""
    return _seconds(scheduler), time.process_time(), time.perf_counter()


def _seconds(process: psutil.Process) -> float:
    """Processor time of a process so far."""
    times = process.cpu_times()
    return times.user + times.system
