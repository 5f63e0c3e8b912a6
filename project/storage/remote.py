"""A folder at a URL: whole objects, in several tries where that may help, and errors that name the object."""

import contextlib
import errno
import inspect
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from project.errors import UserError

TRIES = 5
FIRST_PAUSE_S = 0.1
"""The pause after each failure is twice as long as the one before."""

PATIENCE_S = 60.0
"""A call that took longer is not tried again: the library below has tried for itself."""

IN_FLIGHT = 16
"""Requests of one process at the same time."""

WHOLE = {'s3', 's3a', 'gs', 'gcs', 'abfs', 'abfss', 'az', 'adl', 'oss', 'oci', 'memory'}
"""Stores in which an object appears under its name only once it is written completely."""

_IDENTITY = (
    'ETag',
    'etag',
    'md5Hash',
    'content_md5',
    'generation',
    'LastModified',
    'last_modified',
    'mtime',
    'created',
)
"""What fsspec's file systems call that which changes with an object, the best first."""

_LOCAL_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

T = TypeVar('T')


class RemoteError(UserError, OSError):
    """An object cannot be read or written; the message names it. Another machine may succeed."""


@dataclass(frozen=True)
class Entry:
    """An object as its store describes it.

    Attributes:
        size: bytes.
        stamp: number of 31 bits that changes with the object.
    """

    size: int
    stamp: int


