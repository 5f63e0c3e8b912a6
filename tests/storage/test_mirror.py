"""Copies of remote files: whole, those of now, fetched once, several at a time; errors name the object."""

import os
import time

import numpy as np
import pytest
from faulty_proxy import Faults, faulty_proxy

from project.errors import UserError
from project.storage import mounts, remote
from project.storage.mirror import Mirror
from project.storage.mounts import CacheChoice, at_hand, later, mirror_at, mounted, sizes_of, soon
from project.storage.remote import RemoteError, RemoteFolder


@pytest.fixture
def objects(bucket: str, tmp_path, rng: np.random.Generator) -> dict[str, bytes]:
    """Twenty objects in the folder ``data`` of the bucket, by name; one is empty."""
    found = {f'lidar/sweep_of_scene_{i:03}.bin': rng.bytes(1000 + 37 * i) for i in range(19)} | {'empty.txt': b''}
    for name, content in found.items():
        put(f'{bucket}/data', name, content, tmp_path)
    return found


@pytest.fixture
def faults(objects, s3_server: str, use_endpoint):
    """What goes wrong from now on."""
    found = Faults()
    with faulty_proxy(s3_server, found) as address:
        use_endpoint(address)
        yield found


def put(url, name, content, tmp_path):
    file = tmp_path / 'uploaded'
    file.write_bytes(content)
    RemoteFolder(url).put(file, name)


def read_all(folder, names):
    soon(folder / name for name in names)
    for name in names:
        at_hand(folder / name)
    return {name: (folder / name).read_bytes() for name in names}


def test_files_are_fetched_once_and_listed_together(bucket, objects, faults, tmp_path):
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache'))
    assert list(sizes_of([folder / name for name in objects])) == list(map(len, objects.values()))
    # Of the names that begin alike there is one listing, whatever their number.
    assert len(faults.requests) == 2
    assert read_all(folder, objects) == objects
    assert read_all(folder, objects) == objects
    assert len(faults.contents_read()) == len(set(faults.contents_read())) == len(objects)


def test_the_next_process_fetches_only_what_changed(bucket, objects, faults, tmp_path, monkeypatch):
    cache = CacheChoice(tmp_path / 'cache')
    read_all(mounted(f'{bucket}/data', cache), objects)
    name = 'lidar/sweep_of_scene_007.bin'
    objects[name] = objects[name][::-1]
    put(f'{bucket}/data', name, objects[name], tmp_path)
    RemoteFolder(f'{bucket}/data').delete('empty.txt')
    faults.requests.clear()
    monkeypatch.setattr(mounts, '_MIRRORS', {})
    folder = mounted(f'{bucket}/data', cache)
    at_hand(folder / 'empty.txt')
    assert not (folder / 'empty.txt').exists()
    del objects['empty.txt']
    assert read_all(folder, objects) == objects
    assert [path.rpartition('/')[2] for path in faults.contents_read()] == ['sweep_of_scene_007.bin']


def test_what_is_missing_is_missing_here(bucket, objects, tmp_path):
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache'))
    assert list(sizes_of([folder / 'no.bin', folder / 'empty.txt', tmp_path / 'uploaded'])) == [-1, 0, 0]
    at_hand(folder / 'no.bin')
    assert not (folder / 'no.bin').exists()


ALL_AT_ONCE = {'fail_every': 10, 'drop_every': 13, 'cut_every': 4}
ONE_BY_ONE = [{'fail_every': 10}, {'drop_every': 10}, {'cut_every': 4}, {'cut_every': 4, 'lie': True}]


@pytest.mark.parametrize(
    'trouble', [ALL_AT_ONCE, *(pytest.param(trouble, marks=pytest.mark.slow) for trouble in ONE_BY_ONE)]
)
def test_faults_that_pass_cost_a_try(bucket, objects, faults, tmp_path, trouble):
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache'))
    vars(faults).update(trouble)
    assert read_all(folder, objects) == objects


def test_an_object_that_never_comes_whole_is_an_error_that_names_it(bucket, objects, faults, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, 'FIRST_PAUSE_S', 0.001)
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache'))
    name = 'lidar/sweep_of_scene_003.bin'
    faults.cut_every, faults.lie, faults.only = 1, True, 'scene_003'
    with pytest.raises(RemoteError, match=f'{bucket}/data/{name}: cannot be read: .*555 of its 1111 bytes'):
        at_hand(folder / name)
    assert [path.name for path in folder.rglob('*') if path.is_file()] == []


