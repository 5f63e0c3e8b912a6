"""Pools of processes that leave nothing behind."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import BaseContext


@contextmanager
def worker_pool(
    workers: int, context: BaseContext, initializer: Callable[..., None] | None = None, initargs: tuple = ()
) -> Iterator[ProcessPoolExecutor]:
    """Pool whose processes end when the body ends, when it fails, and when this process dies of whatever.

    To be used by `submit`: `map` cancels its calls when it is stopped, over which the pool's thread stumbles in
    Python 3.11.

    Args:
        workers: number of processes.
        context: how they are started.
        initializer: called in each of them first.
        initargs: its arguments.
    """
    pool = ProcessPoolExecutor(workers, context, _start, (initializer, initargs))
    try:
        yield pool
    except BaseException:
        # Python 3.14 has a method for this.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown()


def _start(initializer: Callable[..., None] | None, initargs: tuple) -> None:
    # Ctrl-C reaches all processes of a terminal; the first of them decides what becomes of the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
