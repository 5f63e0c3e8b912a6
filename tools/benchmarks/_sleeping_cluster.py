"""A Dask scheduler in a process of its own, and workers that are real but share a few processes."""

import asyncio
import logging
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dask
import psutil
from distributed import Client, Scheduler, Worker

CONNECT_S = 600
TELL_S = 15
"""Seconds between lines that say how many workers have come."""

_QUIET = {
    # They answer late while they start.
    'distributed.comm.timeouts.connect': f'{CONNECT_S}s',
    # A hundred workers in one process would look at each other's threads a hundred times every 10 ms, at the clock a
    # hundred times every 20 ms, and at the machine two hundred times a second. None of this reaches the scheduler;
    # heartbeats stay as they are.
    'distributed.worker.profile.enabled': False,
    'distributed.admin.tick.interval': '20s',
    'distributed.admin.system-monitor.interval': '60s',
}


@dataclass(frozen=True)
class SleepingCluster:
    """What was started.

    Attributes:
        client: connected to the scheduler.
        scheduler: its process.
        workers: processes of the workers.
    """

    client: Client
    scheduler: psutil.Process
    workers: tuple[psutil.Process, ...]


@contextmanager
def sleeping_cluster(workers: int, processes: int) -> Iterator[SleepingCluster]:
    """Start a scheduler and workers of one thread; end them with the body.

    Args:
        workers: how many.
        processes: they are divided among so many.
    """
    context, started = multiprocessing.get_context('spawn'), []

    def start(function: Callable[..., None], *arguments: Any) -> psutil.Process:
        started.append(context.Process(target=function, args=arguments, daemon=True))
        started[-1].start()
        return psutil.Process(started[-1].pid)

    _prepare()
    with tempfile.TemporaryDirectory() as folder:
        try:
            addresses = context.Queue()
            scheduler = start(_run_scheduler, addresses)
            address = addresses.get()
            of_workers = tuple(
                start(_run_workers, address, f'{folder}/{first}', len(range(first, workers, processes)))
                for first in range(min(processes, workers))
            )
            with Client(address, timeout=CONNECT_S, set_as_default=False) as client:
                _wait_for(client, workers)
                yield SleepingCluster(client, scheduler, of_workers)
        finally:
            for process in reversed(started):
                process.kill()
                process.join()


def _wait_for(client: Client, workers: int) -> None:
    began = told = time.monotonic()
    while (come := len(client.nthreads())) < workers:
        if time.monotonic() > told + TELL_S:
            told = time.monotonic()
            print(f'{told - began:.0f} s: {come} of {workers} workers have come', file=sys.stderr, flush=True)
        time.sleep(0.5)


def _prepare() -> None:
    logging.getLogger('distributed').setLevel(logging.ERROR)
    dask.config.set(_QUIET)


def _run_scheduler(addresses: Any) -> None:
    logging.getLogger('distributed').setLevel(logging.ERROR)

    async def serve() -> None:
        async with Scheduler(host='127.0.0.1', port=0, dashboard=False) as scheduler:
            addresses.put(scheduler.address)
            await scheduler.finished()

    asyncio.run(serve())


def _run_workers(address: str, folder: str, count: int) -> None:
    _prepare()

    async def serve() -> None:
        # In a folder of its own: in a common one each would look through those of all others.
        options = {'nthreads': 1, 'dashboard': False, 'memory_limit': 0}
        workers = [Worker(address, local_directory=f'{folder}/{number}', **options) for number in range(count)]
        # A few at a time: each says hello to the scheduler and waits for its answer.
        for first in range(0, count, 8):
            await asyncio.gather(*workers[first : first + 8])
        await asyncio.gather(*(worker.finished() for worker in workers))

    asyncio.run(serve())
