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


class Executor(Protocol):
    """Calls a function for each of many items, on any machine; an item that fails stops no other."""

    def run(
        self,
        work: Work,
        items: Sequence[Any],
        shared: Any,
        on_progress: Callable[[int], None] = lambda done: None,
        try_elsewhere: Callable[[Any], bool] = lambda result: False,
    ) -> list[Any]:
        """Call a function for each item.

        Args:
            work: the function.
            items: each is taken when its call starts.
            shared: a further argument of all calls.
            on_progress: called from time to time with the number of steps done so far.
            try_elsewhere: whether a result is worth another try on another machine, such as a disk that failed.

        Returns:
            The results in the order of the items; :class:`Lost` where there is none.
        """
