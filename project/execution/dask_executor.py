"""Runs items on the workers of a Dask cluster: the scheduler assigns them, this module decides what is tried again."""

import contextlib
import pickle
import queue
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cloudpickle
import dask
from distributed import Client, Future, KilledWorker

from project.errors import UserError
from project.execution import on_worker
from project.execution.executor import Division, Followed, Lost, Work
from project.execution.promises import Promises

cloudpickle.register_pickle_by_value(on_worker)

POLL_S = 0.2
GATHER_S = 0.05
"""Tasks that end within so many seconds are replaced by one message to the scheduler, not by one each."""

BATCH = 16
"""Largest number of items in one message."""

REPORTS_S = 100
"""Largest number of reports of progress in a second, each of which the scheduler passes on; but every worker may report
every two seconds as long as there are few."""

LOOK_S = 2.0
"""Seconds between checks of the existing workers."""

STALLED_S = 1800.0
"""A task that takes this long for a step counts as hanging."""

WAITING = 2
"""So many pieces of a divided item are there besides one for each worker, to follow without delay."""

TRIES = 2
DEATHS = 5
"""An item is given up after this many workers died, even if none of them reported that it had begun."""

KILLED = 'each worker that worked on it died, most likely for lack of memory; give workers more'
HUNG = f'took more than {STALLED_S / 60:.0f} minutes for a step on each of {TRIES} workers'


@dataclass
class _Task:
    number: int
    future: Future
    first: str
    parts: int = 1
    begun: int = 0
    seen: dict[str, float] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)


class DaskExecutor:
    """An executor on the workers of a Dask scheduler, which may come and go.

    Args:
        client: connected to the scheduler.
        expected: what workers must have, as :func:`project.execution.on_worker.differences` takes it.
        workers: largest number of workers, for a cluster that grows with the amount of work.
        warn: called with a sentence on a worker that is not used.
        stalled_s: a task that takes longer for a step is tried on another worker.
    """

    def __init__(
        self,
        client: Client,
        expected: Mapping[str, Any],
        workers: int = 1,
        warn: Callable[[str], None] = print,
        stalled_s: float = STALLED_S,
    ):
        self.client, self.expected, self.workers = client, expected, workers
        self.warn, self.stalled_s = warn, stalled_s

    def check_workers(self) -> None:
        """Check that all current workers have the same versions and files as this process.

        Raises:
            UserError: some differ; the message names them and the difference.
        """
        replies = self.client.run(on_worker.check_worker, self.expected, on_error='return')
        wrong = []
        for address, reply in replies.items():
            if isinstance(reply, BaseException):
                wrong.append(f'{address} cannot answer: {type(reply).__name__}: {reply}')
            elif reply['differs']:
                wrong.append(f'{address} on {reply["host"]} ({reply["python"]}) {", and ".join(reply["differs"])}')
        if wrong:
            more = f'; so do {len(wrong) - 5} more' if len(wrong) > 5 else ''
            raise UserError(f'workers differ from where this runs: {"; ".join(wrong[:5])}{more}; see docs/cluster.md')

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
        """As :class:`project.execution.executor.Executor` says.

        Raises:
            UserError: the scheduler is gone, or no worker matches this process.
        """
        # The scheduler holds no more than one item a thread, however large it is.
        with dask.config.set({'distributed.admin.large-graph-warning-threshold': '1TB'}):
            return _Run(self, work, items, shared, on_progress, try_elsewhere, division, ahead).results()


