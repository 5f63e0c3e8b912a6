"""Processes of this machine."""

import multiprocessing
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any

from project.execution.executor import Division, Followed, Lost, Work
from project.workers import call_each

KILLED = 'its process was killed twice, most likely for lack of memory; run again with fewer --workers'


@dataclass(frozen=True)
class Processes:
    """An executor on processes, which are started for each call.

    Attributes:
        workers: how many; 1 works in this one.
    """

    workers: int

    def run(
        self,
        work: Work,
        items: Sequence[Any],
        shared: Any,
        on_progress: Callable[[int], None] = lambda done: None,
        try_elsewhere: Callable[[Any], bool] = lambda result: False,
        division: Division | None = None,
        ahead: Callable[[Any], Any] | None = None,
    ) -> list[Any]:
        """As :class:`project.execution.executor.Executor` says; there is no other machine, and nothing is divided."""
        if ahead is not None:
            items = _FollowedItems(items, ahead, min(self.workers, len(items)))
        if self.workers == 1 or len(items) < 2:
            return _run_here(work, items, shared, on_progress)
        # Forks of a fresh process that has imported everything: a fork of this one, in which threads run, might hang.
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload([work.__module__])
        # One number for each item: a lock would stay closed if the process that holds it is killed.
        done = context.RawArray('q', len(items))
        results = call_each(
            _work_counted, items, min(self.workers, len(items)), context, _share, (work, shared, done),
            lambda: on_progress(sum(done)),
        )  # fmt: skip
        return [Lost(KILLED) if result is None else result for result in results]


class _FollowedItems(Sequence):
    """Items, each with what is to be known of the one that starts about when it ends: as many items later as there are
    processes."""

    def __init__(self, items: Sequence[Any], ahead: Callable[[Any], Any], distance: int):
        self._items, self._ahead, self._distance = items, ahead, distance

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number):
        later = number + self._distance
        return Followed(self._items[number], self._ahead(self._items[later]) if later < len(self) else None)


def _run_here(work: Work, items: Sequence[Any], shared: Any, on_progress: Callable[[int], None]) -> list[Any]:
    done = 0

    def on_step() -> None:
        nonlocal done
        done += 1
        on_progress(done)

    return [work(item, shared, on_step) for item in items]


_work: Work
_shared: Any
_done: MutableSequence[int]


def _share(work: Work, shared: Any, done: MutableSequence[int]) -> None:
    global _work, _shared, _done
    _work, _shared, _done = work, shared, done


def _work_counted(number: int, item: Any) -> Any:
    def on_step() -> None:
        _done[number] += 1

    return _work(item, _shared, on_step)
