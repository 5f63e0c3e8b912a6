"""What changes in a local folder changes remotely, each object as a whole, and nothing else does."""

import shutil

import pytest

from project.storage.outbox import Outbox
from project.storage.remote import RemoteError, RemoteFolder


@pytest.fixture
def remote(tmp_path) -> RemoteFolder:
    """A remote folder with three objects."""
    pytest.importorskip('fsspec', reason="needs the extra 'cloud'")
    folder = RemoteFolder((tmp_path / 'there').as_uri())
    (tmp_path / 'file').write_bytes(b'old')
    for name in ('settings.json', 'voxels/a.npz', 'voxels/b.npz'):
        folder.put(tmp_path / 'file', name)
    return folder


def contents(remote) -> dict[str, bytes]:
    return {name: remote.content(name) for name in remote.find()}


def test_changes_go_out_and_the_rest_stays(remote, tmp_path):
    outbox = Outbox(remote, tmp_path / 'here')
    outbox.list_all()
    outbox.refresh(('',), ('.json',))
    assert (tmp_path / 'here' / 'settings.json').read_bytes() == b'old'
    assert (tmp_path / 'here' / 'voxels' / 'a.npz').read_bytes() == b''
    outbox.push()
    assert set(contents(remote).values()) == {b'old'}
    (tmp_path / 'here' / 'voxels' / 'a.npz').unlink()
    (tmp_path / 'here' / 'voxels' / 'c.npz').write_bytes(b'new')
    (tmp_path / 'here' / 'voxels' / '.d.npz.host.1').write_bytes(b'half')
    (tmp_path / 'here' / 'settings.json').write_bytes(b'newer')
    outbox.push(last='.json')
    assert contents(remote) == {'settings.json': b'newer', 'voxels/b.npz': b'old', 'voxels/c.npz': b'new'}


def test_what_failed_is_sent_again(remote, tmp_path, monkeypatch):
    outbox = Outbox(remote, tmp_path / 'here')
    (tmp_path / 'here' / 'a.npz').write_bytes(b'new')
    with monkeypatch.context() as patched:

        def fails(self, path, name):
            raise RemoteError(f'{self.url_of(name)}: cannot be written: no')

        patched.setattr(RemoteFolder, 'put', fails)
        with pytest.raises(RemoteError, match=r'there/a\.npz: cannot be written'):
            outbox.push_soon()
            outbox.settle()
    outbox.settle()
    outbox.push()
    assert remote.content('a.npz') == b'new'


def test_a_folder_that_somebody_removed_removes_nothing_remotely(remote, tmp_path):
    outbox = Outbox(remote, tmp_path / 'here')
    outbox.list_all()
    shutil.rmtree(tmp_path / 'here')
    with pytest.raises(OSError, match='was removed by somebody'):
        outbox.push()
    assert len(contents(remote)) == 3
