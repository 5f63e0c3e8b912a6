"""A small cache that several processes use at once: every file is read whole, and the folder stays small."""

import multiprocessing
import random
import time
from pathlib import Path

import pytest

pytest.importorskip('fsspec', reason="needs the extra 'cloud'")

from project.storage import eviction
from project.storage.mounts import CacheChoice, at_hand, mounted, soon

FILES, SIZE, LIMIT = 300, 20_000, 1_000_000
IN_USE_S, READ_S, PROCESSES = 1.0, 4.0, 3
_context = multiprocessing.get_context('fork')


def content(number: int) -> bytes:
    return random.Random(number).randbytes(SIZE)


def copies(folder: Path) -> int:
    """Bytes of the copies that lie in the cache."""
    return sum(path.stat().st_size for path in folder.rglob('*.bin') if path.exists())


def read_at_random(url: str, cache: Path, seed: int, said) -> None:
    """Read files in a random order, some of them ahead; says how many there were, or what was wrong."""
    eviction.IN_USE_S, choose, read = IN_USE_S, random.Random(seed), 0
    folder, until = mounted(url, CacheChoice(cache, LIMIT)), time.monotonic() + READ_S
    try:
        while time.monotonic() < until:
            numbers = choose.sample(range(FILES), 3)
            paths = [folder / f'{number}.bin' for number in numbers]
            soon(paths)
            for number, path in zip(numbers, paths, strict=True):
                at_hand(path)
                if path.read_bytes() != content(number):
                    return said.put(f'{path} is not what was stored')
                read += 1
            time.sleep(0.05)
        said.put(read)
    except Exception as error:
        said.put(f'{type(error).__name__}: {error}')


def test_processes_that_share_a_small_cache_read_every_file_whole(tmp_path, monkeypatch):
    (tmp_path / 'store').mkdir()
    for number in range(FILES):
        (tmp_path / 'store' / f'{number}.bin').write_bytes(content(number))
    # fsspec's name for folders of this machine; "file://" would be taken for a path.
    url, cache, said = f'local://{tmp_path}/store', tmp_path / 'cache', _context.Queue()
    processes = [_context.Process(target=read_at_random, args=(url, cache, seed, said)) for seed in range(PROCESSES)]
    for process in processes:
        process.start()
    results = [said.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert all(isinstance(result, int) for result in results), results
    # More was read than the cache holds, so that files had to go while others were read.
    assert sum(results) * SIZE > 2 * LIMIT
    time.sleep(IN_USE_S)
    monkeypatch.setattr(eviction, 'IN_USE_S', IN_USE_S)
    eviction.evict(cache, LIMIT)
    assert 0 < copies(cache) <= LIMIT