@dataclass(frozen=True)
class RemoteFolder:
    """A folder at a URL; names of objects are relative to it.

    Attributes:
        url: such as ``s3://bucket/nuscenes``, without a slash at its end.
    """

    url: str

    def __post_init__(self):
        if find_spec('fsspec') is None:
            raise UserError(f"{self.url}: URLs need fsspec and s3fs: pip install 'occupancy-bevformer[cloud]'")
        try:
            self._place()
        except ImportError as error:
            raise UserError(f'{self.url}: {error}') from None
        except ValueError as error:
            raise UserError(f'{self.url}: is no URL that can be read ({error})') from None

    def url_of(self, name: str) -> str:
        """The URL of an object."""
        return f'{self.url}/{name}'

    def find(self, folder: str = '', prefix: str = '') -> dict[str, Entry]:
        """All objects in a folder and in the folders in it, by name.

        Args:
            folder: a folder of this one.
            prefix: of the names wanted, seen from that folder; where the store cannot choose by it, all are listed.
        """
        fs, root = self._place()
        path = f'{root}/{folder}'.rstrip('/')
        chosen = {'prefix': prefix} if prefix and _takes_prefix(fs) else {}

        def listed() -> Mapping[str, Any]:
            fs.invalidate_cache()
            return fs.find(path, detail=True, **chosen)

        try:
            found = self._tried(folder, 'listed', listed)
        except FileNotFoundError:
            return {}
        files = {path: info for path, info in found.items() if info['type'] == 'file' and not path.endswith('/')}
        return {path[len(root) + 1 :]: _entry(info) for path, info in files.items() if path.startswith(f'{root}/')}

    def children(self, folder: str = '') -> tuple[dict[str, Entry], list[str]]:
        """Objects directly in a folder, by name, and the names of the folders in it.

        Raises:
            FileNotFoundError: there is nothing in it.
        """
        fs, root = self._place()

        def listed() -> Iterable[Mapping[str, Any]]:
            fs.invalidate_cache()
            return fs.ls(f'{root}/{folder}'.rstrip('/'), detail=True)

        try:
            found = self._tried(folder, 'listed', listed)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{self.url_of(folder).rstrip("/")}: there is no such folder, or it is empty'
            ) from None
        named = [(info['name'].rstrip('/')[len(root) + 1 :], info) for info in found]
        files = {name: _entry(info) for name, info in named if info['type'] == 'file' and name and name != folder}
        return files, sorted(name for name, info in named if info['type'] == 'directory' and name)

    def info(self, name: str) -> Entry | None:
        """What the store says of an object; None if there is none."""
        fs, root = self._place()

        def asked() -> Mapping[str, Any]:
            fs.invalidate_cache()
            return fs.info(f'{root}/{name}')

        try:
            info = self._tried(name, 'read', asked)
        except FileNotFoundError:
            return None
        return _entry(info) if info['type'] == 'file' else None

    def fetch(self, name: str, path: Path, entry: Entry) -> Entry:
        """Copy an object to a file, which appears under its name once it is complete.

        Args:
            name: of the object.
            path: the file; its time of change becomes the entry's stamp.
            entry: what the store said of the object.

        Returns:
            What the store says of the object that was copied, which may have changed.

        Raises:
            RemoteError: it cannot be read.
            FileNotFoundError: it is no longer there.
            OSError: the file cannot be written.
        """
        fs, root = self._place()
        aside = path.with_name(f'.{path.name}.{os.getpid()}-{threading.get_ident()}')
        wanted: list[Entry | None] = [entry]

        def copied() -> Entry:
            latest = wanted.pop() if wanted else self.info(name)
            if latest is None:
                raise FileNotFoundError(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            fs.get_file(f'{root}/{name}', os.fspath(aside))
            came = os.path.getsize(aside)
            if came != latest.size:
                raise OSError(f'{came} of its {latest.size} bytes came')
            os.utime(aside, ns=(time.time_ns(), latest.stamp * 10**9))
            os.replace(aside, path)
            return latest

        try:
            return self._tried(name, 'read', copied)
        finally:
            aside.unlink(missing_ok=True)

    def put(self, path: Path, name: str) -> None:
        """Copy a file to an object, which appears under its name only once it is complete.

        Raises:
            RemoteError: it cannot be written.
        """
        fs, root = self._place()
        protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
        target = f'{root}/{name}'
        folder, _, last = target.rpartition('/')

        def copied() -> None:
            if protocol in WHOLE:
                fs.put_file(os.fspath(path), target)
                return
            fs.makedirs(folder, exist_ok=True)
            aside = f'{folder}/.{last}.{os.getpid()}-{threading.get_ident()}'
            fs.put_file(os.fspath(path), aside)
            fs.mv(aside, target)

        self._tried(name, 'written', copied)

    def create(self, name: str, content: bytes) -> bool:
        """Write a small object unless there is one of that name; whether it was written."""
        fs, root = self._place()
        try:
            self._tried(name, 'written', lambda: fs.pipe_file(f'{root}/{name}', content, mode='create'))
        except FileExistsError:
            return False
        return True

    def content(self, name: str) -> bytes:
        """A small object.

        Raises:
            FileNotFoundError: there is none.
        """
        fs, root = self._place()
        return self._tried(name, 'read', lambda: fs.cat_file(f'{root}/{name}'))

    def delete(self, name: str) -> None:
        """Remove an object, which may be gone already."""
        fs, root = self._place()
        with contextlib.suppress(FileNotFoundError):
            self._tried(name, 'removed', lambda: fs.rm_file(f'{root}/{name}'))

    def _place(self) -> tuple[Any, str]:
        """The file system and its path; asked for anew each time, since neither outlives a fork."""
        from fsspec.core import url_to_fs

        fs, root = url_to_fs(self.url)
        return fs, root.rstrip('/')

    def _tried(self, name: str, what: str, call: Callable[[], T]) -> T:
        """Call a function, again after a pause where it fails in a way that may pass."""
        pause_s, start = FIRST_PAUSE_S, time.monotonic()
        for left in reversed(range(TRIES)):
            try:
                return call()
            except (FileNotFoundError, FileExistsError):
                raise
            except Exception as error:
                if isinstance(error, OSError) and error.errno in _LOCAL_TROUBLE:
                    raise
                vain = isinstance(error, PermissionError) or time.monotonic() > start + PATIENCE_S
                if vain or not left:
                    kind = '' if isinstance(error, OSError) and str(error) else f'{type(error).__name__}: '
                    raise RemoteError(f'{self.url_of(name)}: cannot be {what}: {kind}{error}') from error
            time.sleep(pause_s)
            pause_s *= 2
        raise AssertionError('the last try returns or raises')


def each(call: Callable[[T], Any], items: Iterable[T]) -> None:
    """Call a function for each item, several at a time; raises the first error, after all calls have ended."""
    items = list(items)
    if len(items) < 2:
        for item in items:
            call(item)
        return
    with ThreadPoolExecutor(min(IN_FLIGHT, len(items))) as pool:
        for future in [pool.submit(call, item) for item in items]:
            future.result()


def _entry(info: Mapping[str, Any]) -> Entry:
    identity = next((str(info[key]) for key in _IDENTITY if info.get(key) is not None), '')
    return Entry(int(info['size']), zlib.crc32(identity.encode()) & 0x7FFFFFFF)


def _takes_prefix(fs: Any) -> bool:
    return 'prefix' in inspect.signature(getattr(fs, '_find', fs.find)).parameters