class _Run:
    """One call of :meth:`DaskExecutor.run`."""

    def __init__(self, executor: DaskExecutor, work: Work, items, shared, on_progress, try_elsewhere, division, ahead):
        self.executor, self.client = executor, executor.client
        self.work, self.items, self.shared = work, items, shared
        self.on_progress, self.try_elsewhere, self.division, self.ahead = on_progress, try_elsewhere, division, ahead
        self.topic = f'occupancy-{uuid.uuid4().hex}'
        self.promises = Promises(len(items))
        self.waiting = self.promises.waiting
        self.running: dict[str, _Task] = {}
        self.done: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.events: queue.SimpleQueue[tuple[str, str, int]] = queue.SimpleQueue()
        self.found: dict[int, Any] = {}
        self.steps = 0
        self.tries = [0] * len(items)
        self.deaths = [0] * len(items)
        self.avoided: dict[int, str] = {}
        self.unlike: set[str] = set()
        self.threads: Mapping[str, int] = {}
        self.looked = time.monotonic() - 2 * LOOK_S

    def results(self) -> list[Any]:
        self.client.subscribe_topic(self.topic, lambda event: self.events.put(tuple(event[1])))
        try:
            while self.waiting or self.running:
                self._look_at_workers()
                self._submit()
                self._settle()
                self._read_events()
                self._give_up_hung()
                self.on_progress(self.steps + sum(sum(task.steps.values()) for task in self.running.values()))
        finally:
            if self.running and self.client.status == 'running':
                self.client.cancel([task.future for task in self.running.values()])
            self.client.unsubscribe_topic(self.topic)
        return [self.found[number] for number in range(len(self.items))]

    def _look_at_workers(self) -> None:
        if self.client.status != 'running':
            raise UserError(_gone(self.client))
        if time.monotonic() > self.looked + LOOK_S:
            self.threads, self.looked = self.client.nthreads(), time.monotonic()
            self.unlike &= set(self.threads)
            if self.unlike and self.unlike == set(self.threads):
                raise UserError('no worker is left that is like where this runs, see above; see docs/cluster.md')

    def _submit(self) -> None:
        threads = sum(n for address, n in self.threads.items() if address not in self.unlike)
        # One task for each thread, and none that waits behind another: the death of its worker would count for it as
        # well. With all tasks at once, all scenes would be in the scheduler's memory.
        room = max(threads, self.executor.workers, 1) - sum(task.parts for task in self.running.values())
        by_place: dict[tuple[str, str], list[int]] = {}
        for number, worker in self.promises.take(max(room, 0), set(self.threads) - self.unlike):
            by_place.setdefault((self.avoided.get(number, ''), worker), []).append(number)
        for (avoided, worker), numbers in by_place.items():
            for first in range(0, len(numbers), BATCH):
                batch = numbers[first : first + BATCH]
                self._send(batch, self.unlike | {avoided}, worker, max(2.0, threads / REPORTS_S))

    def _send(self, numbers: list[int], shunned: set[str], worker: str, report_s: float) -> None:
        avoid = not shunned.isdisjoint(self.threads)
        others = [address for address in self.threads if address not in shunned] if avoid else []
        # A worker to be avoided is better than none.
        chosen = [worker] if worker and worker not in shunned else others
        where: dict[str, Any] = {'workers': chosen or None, 'allow_other_workers': bool(chosen), 'pure': False}
        items = {number: self.items[number] for number in numbers}
        parts = {number: self._parts(item) for number, item in items.items()}
        whole = [number for number in numbers if parts[number] == 1]
        keys = [f'occupancy-{number}-{uuid.uuid4().hex}' for number in whole]
        tasks = [(self.work, self._followed(number, items[number]), self.shared) for number in whole]
        payloads = [on_worker.Payload(pickle.dumps(task)) for task in tasks]
        run = partial(on_worker.work_on, self.executor.expected, self.topic, report_s)
        futures = self.client.map(run, keys, keys, payloads, key=keys, **where) if keys else []
        for number, key, future in zip(whole, keys, futures, strict=True):
            self._follow(key, _Task(number, future, key))
        for number in set(numbers) - set(whole):
            self._send_divided(number, items[number], parts[number], where, run)

    def _followed(self, number: int, item: Any) -> Any:
        """What a worker is given in place of an item."""
        if self.ahead is None:
            return item
        promised = self.promises.promise(number)
        return Followed(item, None if promised is None else self.ahead(self.items[promised]))

    def _parts(self, item: Any) -> int:
        workers = len(self.threads)
        return 1 if self.division is None or workers < 2 else self.division.parts(item, self.shared, workers)

    def _send_divided(self, number: int, item: Any, parts: int, where: dict[str, Any], run: Callable) -> None:
        """Send an item's beginning, its parts, which need that, and what puts their replies together."""
        key = f'occupancy-{number}-{uuid.uuid4().hex}'
        contents = on_worker.Payload(pickle.dumps((self.division, item, self.shared)))
        begin = partial(on_worker.begin, self.executor.expected, self.topic, key)
        begun = self.client.submit(begin, f'{key}-begin', contents, key=f'{key}-begin', **where)
        places = [address for address in self.threads if address not in self.unlike]
        replies: list[Future] = []
        room = len(places) + WAITING
        for part in range(parts):
            # A piece is cut when there is a place for it, or all of them would lie in the memory of one worker.
            before = replies[part - room] if part >= room else None
            piece = self.client.submit(on_worker.cut, begun, part, parts, before, key=f'{key}-cut-{part}', priority=2)
            # Dask would keep parts where the pieces are.
            place, name = places[(number + part) % len(places)], f'{key}-part-{part}'
            options = {'key': name, 'priority': 1, 'workers': [place], 'allow_other_workers': True}
            replies.append(self.client.submit(run, key, name, piece, **options))
        future = self.client.submit(on_worker.collect, replies, key=key, priority=1)
        self._follow(key, _Task(number, future, f'{key}-begin', parts))

    def _follow(self, key: str, task: _Task) -> None:
        self.running[key] = task
        task.future.add_done_callback(lambda _: self.done.put(key))

    def _settle(self) -> None:
        """Take finished tasks; waits for a moment if there are none."""
        try:
            keys = [self.done.get(timeout=POLL_S)]
            time.sleep(GATHER_S)
            while not self.done.empty():
                keys.append(self.done.get())
        except queue.Empty:
            return
        self._read_events()
        for key in keys:
            # Tasks that were given up no longer exist.
            if key in self.running:
                self._settle_task(self.running.pop(key))

    def _settle_task(self, task: _Task) -> None:
        if task.future.status in ('cancelled', 'lost'):
            raise UserError(_gone(self.client))
        if task.future.status == 'error':
            error = task.future.exception()
            if not isinstance(error, KilledWorker):
                raise error
            self.promises.ended(task.number, None)
            self._try_again_alive(task)
            return
        reply = task.future.result()
        self.promises.ended(task.number, reply['worker'])
        if reply['differs']:
            if reply['worker'] not in self.unlike:
                self.executor.warn(
                    f'{reply["worker"]} on {reply["host"]} is not used: it {", and ".join(reply["differs"])}'
                )
            self.unlike.add(reply['worker'])
            self.waiting.appendleft(task.number)
            return
        result, worker = self._joined(reply)
        once_more = self.try_elsewhere(result) and set(self.threads) - self.unlike - {worker}
        if not (once_more and self._once_more(task.number, worker)):
            self.found[task.number] = result
            self.steps += reply['steps']

    def _joined(self, reply: Mapping[str, Any]) -> tuple[Any, str]:
        """The result of an item, and the worker to blame if it is bad."""
        if 'workers' not in reply:
            return reply['result'], reply['worker']
        bad = [w for w, part in zip(reply['workers'], reply['result'], strict=True) if self.try_elsewhere(part)]
        return self.division.join(reply['result']), (bad or reply['workers'])[0]

    def _try_again_alive(self, task: _Task) -> None:
        """Put an item back whose worker died, unless two workers died while they worked on it."""
        self.tries[task.number] += task.begun
        self.deaths[task.number] += 1
        if self.tries[task.number] >= TRIES or self.deaths[task.number] >= DEATHS:
            self.found[task.number] = Lost(KILLED)
        else:
            self.waiting.append(task.number)

    def _once_more(self, number: int, worker: str) -> bool:
        """Put an item back for another worker, unless all its tries are used."""
        self.tries[number] += 1
        if self.tries[number] >= TRIES:
            return False
        self.avoided[number] = worker
        self.waiting.appendleft(number)
        return True

    def _read_events(self) -> None:
        while not self.events.empty():
            key, own, steps = self.events.get()
            if key in self.running:
                task = self.running[key]
                task.seen[own], task.steps[own] = time.monotonic(), steps
                task.begun += own == task.first and steps == 0

    def _give_up_hung(self) -> None:
        limit = time.monotonic() - self.executor.stalled_s
        silent = {own: key for key, task in self.running.items() for own, at in task.seen.items() if at < limit}
        if not silent:
            return
        places = {own: worker for worker, keys in self.client.processing().items() for own in keys}
        for own, key in silent.items():
            # The beginning of a divided item is silent after its end.
            if key in self.running and self.running[key].seen.pop(own) and (own == key or own in places):
                self._give_up(self.running.pop(key), places.get(own, ''))

    def _give_up(self, task: _Task, worker: str) -> None:
        task.future.cancel()
        self.promises.ended(task.number, None)
        self.executor.warn(f'{worker or "a worker"} hangs; what it was to do is tried elsewhere')
        if worker in self.threads:
            # A worker without a nanny cannot be restarted; its thread is lost.
            with contextlib.suppress(Exception):
                self.client.restart_workers([worker], timeout=30, raise_for_error=False)
        if not self._once_more(task.number, worker):
            self.found[task.number] = Lost(HUNG)


def _gone(client: Client) -> str:
    return (
        'the scheduler has ended or restarted; the labels written so far are complete: run it again, without '
        '--overwrite, to go on'
    )
