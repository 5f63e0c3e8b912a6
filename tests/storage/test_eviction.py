"""What was not used for longest goes first, and nothing that is in use."""

import os
import time

import pytest

from project.errors import UserError
from project.storage.eviction import IN_USE_S, bytes_of, evict
from project.storage.mounts import CacheChoice, mirror_at, mounted


def used(path, size, seconds_ago):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - seconds_ago, 12345))


def test_the_files_that_were_used_last_stay(tmp_path):
    for number in range(10):
        used(tmp_path / f'folder{number % 3}' / f'{number}.bin', 100, IN_USE_S + 10 + number)
    used(tmp_path / 'name only', 0, 1e6)
    assert evict(tmp_path, 1000) == 0
    assert evict(tmp_path, 500) == 6  # 450 of 500 bytes may stay
    assert sorted(path.name for path in tmp_path.rglob('*.bin')) == ['0.bin', '1.bin', '2.bin', '3.bin']
    assert (tmp_path / 'name only').exists()


def test_files_in_use_stay_whatever_the_size(tmp_path):
    used(tmp_path / 'old', 100, IN_USE_S + 10)
    used(tmp_path / 'new', 100, 0)
    assert evict(tmp_path, 10) == 1
    assert (tmp_path / 'new').exists()


def test_a_file_that_is_used_while_others_are_removed_stays(tmp_path, monkeypatch):
    for name in ('older', 'old'):
        used(tmp_path / name, 100, IN_USE_S + 10)
    unlink = os.unlink

    def remove(path):
        unlink(path)
        os.utime(tmp_path / 'old')

    monkeypatch.setattr(os, 'unlink', remove)
    os.utime(tmp_path / 'older', (0, 0))
    assert evict(tmp_path, 10) == 1
    assert (tmp_path / 'old').exists()


def test_sizes():
    assert bytes_of('100GB') == 100 * 10**9 and bytes_of(' 1.5t ') == 1.5e12 and bytes_of('7') == 7
    for text in ('', '0', 'much', '-1GB', '1XB'):
        with pytest.raises(UserError, match='is no size'):
            bytes_of(text)


def test_only_copies_are_removed_from_the_folder_of_a_cache(tmp_path):
    pytest.importorskip('fsspec', reason="needs the extra 'cloud'")
    used(tmp_path / 'somebody' / 'else.bin', 1000, 1e6)
    folder = mounted('memory://a/b', CacheChoice(tmp_path, 100))
    used(folder / 'old.bin', 100, 1e6)
    used(folder / 'new.bin', 50, 0)
    mirror = mirror_at(folder)
    mirror._make_room(1000)
    assert sorted(path.name for path in tmp_path.rglob('*.bin')) == ['else.bin', 'new.bin']
