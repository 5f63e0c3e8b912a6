"""Files damaged at random: whatever the damage, the reader says which file it is, or reads it."""

import io

import numpy as np
import pytest

from project.formats.common import named_errors, save_npz
from project.plain_files import read_npy as load_npy
from project.plain_files import read_npz as load_npz

ARRAYS = {'indices': np.arange(12, dtype=np.uint16).reshape(4, 3), 'classes': np.arange(4, dtype=np.uint8)}


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """The content cut short, with bits flipped, or with a stretch missing or overwritten."""
    damage, place = rng.integers(4), int(rng.integers(len(content)))
    if damage == 0:
        return content[:place]
    if damage == 1:
        flipped = np.frombuffer(content, np.uint8).copy()
        flipped[rng.integers(len(content), size=3)] ^= np.uint8(1) << rng.integers(8, size=3, dtype=np.uint8)
        return flipped.tobytes()
    noise = b'' if damage == 2 else rng.bytes(int(rng.integers(1, 8)))
    return content[:place] + noise + content[place + max(len(noise), int(rng.integers(1, 40))) :]


def read_npz(path) -> None:
    with named_errors(path, 'an archive'):
        load_npz(path, tuple(ARRAYS))


def read_npy(path) -> None:
    with named_errors(path, 'an array'):
        load_npy(path)


@pytest.mark.filterwarnings('ignore')  # The zip module warns of names that occur twice.
@pytest.mark.parametrize('kind', ['stored', 'deflated', 'npy'])
def test_damage_is_named_whatever_it_is(kind, tmp_path, rng):
    file = tmp_path / 'label'
    if kind == 'npy':
        buffer = io.BytesIO()
        np.save(buffer, ARRAYS['indices'])
        whole, read = buffer.getvalue(), read_npy
    else:
        save_npz(file, ARRAYS, compression=int(kind == 'deflated'))
        whole, read = file.read_bytes(), read_npz
    read_errors = 0
    for _ in range(600):
        file.write_bytes(damaged(whole, rng))
        try:
            read(file)
        except ValueError as error:
            assert str(error).startswith(f'{file}: not an ar')
            read_errors += 1
    assert read_errors > 300


@pytest.mark.parametrize('content', [b"{'descr': '<u2', 'shape': (4,", b"{'descr': '<u2' 'shape': [}"])
def test_a_header_that_is_no_python_is_named(content, tmp_path):
    file = tmp_path / 'label'
    file.write_bytes(b'\x93NUMPY\x01\x00' + len(content).to_bytes(2, 'little') + content)
    with pytest.raises(ValueError, match=f'{file}: not an array'):
        read_npy(file)


def test_what_is_not_damage_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        read_npz(tmp_path / 'nowhere')
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        read_npz(tmp_path)
    with pytest.raises(OSError, match='Stale file handle'), named_errors(tmp_path, 'an archive'):
        raise OSError(116, 'Stale file handle')
