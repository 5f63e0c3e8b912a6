"""The mirrors of this process: URLs become local folders here, and readers say which files they are about to read.

Where no URL was given, every function returns at once: local paths cost one look at an empty dict.
"""

import multiprocessing.util
import os
import re
import shutil
import tempfile
import zlib
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from project.errors import SHOWN_AS
from project.storage.eviction import bytes_of

if TYPE_CHECKING:
    from project.storage.mirror import Mirror
    from project.storage.remote import RemoteFolder

COPIES = 'occupancy-cache'
"""What is in this folder of a cache may be removed; whatever else is beside it is not ours."""

_MIRRORS: dict[str, 'Mirror'] = {}
"""By local folder."""

_SCRATCH: dict[int, Path] = {}
"""The temporary folder of each process that made one; a forked process knows that of its parent."""


@dataclass(frozen=True)
class CacheChoice:
    """Where copies of remote files are kept.

    Attributes:
        folder: kept for the next call, and shared by all processes; None: a temporary folder.
        limit: its size in bytes.
    """

    folder: Path | None = None
    limit: int = 20 * 10**9


def cache_choice(options: Namespace) -> CacheChoice:
    """What :func:`project.cli.add_cache_options` was given.

    Raises:
        UserError: that is no size.
    """
    return CacheChoice(options.cache, bytes_of(options.cache_size))


def is_url(text: object) -> bool:
    """Whether a path is a URL of another place than this machine's files."""
    return (
        isinstance(text, str) and re.match(r'\w[\w+.-]*(::|://)', text) is not None and not text.startswith('file://')
    )


def local_path(text: str) -> Path:
    """The path of a local file or folder, which may be given as ``file://``."""
    if text.startswith('file://'):
        from urllib.parse import unquote

        return Path(unquote(text.removeprefix('file://')))
    return Path(text)


_TEMPORARY = CacheChoice()


def absolute(text: str) -> str:
    """A path that is the same in every folder; URLs are as they are."""
    return text if is_url(text) else os.fspath(local_path(text).absolute())


def mounted(text: str, cache: CacheChoice = _TEMPORARY) -> Path:
    """The local folder of a path or URL: where a URL is mirrored, or the path itself.

    Raises:
        UserError: the URL cannot be read, or a package for it is missing.
    """
    if not is_url(text):
        return local_path(text)
    from project.storage.mirror import Mirror
    from project.storage.remote import RemoteFolder

    url = text.rstrip('/')
    root = (cache.folder.absolute() if cache.folder else scratch()) / COPIES
    # No mirror lies in another one, whatever the URLs. The last part stays: it is the name of a folder of recordings.
    whole = re.sub(r'[^\w.=-]+', '_', url)[-100:]
    folder = root / f'{whole}-{zlib.crc32(url.encode()):08x}' / re.split(r'[/:]', url)[-1]
    if os.fspath(folder) not in _MIRRORS:
        _mount(Mirror(RemoteFolder(url), folder, root, cache.limit, cache.folder is None))
    return folder


def remounted(remote: 'RemoteFolder', folder: Path, cache: Path, limit: int, temporary: bool) -> 'Mirror':
    """A mirror that another process made; on another machine its temporary folder is one of this process."""
    from project.storage.mirror import Mirror

    alone = temporary and not cache.is_dir()
    if alone:
        folder, cache = scratch() / COPIES / folder.relative_to(cache), scratch() / COPIES
    return _MIRRORS.get(os.fspath(folder)) or _mount(Mirror(remote, folder, cache, limit, temporary, alone))


def _mount(mirror: 'Mirror') -> 'Mirror':
    """Make the functions below know a mirror; messages show its URL in place of its folder."""
    SHOWN_AS[os.fspath(mirror.folder)] = mirror.remote.url
    _MIRRORS[os.fspath(mirror.folder)] = mirror
    return mirror


def mirror_at(path: str | os.PathLike) -> 'Mirror | None':
    """The mirror whose folder this path is, or in whose folder it lies."""
    if not _MIRRORS:
        return None
    text = os.path.normpath(os.path.abspath(path))
    return next((each for root, each in _MIRRORS.items() if text == root or text.startswith(root + os.sep)), None)


def at_hand(*paths: str | os.PathLike) -> None:
    """Fetch those of the files that lie in a mirror and are not there yet; call it before they are opened.

    Raises:
        RemoteError, OSError: one cannot be fetched; the message names its URL.
    """
    if _MIRRORS:
        for mirror, names in _by_mirror(paths):
            mirror.bring(names)


def soon(paths: Iterable[str | os.PathLike]) -> None:
    """Begin to fetch files, in this order, which :func:`at_hand` then waits for."""
    if _MIRRORS:
        for mirror, names in _by_mirror(paths):
            mirror.soon(names)


def later(paths: Iterable[str | os.PathLike]) -> None:
    """Fetch files that may be wanted later, once those wanted :func:`soon` are on their way."""
    if _MIRRORS:
        for mirror, names in _by_mirror(paths):
            mirror.later(names)


def sizes_of(paths: Iterable[str | os.PathLike]) -> Iterator[int]:
    """The size of each file, -1 where there is none; those of a mirror are the sizes in the store."""
    known: dict[str, int] = {}
    if _MIRRORS:
        paths = list(paths)
        for mirror, names in _by_mirror(paths):
            entries = mirror.look(names)
            known |= {
                os.path.join(mirror.folder, name): entries[name].size if name in entries else -1 for name in names
            }
    for path in paths:
        size = known.get(os.path.normpath(os.path.abspath(path))) if known else None
        yield _size(path) if size is None else size


def listed(path: Path) -> Path:
    """The same folder; in a mirror every object of it then has a file, which is empty until it is fetched."""
    mirror = mirror_at(path)
    if mirror is not None:
        mirror.list_all()
    return path


def scratch() -> Path:
    """The temporary folder of this process or of its parent, which is removed when the process that made it ends."""
    found = next((path for path in _SCRATCH.values() if path.is_dir()), None)
    if found is None:
        found = _SCRATCH[os.getpid()] = Path(tempfile.mkdtemp(prefix='occupancy-'))
        # Processes of a pool end without the usual functions at exit, but call this one.
        multiprocessing.util.Finalize(None, shutil.rmtree, (found, True), exitpriority=1)
    return found


def _size(path: str | os.PathLike) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _by_mirror(paths: Iterable[str | os.PathLike]) -> list[tuple['Mirror', list[str]]]:
    found: dict[str, tuple[Mirror, list[str]]] = {}
    for path in paths:
        mirror = mirror_at(path)
        name = mirror.name_of(path) if mirror else None
        if mirror is not None and name is not None:
            found.setdefault(os.fspath(mirror.folder), (mirror, []))[1].append(name)
    return list(found.values())


def _after_fork() -> None:
    for mirror in _MIRRORS.values():
        mirror.forget_threads()


os.register_at_fork(after_in_child=_after_fork)
