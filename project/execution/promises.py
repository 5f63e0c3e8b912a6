"""Which item a worker was told to expect next, so that it gets that one."""

from collections import deque
from collections.abc import Collection


class Promises:
    """The items that wait, and which of them was promised to whom.

    A promise spares a worker what it has prepared for the next item. It binds nobody: an item whose worker is gone, or
    still at work when another has nothing to do, is taken by whoever is free.

    Args:
        count: so many items wait at first, 0, 1, ... in this order.
    """

    def __init__(self, count: int):
        self.waiting = deque(range(count))
        self._holders: dict[int, int | str] = {}
        """Of a promised item: the item that its worker is working on, or the worker's address once that has ended."""

    def promise(self, number: int) -> int | None:
        """Promise another item to the worker that gets an item now; None if none is left."""
        found = next((each for each in self.waiting if each not in self._holders), None)
        if found is not None:
            self._holders[found] = number
        return found

    def ended(self, number: int, worker: str | None) -> None:
        """Take note of the worker that did an item; None: it died, and forgot what it was told."""
        promised = next((each for each, holder in self._holders.items() if holder == number), None)
        if promised is not None and worker is None:
            del self._holders[promised]
        elif promised is not None and worker is not None:
            self._holders[promised] = worker

    def take(self, count: int, workers: Collection[str]) -> list[tuple[int, str]]:
        """Take up to some waiting items.

        Args:
            count: how many.
            workers: addresses of those that can be used.

        Returns:
            Numbers, and the worker that each was promised to, '' for any: those whose worker is free, then the first
            that nobody was promised, then others.
        """
        ended = {each: holder for each, holder in self._holders.items() if isinstance(holder, str)}
        taken = dict([(each, worker) for each, worker in ended.items() if worker in workers][:count])
        for promised in (False, True):
            for each in self.waiting:
                if len(taken) >= count:
                    break
                if each not in taken and (each in self._holders) == promised:
                    taken[each] = ''
        for each in taken:
            self.waiting.remove(each)
            self._holders.pop(each, None)
        return list(taken.items())
