"""Files that appear under their name only once they are whole."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from project.formats.common import _aside, is_abandoned, written_whole


def write(path: Path, content: bytes) -> None:
    with written_whole(path) as file:
        file.write(content)


def test_folders_are_made_and_an_older_file_is_replaced(tmp_path):
    for content in (b'first', b'second'):
        write(tmp_path / 'a/b/file', content)
        assert (tmp_path / 'a/b/file').read_bytes() == content
    assert os.listdir(tmp_path / 'a/b') == ['file']


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError])
def test_what_fails_leaves_everything_as_it_was(tmp_path, error):
    write(tmp_path / 'file', b'first')
    with pytest.raises(error), written_whole(tmp_path / 'file') as file:
        file.write(b'half')
        raise error
    assert (tmp_path / 'file').read_bytes() == b'first' and os.listdir(tmp_path) == ['file']


@pytest.mark.parametrize('where', ['write', 'flush', 'replace'])
def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, monkeypatch, where):
    path = tmp_path / 'file'
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match=f"No space left on device: '{path}'$"), written_whole(path) as file:
        if where == 'write':
            raise full
        if where == 'flush' and Path('/dev/full').exists():
            os.dup2(os.open('/dev/full', os.O_WRONLY), file.fileno())
            file.write(b'content')
        else:
            full = OSError(*full.args, _aside(path), None, path)
            monkeypatch.setattr(os, 'replace', lambda *paths: (_ for _ in ()).throw(full))
    assert not os.listdir(tmp_path)


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match='elsewhere'), written_whole(tmp_path / 'file'):
        (tmp_path / 'elsewhere').read_bytes()


def test_what_a_killed_process_left_is_told_from_what_is_being_written(tmp_path):
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    mine = _aside(tmp_path / 'a.npz')
    other_host = tmp_path / '.a.npz.elsewhere.1'
    left = mine.with_name(mine.name.replace(str(os.getpid()), str(dead.pid)))
    for path in (mine, left, other_host, tmp_path / '.lock', tmp_path / '.hidden.1', tmp_path / 'a.npz'):
        path.write_bytes(b'')
    assert [path.name for path in sorted(tmp_path.iterdir()) if is_abandoned(path)] == [left.name]
    os.utime(other_host, (0, 0))
    assert is_abandoned(other_host) and not is_abandoned(mine)
