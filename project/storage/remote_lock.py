"""One process at a time changes the statements of a remote folder: whoever creates the lock object holds the lock."""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager

from project.storage.remote import RemoteError, RemoteFolder

LOCK_FILE = '.lock'

STALE_S = 600.0
"""The lock is held for seconds; one that is as old as this was left by a process that was killed."""

WAIT_S = 1.0


@contextmanager
def remote_lock(folder: RemoteFolder, stale_s: float = STALE_S) -> Iterator[None]:
    """Hold the lock of a remote folder; waits while another process does.

    Stores that cannot create an object only where there is none have no lock; there the user must avoid two conversions
    at once.

    Raises:
        RemoteError: the folder cannot be written.
    """
    held = json.dumps({'process': os.getpid(), 'host': platform.node(), 'since': time.time()}).encode()
    while not _acquired(folder, held):
        if _since(folder) < time.time() - stale_s:
            folder.delete(LOCK_FILE)
        else:
            time.sleep(WAIT_S)
    try:
        yield
    finally:
        folder.delete(LOCK_FILE)


def _acquired(folder: RemoteFolder, held: bytes) -> bool:
    try:
        return folder.create(LOCK_FILE, held) or _content(folder) == held
    except NotImplementedError:
        return True


def _content(folder: RemoteFolder) -> bytes | None:
    try:
        return folder.content(LOCK_FILE)
    except FileNotFoundError:
        return None


def _since(folder: RemoteFolder) -> float:
    content = _content(folder)
    try:
        return time.time() if content is None else float(json.loads(content)['since'])
    except (ValueError, KeyError, TypeError):
        raise RemoteError(f'{folder.url_of(LOCK_FILE)}: is not a lock of this program; remove it') from None
