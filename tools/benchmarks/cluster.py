"""How many workers one Dask scheduler serves: everything is real but the scenes, which are tasks that sleep."""

import argparse
import asyncio
import logging
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dask
import psutil
from distributed import Client, Scheduler, Worker
from rich.console import Console
from rich.table import Table

from project.execution.dask_executor import DaskExecutor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument(
        '--workers', type=int, nargs='+', default=[10, 100, 300], metavar='N',
        help='workers, all in one process; their start takes tenths of a second each (%(default)s)',
    )  # fmt: skip
    parser.add_argument('--scenes', type=int, default=10, help='scenes for each worker (%(default)s)')
    parser.add_argument('--seconds', type=float, default=8.0, help='what a scene takes (%(default)s)')
    parser.add_argument('--keyframes', type=int, default=40, help='keyframes of a scene (%(default)s)')
    parser.add_argument('--kilobytes', type=int, default=1100, help='what a scene weighs on its way (%(default)s)')


def run(args: argparse.Namespace) -> dict[str, float]:
    """Print and return, for each number of workers, processor time of scheduler and client a scene.

    Beside that how busy workers are, the rest of the time being waiting, and the scheduler's memory.
    """
    table = Table(title=f'scenes of {args.seconds:g} s and {args.kilobytes} kB', title_style='')
    for name in (
        'workers',
        'scenes',
        'workers are busy',
        'scheduler, ms a scene',
        'client, ms a scene',
        'scheduler, MB',
    ):
        table.add_column(name, justify='right')
    figures = {}
    for workers in args.workers:
        busy, scheduler_ms, client_ms, megabytes = _measured(workers, args)
        figures[f'{workers} workers, scheduler ms a scene'] = scheduler_ms
        table.add_row(
            f'{workers}', f'{workers * args.scenes}', f'{busy:.0%}', f'{scheduler_ms:.1f}', f'{client_ms:.1f}',
            f'{megabytes:.0f}',
        )  # fmt: skip
    Console().print(table)
    return figures


class _Scenes(Sequence):
    """As many scenes as wanted, each made when it is asked for."""

    def __init__(self, count: int, kilobytes: int):
        self._count, self._kilobytes = count, kilobytes

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number):
        return bytes(1000 * self._kilobytes)


def sleep_through(scene: bytes, shared: tuple[float, int], on_step) -> bool:
    """A scene that takes some seconds, a step a keyframe."""
    seconds, keyframes = shared
    for _ in range(keyframes):
        time.sleep(seconds / keyframes)
        on_step()
    return True


def _measured(workers: int, args: argparse.Namespace) -> tuple[float, float, float, float]:
    """Share of the time in which workers are busy, ms of scheduler and client a scene, MB of the scheduler at most."""
    with _cluster(workers) as (address, scheduler):
        _prepare()
        client = Client(address, set_as_default=False)
        while len(client.nthreads()) < workers:
            time.sleep(0.5)
        expected = {'versions': {}, 'sizes': {}, 'contents': {}, 'urls': {}}
        scenes = _Scenes(workers * args.scenes, args.kilobytes)
        spent, own, start, peak = sum(scheduler.cpu_times()[:2]), time.process_time(), time.perf_counter(), 0

        def look(done: int) -> None:
            nonlocal peak
            peak = max(peak, scheduler.memory_info().rss)

        DaskExecutor(client, expected, workers).run(sleep_through, scenes, (args.seconds, args.keyframes), look)
        took = time.perf_counter() - start
        spent, own = sum(scheduler.cpu_times()[:2]) - spent, time.process_time() - own
        client.close()
    return args.scenes * args.seconds / took, 1000 * spent / len(scenes), 1000 * own / len(scenes), peak / 1e6


@contextmanager
def _cluster(workers: int) -> Iterator[tuple[str, psutil.Process]]:
    context = multiprocessing.get_context('spawn')
    addresses = context.Queue()
    processes = [context.Process(target=_run_scheduler, args=(addresses,), daemon=True)]
    processes[0].start()
    address = addresses.get()
    processes.append(context.Process(target=_run_workers, args=(address, workers), daemon=True))
    processes[1].start()
    try:
        yield address, psutil.Process(processes[0].pid)
    finally:
        for process in reversed(processes):
            process.kill()
            process.join()


def _prepare() -> None:
    """Hundreds of workers that start in one process at once answer late."""
    logging.getLogger('distributed').setLevel(logging.ERROR)
    dask.config.set({'distributed.comm.timeouts.connect': '600s'})


def _run_scheduler(addresses) -> None:
    _prepare()

    async def serve() -> None:
        async with Scheduler(host='127.0.0.1', port=0, dashboard=False) as scheduler:
            addresses.put(scheduler.address)
            await scheduler.finished()

    asyncio.run(serve())


def _run_workers(address: str, count: int) -> None:
    _prepare()

    async def serve() -> None:
        workers = [Worker(address, nthreads=1, dashboard=False, memory_limit=0) for _ in range(count)]
        for worker in workers:
            await worker
        await asyncio.gather(*(worker.finished() for worker in workers))

    asyncio.run(serve())
