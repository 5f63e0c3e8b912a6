"""A local folder whose files become objects of a remote one, each only once it is complete."""

import errno
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from project.errors import SHOWN_AS
from project.storage.mirror import Mirror
from project.storage.remote import RemoteFolder, each

UPLOADS = 4
"""Files that go out at the same time while others are being made."""


class Outbox:
    """A local folder for writing: what the remote folder has is here by name, and what changes here goes there.

    Files whose names begin with a dot stay here: they are locks, or are being written.

    Args:
        remote: the remote folder.
        folder: a local folder of this process alone.
    """

    def __init__(self, remote: RemoteFolder, folder: Path):
        self.remote, self.folder = remote, folder
        self._mirror = Mirror(remote, folder)
        self._sent: dict[str, tuple[int, int]] = {}
        self._going: list[Future] = []
        self._pool: ThreadPoolExecutor | None = None
        SHOWN_AS[os.fspath(folder)] = remote.url

    def list_all(self) -> None:
        """Have an empty file for every object of the remote folder."""
        self._mirror.list_all()
        self._sent = self._here()

    def expect(self, names: Iterable[str]) -> None:
        """Have an empty file for those of these names that are objects of the remote folder."""
        for name in self._mirror.look(names):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self._sent[name] = _state(path)

    def refresh(self, folders: Iterable[str], endings: tuple[str, ...]) -> None:
        """Have the files that are directly in some folders and whose names end so, as they are remotely now."""
        for folder in folders:
            try:
                found, _ = self.remote.children(folder)
            except FileNotFoundError:
                found = {}
            known = [name for name in self._sent if name.rpartition('/')[0] == folder]
            names = [name for name in {*known, *found} if name.endswith(endings) and not _is_hidden(name)]
            self._mirror.know(found)
            self._mirror.forget(set(names) - set(found))
            self._mirror.bring(names)
            for name in names:
                self._sent.pop(name, None)
                if (self.folder / name).is_file():
                    self._sent[name] = _state(self.folder / name)

    def push(self, last: str = '') -> None:
        """Send what changed since the last time, and remove what was removed; returns when it is done.

        Args:
            last: files whose names end so are sent when all others are there.

        Raises:
            RemoteError: an object cannot be written; the message names it. It will be sent again by the next call.
        """
        if not self.folder.is_dir():
            raise OSError(errno.ENOENT, 'this temporary folder was removed by somebody', str(self.folder))
        here = self._here()
        each(self._remove, set(self._sent) - set(here))
        changed = [name for name in here if self._sent.get(name) != here[name]]
        late = [name for name in changed if last and name.endswith(last)]
        each(self._send, [name for name in changed if name not in late])
        each(self._send, late)

    def push_soon(self) -> None:
        """Begin to send what is new; raises an error of what was begun earlier."""
        self._pool = self._pool or ThreadPoolExecutor(UPLOADS)
        here = self._here()
        for name in [name for name in here if self._sent.get(name) != here[name]]:
            self._sent[name] = here[name]
            self._going.append(self._pool.submit(self._send, name))
        for future in [future for future in self._going if future.done()]:
            self._going.remove(future)
            future.result()

    def settle(self) -> None:
        """Wait until all that was begun has been sent.

        Raises:
            RemoteError: an object cannot be written; the message names it.
        """
        if self._pool is not None:
            self._pool.shutdown()
        going, self._pool, self._going = self._going, None, []
        for future in going:
            future.result()

    def _send(self, name: str) -> None:
        state = _state(self.folder / name)
        try:
            self.remote.put(self.folder / name, name)
        except BaseException:
            self._sent.pop(name, None)
            raise
        self._sent[name] = state

    def _remove(self, name: str) -> None:
        self.remote.delete(name)
        self._sent.pop(name, None)

    def _here(self) -> dict[str, tuple[int, int]]:
        found = {}
        for folder, _, files in os.walk(self.folder):
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(self.folder).as_posix()
                if not _is_hidden(name):
                    found[name] = _state(path)
        return found


def _state(path: Path) -> tuple[int, int]:
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def _is_hidden(name: str) -> bool:
    return name.rpartition('/')[2].startswith('.')
