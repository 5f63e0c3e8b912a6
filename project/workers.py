"""Pools of processes that leave no processes behind, and continue if one of them is killed."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

POLL_S = 0.2

T = TypeVar('T')


@contextmanager
def worker_pool(
    workers: int, context: BaseContext, initializer: Callable[..., None] | None = None, initargs: tuple = ()
) -> Iterator[ProcessPoolExecutor]:
    """Pool whose processes end when the body ends or fails, or when this process dies for any reason.

    Use it with `submit`: `map` cancels its calls when it is stopped, and the pool's thread fails at that in Python
    3.11.

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


@contextmanager
def beside(in_process: bool, function: Callable[..., T], *arguments: Any) -> Iterator[Callable[[], T]]:
    """Call a function in another process while the body runs; what is given to the body waits for the result.

    Args:
        in_process: whether to do so; otherwise the function is called here, when its result is asked for. The program
            must then be one that other processes can import, as all commands of this project are.
        function: what to call.
        arguments: its arguments.
    """
    if not in_process:
        yield lambda: function(*arguments)
        return
    with worker_pool(1, multiprocessing.get_context('spawn')) as pool:
        future = pool.submit(function, *arguments)

        def result() -> T:
            try:
                return future.result()
            except BrokenProcessPool:  # killed, for lack of memory say
                return function(*arguments)

        yield result


def call_each(
    function: Callable[[int, Any], Any],
    arguments: Sequence[Any],
    workers: int,
    context: BaseContext,
    initializer: Callable[..., None] | None = None,
    initargs: tuple = (),
    on_wait: Callable[[], None] = lambda: None,
) -> list[Any]:
    """Call a function in processes, which may be killed: for lack of memory, by a scheduler, by hand.

    A pool does not know which call a killed process was running, and ends. All running calls are repeated, each in its
    own process. A call whose own process is killed twice is given up. The other calls continue in a new pool.

    Args:
        function: called with an argument and its number; must not return None.
        arguments: each is taken when its call starts.
        workers: number of processes.
        context: how they are started.
        initializer: called in each of them first.
        initargs: its arguments.
        on_wait: called several times a second.

    Returns:
        The results in the order of the arguments; None where a process of its own was killed twice.
    """
    results: dict[int, Any] = {}
    pool = context, initializer, initargs
    waiting, interrupted = deque(range(len(arguments))), []
    while waiting:
        interrupted += _call_until_killed(function, arguments, waiting, results, workers, pool, on_wait)
    # A broken pool also drops calls that had not begun, so each call gets two tries in its own process.
    for number in [number for number in interrupted for _ in range(2)]:
        if number not in results:
            _call_until_killed(function, arguments, deque([number]), results, 1, pool, on_wait)
    return [results.get(number) for number in range(len(arguments))]


def _call_until_killed(
    function: Callable[[int, Any], Any],
    arguments: Sequence[Any],
    waiting: deque[int],
    results: dict[int, Any],
    workers: int,
    pool_of: tuple,
    on_wait: Callable[[], None],
) -> list[int]:
    """Numbers of the calls that a killed process cut off; `waiting` and `results` have the others."""
    running: dict[Future, int] = {}
    with worker_pool(workers, *pool_of) as pool:
        try:
            while waiting or running:
                # No more calls than processes, so that all of them are running.
                while waiting and len(running) < workers:
                    running[pool.submit(function, waiting[0], arguments[waiting[0]])] = waiting[0]
                    waiting.popleft()
                done, _ = wait(running, POLL_S, FIRST_COMPLETED)
                on_wait()
                for future in done:
                    results[running[future]] = future.result()
                    del running[future]
        except BrokenProcessPool:
            kept = {n: f.result() for f, n in running.items() if f.done() and f.exception() is None}
            results.update(kept)
            # A process that is killed before it has work counts for the next call.
            return [n for n in running.values() if n not in kept] or [waiting.popleft() for _ in range(bool(waiting))]
    return []


def _start(initializer: Callable[..., None] | None, initargs: tuple) -> None:
    # Ctrl-C reaches all processes of a terminal; the main process decides how the others end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
