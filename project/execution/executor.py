"""The interface of all executors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Work = Callable[[Any, Any, Callable[[], None]], Any]
"""A function of a module, called with an item, what all items share, and a function to be called after each step. It
reports errors in its result and raises nothing."""


@dataclass(frozen=True)
class Lost:
    """Replaces the result of an item that could not be finished.

    Attributes:
        reason: a sentence for the user.
    """

    reason: str


@dataclass(frozen=True)
class Followed:
    """An item, and what its worker should know of another one.

    Attributes:
        item: what to work on.
        upcoming: of the item that the same worker or one of the same machine probably gets next; None if none is known.
    """

    item: Any
    upcoming: Any


@dataclass(frozen=True)
class Division:
    """How an item can be divided among workers: its beginning is made once, and parts of the rest side by side.

    All are functions of modules.

    Attributes:
        parts: number of parts, of the item, what all share, and the number of workers; 1 does not divide it.
        begin: of the same; returns what the parts need, which has a size in bytes (``nbytes``), and None, or None, and
            the result of the item.
        cut: of what `begin` returned, what all share, the number of a part, and how many there are; returns what this
            part needs.
        work: as for a whole item, with that in place of the item.
        join: takes the results of the parts; returns that of the item.
    """

    parts: Callable[[Any, Any, int], int]
    begin: Callable[[Any, Any], tuple[Any, Any]]
    cut: Callable[[Any, Any, int, int], Any]
    work: Work
    join: Callable[[Sequence[Any]], Any]


class Executor(Protocol):
    """Calls a function for each of many items, on any machine; an item that fails stops no other."""

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
        """Call a function for each item.

        Args:
            work: the function.
            items: each is taken when its call starts.
            shared: a further argument of all calls.
            on_progress: called from time to time with the number of steps done so far.
            try_elsewhere: whether a result is worth another try on another machine, such as a disk that failed.
            division: how items can be divided, where that pays.
            ahead: called here with an item; returns what a worker should know of it while it works on the one before.
                If it is given, `work` is called with :class:`Followed` in place of items.

        Returns:
            The results in the order of the items; :class:`Lost` where there is none.
        """
