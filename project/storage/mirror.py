"""A local folder that mirrors a remote one: files are fetched when they are asked for, several at a time."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from project.storage.eviction import evict
from project.storage.remote import IN_FLIGHT, Entry, RemoteFolder, each

LISTED_FROM = 4
"""So many objects of one folder are looked up by listing it, if their names begin alike."""

EVICT_AFTER = 0.02
"""The cache is looked through when this part of its size was fetched."""


AHEAD = 0.02
"""Files that nobody has asked for yet are fetched up to this part of the cache's size."""


class Mirror:
    """A local folder that mirrors a remote one.

    A file here has the name that its object has there. Its time of change is no time but the stamp of the object that
    it is a copy of (:class:`project.storage.remote.Entry`); its time of access is that of the last use, for
    :func:`project.storage.eviction.evict`. So a copy and what is known of it change in one step, whoever else works in
    this folder. A file that is empty though its object is not is only a name; no reader takes an empty file for data.

    What the store says of an object is asked once a process.

    Args:
        remote: the remote folder.
        folder: the local one.
        cache: folder whose size is limited, this one or one above; None: nothing is removed.
        limit: its size in bytes.
        temporary: nobody will use the copies after this program.
        alone: no other process uses the folder.
    """

    def __init__(
        self, remote: RemoteFolder, folder: Path, cache: Path | None = None, limit: int = 0, temporary: bool = False,
        alone: bool = False,
    ):  # fmt: skip
        self.remote, self.folder, self.cache, self.limit = remote, folder, cache, limit
        self.temporary, self.alone = temporary, alone
        self._ahead: set[str] = set()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._entries: dict[str, Entry | None] = {}
        self.forget_threads()

    def forget_threads(self) -> None:
        """Start anew with threads; called after a fork, which they do not survive."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._coming: dict[str, Future] = {}
        self._fetched = 0

    def __reduce__(self):
        from project.storage.mounts import remounted

        return remounted, (self.remote, self.folder, self.cache, self.limit, self.temporary)

    def name_of(self, path: str | os.PathLike) -> str | None:
        """The name of the object that a local path stands for; None if the path is elsewhere."""
        text, root = os.path.normpath(os.path.abspath(path)), f'{self.folder}{os.sep}'
        return text[len(root) :].replace(os.sep, '/') if text.startswith(root) else None

    def look(self, names: Iterable[str]) -> dict[str, Entry]:
        """What the store says of objects, by name; those that do not exist are left out."""
        names = list(names)
        by_folder: dict[str, list[str]] = {}
        for name in names:
            if name not in self._entries:
                by_folder.setdefault(name.rpartition('/')[0], []).append(name)
        singles: list[str] = []
        for folder, unknown in by_folder.items():
            beginnings = [name[len(folder) :].lstrip('/') for name in unknown]
            prefix = os.path.commonprefix(beginnings)  # noqa: RUF071, of characters
            # Names that hardly begin alike may be few among very many.
            if len(unknown) < LISTED_FROM or 2 * len(prefix) < len(unknown[0]) - len(folder):
                singles += unknown
                continue
            listed = self.remote.find(folder, prefix)
            self._entries.update({name: listed.get(name) for name in unknown})
        each(self._look_at, singles)
        return {name: entry for name in names if (entry := self._entries[name])}

    def _look_at(self, name: str) -> None:
        self._entries[name] = self.remote.info(name)

    def forget(self, names: Iterable[str]) -> None:
        """Ask the store again at the next use of these objects."""
        for name in names:
            self._entries.pop(name, None)

    def know(self, entries: dict[str, Entry]) -> None:
        """Take what a listing said of objects."""
        self._entries.update(entries)

    def soon(self, names: Iterable[str]) -> None:
        """Begin to fetch files, in this order; returns at once."""
        with self._lock:
            pool = self._threads()
            for name in names:
                if name not in self._coming:
                    self._coming[name] = pool.submit(self._bring, name)

    def later(self, names: Sequence[str]) -> None:
        """Fetch files that may be wanted later, after those wanted :meth:`soon`; returns at once.

        They are left out if all of them would take more of the cache than :data:`AHEAD`. What cannot be fetched is
        tried again by whoever asks for it.
        """
        with self._lock:
            pool = self._threads()
            self._ahead.update(names)
            pool.submit(self._fetch_ahead, pool, names)

    def _fetch_ahead(self, pool: ThreadPoolExecutor, names: Sequence[str]) -> None:
        if sum(entry.size for entry in self.look(names).values()) > AHEAD * self.limit:
            return
        with contextlib.suppress(RuntimeError):  # meanwhile :meth:`settle` has ended the pool
            for name in names:
                pool.submit(self._bring, name)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(IN_FLIGHT)
        return self._pool

    def bring(self, names: Sequence[str]) -> None:
        """Make sure that local files are those of the store; files whose object does not exist are removed.

        Raises:
            RemoteError, OSError: one cannot be fetched; the message names it.
        """
        expected = [name for name in names if name in self._coming]
        each(self._bring, [name for name in names if name not in self._coming])
        for name in expected:
            future = self._coming.get(name)
            if future is not None:
                future.result()
                self._coming.pop(name, None)
                self._bring(name)  # that may have been long ago, and the copy may be gone

    def settle(self) -> None:
        """Fetch nothing more of what was wanted soon or later."""
        with self._lock:
            pool, self._pool, self._coming = self._pool, None, {}
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def drop(self, names: Iterable[str]) -> None:
        """Remove local copies."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def drop_ahead(self, wanted: Iterable[str]) -> None:
        """Remove local copies of what was fetched for :meth:`later`, but for what is wanted now.

        Where other processes use the folder nothing is removed: they may be using these copies.
        """
        with self._lock:
            ahead, self._ahead = self._ahead, set()
        if self.alone:
            self.drop(ahead.difference(wanted))

    def list_all(self) -> None:
        """Give every object of the remote folder a local file, which is empty until it is fetched."""
        self._entries = dict(self.remote.find())
        here = {name for path in self.folder.rglob('*') if path.is_file() and (name := self.name_of(path))}
        self.drop(name for name in here - set(self._entries) if not name.rpartition('/')[2].startswith('.'))
        for name in set(self._entries) - here:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def with_folders(self) -> list[str]:
        """Have the folders that are directly in the remote one, and no others; returns their names.

        Raises:
            FileNotFoundError: the remote folder does not exist.
        """
        files, names = self.remote.children()
        self.know(files)
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in names:
                shutil.rmtree(path, ignore_errors=True)
        for name in names:
            (self.folder / name).mkdir(exist_ok=True)
        return names

    def _bring(self, name: str) -> None:
        if name not in self._entries:
            self._look_at(name)
        entry, path = self._entries[name], self.folder / name
        if entry is None:
            path.unlink(missing_ok=True)
            return
        try:
            state = os.stat(path)
            if state.st_size == entry.size and int(state.st_mtime) == entry.stamp:
                os.utime(path, ns=(time.time_ns(), entry.stamp * 10**9))
                return
        except FileNotFoundError:
            pass
        try:
            self._entries[name] = self.remote.fetch(name, path, entry)
        except FileNotFoundError:
            self._entries[name] = None
            path.unlink(missing_ok=True)
            return
        self._make_room(entry.size)

    def _make_room(self, size: int) -> None:
        if self.cache is None:
            return
        with self._lock:
            self._fetched += size
            full = self._fetched > EVICT_AFTER * self.limit
            if full:
                self._fetched = 0
        if full:
            evict(self.cache, self.limit)
