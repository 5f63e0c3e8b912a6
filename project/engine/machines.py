"""Ends training when another machine has stopped: each tells the others every few seconds that it is there."""

import os
import platform
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta

from mmdet3d.registry import HOOKS
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from torch.distributed import Store, TCPStore

BEAT_S = 3.0
"""Seconds between signs of life."""

_LEFT = 1 << 40
"""Added to a machine's signs when it has ended as it should."""


@HOOKS.register_module()
class OccupancyMachinesHook(Hook):
    """On several machines, ends this process when another machine has been silent.

    NCCL waits for a machine that lost power, or whose processes were killed, until its time limit of many minutes.
    Signs of life go through torch's store instead, so that neither a slow step nor a long validation counts as silence.

    Args:
        silence_s: seconds without a sign of a machine after which it counts as lost.
    """

    def __init__(self, silence_s: float = 40.0):
        self.silence_s = silence_s
        self._watch: _Watch | None = None

    def before_run(self, runner) -> None:
        """Begin to watch, if there are several machines; torchrun itself watches the processes of its machine."""
        if not runner.distributed:
            return
        local_rank = os.environ.get('LOCAL_RANK', '0')
        processes = all_gather_object((get_rank(), local_rank, platform.node()))
        names = {rank: f'{node} (process {rank})' for rank, local, node in processes if local == '0'}
        if local_rank == '0' and len(names) > 1:
            address, port = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
            # A connection of its own: the one of torch is closed to others while it waits for a key.
            store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=self.silence_s))
            self._watch = _Watch(store, get_rank(), names, self.silence_s)

    def after_run(self, runner) -> None:
        """Tell the others that this one is done."""
        if self._watch is not None:
            self._watch.leave()
            self._watch = None


class _Watch:
    """Two threads: one talks to the store, which may take forever, the other looks at the clock."""

    def __init__(self, store: Store, rank: int, names: dict[int, str], silence_s: float):
        self.store, self.rank, self.names, self.silence_s = store, rank, names, silence_s
        # A process that torchrun has started again finds the signs of the one before it in the store.
        self.prefix = f'occupancy-machine-{os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)}'
        self.signs = dict.fromkeys(set(names) - {rank}, 0)
        self.heard = dict.fromkeys(self.signs, time.monotonic())
        self.leaving = threading.Event()
        self.talking = threading.Thread(target=self._talk, daemon=True)
        self.talking.start()
        threading.Thread(target=self._look, daemon=True).start()

    def leave(self) -> None:
        """Stop watching."""
        self.leaving.set()
        self.talking.join(self.silence_s)

    def _talk(self) -> None:
        try:
            while not self.leaving.is_set():
                self.store.add(f'{self.prefix}-{self.rank}', 1)
                for other in self.signs:
                    self._listen(other)
                self.leaving.wait(BEAT_S)
            self.store.add(f'{self.prefix}-{self.rank}', _LEFT)
        except Exception:
            # torch raises several kinds; after any of them nothing is heard of the others, which is what counts.
            return

    def _listen(self, other: int) -> None:
        signs = self.store.add(f'{self.prefix}-{other}', 0)
        if signs != self.signs[other]:
            self.signs[other], self.heard[other] = signs, time.monotonic()

    def _look(self) -> None:
        while not self.leaving.wait(1.0):
            limit = time.monotonic() - self.silence_s
            silent = [other for other, at in self.heard.items() if at < limit and self.signs[other] < _LEFT]
            if silent and not self.leaving.is_set():
                _end(self.silence_s, [self.names[other] for other in silent])


def _end(silence_s: float, silent: Sequence[str]) -> None:
    """End this process, whose main thread may wait for the others and not return."""
    print(
        f'error: nothing was heard for {silence_s:.0f} s of {", ".join(silent)}: the machine has stopped or cannot be '
        'reached; start training again on all machines, with --resume',
        file=sys.stderr, flush=True,
    )  # fmt: skip
    os._exit(1)
