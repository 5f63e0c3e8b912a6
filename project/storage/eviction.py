"""Keeps a folder of copies below a size: those that were not used for longest go first."""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from project.errors import UserError

IN_USE_S = 60.0
"""A copy that was used within so many seconds stays: somebody may be about to open it."""

ROOM = 0.9
"""The folder is emptied to this part of its size, so that it is not looked through for every file."""

LOCK_FILE = '.lock'

_UNITS = {'': 1, 'K': 10**3, 'M': 10**6, 'G': 10**9, 'T': 10**12}


def bytes_of(text: str) -> int:
    """The number of bytes that a text such as ``100GB`` names.

    Raises:
        UserError: it names none.
    """
    found = re.fullmatch(r'\s*(\d+(?:\.\d+)?)\s*([KMGT]?)B?\s*', text.upper())
    if found is None or not float(found[1]):
        raise UserError(f'"{text}" is no size, such as 500MB or 100GB')
    return round(float(found[1]) * _UNITS[found[2]])


def evict(folder: Path, limit: int) -> int:
    """Remove the files that were not used for longest until the others fit; returns the number of files removed.

    The time of the last use is a file's time of access, which whoever uses it sets. Empty files take no space and stay.
    If another process is at it, nothing is done.

    Args:
        folder: the folder.
        limit: bytes.
    """
    with open(folder / LOCK_FILE, 'a') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        except OSError:
            pass  # a file system without locks: two processes may remove more than they must
        found = sorted(_files(os.fspath(folder)))
        total, removed = sum(size for _, size, _ in found), 0
        if total <= limit:
            return 0
        for used, size, path in found:
            if total <= ROOM * limit or used > time.time() - IN_USE_S:
                break
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(path).st_atime != used:
                    continue  # somebody has used it since the folder was looked through
                os.unlink(path)
            total, removed = total - size, removed + 1
        return removed


def _files(folder: str) -> Iterator[tuple[float, int, str]]:
    """Time of the last use, size and path of the files that are not empty."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as found:
        for each in found:
            if each.is_dir(follow_symlinks=False):
                yield from _files(each.path)
                continue
            with contextlib.suppress(FileNotFoundError):
                state = each.stat(follow_symlinks=False)
                if state.st_size:
                    yield state.st_atime, state.st_size, each.path
