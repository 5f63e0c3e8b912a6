"""The lock of a remote folder."""

import json
import threading
import time

import pytest

from project.storage import remote_lock as module
from project.storage.remote import RemoteFolder
from project.storage.remote_lock import LOCK_FILE, remote_lock


def test_one_at_a_time(bucket, monkeypatch):
    monkeypatch.setattr(module, 'WAIT_S', 0.01)
    folder, inside, most = RemoteFolder(f'{bucket}/labels'), [], []

    def hold():
        with remote_lock(folder):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1] and folder.find() == {}


def test_a_lock_that_a_killed_process_left_is_taken(bucket):
    folder = RemoteFolder(f'{bucket}/labels')
    assert folder.create(LOCK_FILE, json.dumps({'since': time.time() - module.STALE_S - 1}).encode())
    assert not folder.create(LOCK_FILE, b'another')
    with remote_lock(folder):
        assert 'host' in json.loads(folder.content(LOCK_FILE))


def test_the_lock_ends_with_an_error(bucket):
    folder = RemoteFolder(f'{bucket}/labels')
    with pytest.raises(ZeroDivisionError), remote_lock(folder):
        raise ZeroDivisionError
    assert folder.find() == {}