def test_files_are_waited_for_together_and_not_one_after_the_other(bucket, objects, faults, tmp_path):
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache'))
    list(sizes_of([folder / name for name in objects]))
    faults.latency_s, faults.most_waiting = 0.1, 0
    read_all(folder, objects)
    assert 4 <= faults.most_waiting <= remote.IN_FLIGHT


def test_a_refused_bucket_is_named_at_once(s3_server, use_endpoint):
    use_endpoint(s3_server)
    with pytest.raises(FileNotFoundError, match='s3://no-such-bucket/world: there is no such folder'):
        RemoteFolder('s3://no-such-bucket/world').children()


def test_a_url_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(remote, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match=r's3://b/k: URLs need fsspec and s3fs: pip install .*\[cloud\]'):
        mounted('s3://b/k')
    monkeypatch.undo()
    with pytest.raises(UserError, match='nonsense://b/k: .*Protocol not known: nonsense'):
        mounted('nonsense://b/k')


def test_listed_folders_have_every_name_and_no_ghost(bucket, objects, tmp_path):
    mirror = Mirror(RemoteFolder(f'{bucket}/data'), tmp_path / 'mirror')
    (tmp_path / 'mirror' / 'ghost.bin').write_bytes(b'was removed there')
    mirror.bring(['lidar/sweep_of_scene_001.bin'])
    mirror.list_all()
    here = {p.relative_to(mirror.folder).as_posix(): p.stat().st_size for p in mirror.folder.rglob('*') if p.is_file()}
    assert here == {name: 0 for name in objects} | {'lidar/sweep_of_scene_001.bin': 1037}


@pytest.mark.parametrize('url', ['memory://{}/data', 'file://{}/data'])
def test_other_protocols_write_whole_objects(url, tmp_path):
    folder = RemoteFolder(url.format(tmp_path / 'there'))
    file = tmp_path / 'file'
    for content in (b'first', b'and second'):
        file.write_bytes(content)
        folder.put(file, 'a/b.bin')
        assert folder.content('a/b.bin') == content
        assert {name: entry.size for name, entry in folder.find().items()} == {'a/b.bin': len(content)}
        assert folder.fetch('a/b.bin', tmp_path / 'copy', folder.info('a/b.bin')) == folder.info('a/b.bin')
        assert (tmp_path / 'copy').read_bytes() == content
    folder.delete('a/b.bin')
    folder.delete('a/b.bin')
    assert folder.find() == {} and folder.info('a/b.bin') is None


def test_paths_that_leave_the_mirror_are_not_its_files(bucket, objects, tmp_path):
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache'))
    outside = folder / '..' / '..' / 'outside.txt'
    at_hand(outside)
    assert mounts.mirror_at(outside) is None and not os.path.exists(outside)


def test_files_of_later_come_by_themselves_after_those_wanted_soon(bucket, objects, faults, tmp_path):
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache'))
    first, then = list(objects)[:9], list(objects)[9:-1]
    soon(folder / name for name in first)
    later(folder / name for name in then)
    wait_until(lambda: all((folder / name).is_file() for name in then))
    assert set(faults.contents_read()[:4]) < {f'/{bucket[5:]}/data/{name}' for name in first}
    mirror = mirror_at(folder)
    mirror.settle()
    faults.requests.clear()
    assert read_all(folder, objects) == objects
    assert [path.rpartition('/')[2] for path in faults.contents_read()] == ['empty.txt']


def test_a_file_wanted_soon_that_was_removed_meanwhile_is_fetched_again(bucket, objects, tmp_path):
    path = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache')) / 'lidar/sweep_of_scene_003.bin'
    soon([path])
    wait_until(path.is_file)
    path.unlink()
    at_hand(path)
    assert path.read_bytes() == objects['lidar/sweep_of_scene_003.bin']


def test_files_of_later_are_not_fetched_where_they_would_fill_the_cache(bucket, objects, faults, tmp_path):
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache', limit=50 * sum(map(len, objects.values())) - 50))
    later(folder / name for name in objects)
    wait_until(lambda: faults.requests)
    mirror_at(folder).settle()
    assert not faults.contents_read()


def test_what_cannot_be_fetched_for_later_troubles_nobody(bucket, objects, faults, tmp_path):
    folder = mounted(f'{bucket}/data', CacheChoice(tmp_path / 'cache'))
    faults.fail_every, faults.only = 1, 'scene_003'
    later(folder / name for name in objects)
    wait_until(lambda: any('scene_003.bin' in path for path in faults.contents_read()))
    faults.fail_every = 0
    assert read_all(folder, objects) == objects
    later([folder / 'no.bin'])
    mirror_at(folder).settle()


def wait_until(reached, most_s=20.0):
    end = time.monotonic() + most_s
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)
