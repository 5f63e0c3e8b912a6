"""Points of a ``.pcd`` file of the Point Cloud Library: ascii, binary or binary_compressed."""

from pathlib import Path

import numpy as np
from numba import njit

from project.errors import UserError

_KINDS = {'F': 'f', 'I': 'i', 'U': 'u'}


def read_pcd(file: Path, content: bytes) -> dict[str, np.ndarray]:
    """Columns of a file.

    Args:
        file: its name, for messages.
        content: what is in it.

    Returns:
        (N,) array of each field; a field of several numbers is (N, count).

    Raises:
        ValueError: the file is damaged, or of another kind; the message names it.
    """
    header, body = _header(file, content)
    try:
        names, counts = header['FIELDS'], [int(count) for count in header.get('COUNT', ['1'] * len(header['FIELDS']))]
        types = [f'<{_KINDS[kind]}{size}' for kind, size in zip(header['TYPE'], header['SIZE'], strict=True)]
        # Numbered, since names of fields may occur twice, like the name of padding.
        dtype = np.dtype(
            [(str(at), *field) for at, field in enumerate(zip(types, [(n,) for n in counts], strict=True))]
        )
        points = int(header.get('POINTS', [0])[0]) or int(header['WIDTH'][0]) * int(header['HEIGHT'][0])
        storage = header['DATA'][0]
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise UserError(f'{file}: its header is not that of a .pcd file ({error!r})') from None
    if storage == 'ascii':
        columns = _read_ascii(file, body, dtype, points)
    elif storage == 'binary':
        if len(body) < points * dtype.itemsize:
            raise UserError(f'{file}: ends before the last of its {points} points')
        table = np.frombuffer(body, dtype, points)
        columns = [table[field] for field in _fields(dtype)]
    elif storage == 'binary_compressed':
        columns = _read_compressed(file, body, dtype, points)
    else:
        raise UserError(f'{file}: its points are stored as "{storage}", which is not known')
    # Fields called "_" are padding.
    return {
        name: column[:, 0] if column.shape[1] == 1 else column
        for name, column in zip(names, columns, strict=True)
        if name != '_'
    }


def _header(file: Path, content: bytes) -> tuple[dict[str, list[str]], bytes]:
    header, at = {}, 0
    while 'DATA' not in header:
        end = content.find(b'\n', at)
        if end < 0 or end - at > 10_000:
            raise UserError(f'{file}: has no header of a .pcd file')
        words = content[at:end].decode('ascii', 'replace').split()
        if words and not words[0].startswith('#'):
            header[words[0].upper()] = words[1:]
        at = end + 1
    return header, content[at:]


def _read_ascii(file: Path, body: bytes, dtype: np.dtype, points: int) -> list[np.ndarray]:
    try:
        # Kept as 64 bits: times since the epoch do not fit into 32.
        numbers = np.array(body.split(), np.float64).reshape(points, -1)
        widths = [dtype[field].shape[0] for field in _fields(dtype)]
        if numbers.shape[1] != sum(widths):
            raise ValueError
    except ValueError:
        raise UserError(f'{file}: does not hold {points} points of {len(_fields(dtype))} fields') from None
    return np.split(numbers, np.cumsum(widths)[:-1], axis=1)


def _read_compressed(file: Path, body: bytes, dtype: np.dtype, points: int) -> list[np.ndarray]:
    """Read one field after the other, compressed together by LZF."""
    sizes = np.frombuffer(body[:8], '<u4')
    if len(sizes) < 2 or sizes[1] != points * dtype.itemsize or len(body) < 8 + int(sizes[0]):
        raise UserError(f'{file}: ends before the last of its {points} points')
    raw = np.empty(int(sizes[1]), np.uint8)
    if _decompress(np.frombuffer(body, np.uint8, int(sizes[0]), 8), raw) != len(raw):
        raise UserError(f'{file}: its compressed points are damaged')
    columns, at = [], 0
    for field in _fields(dtype):
        size = points * dtype[field].itemsize
        columns.append(raw[at : at + size].view(dtype[field].base).reshape(points, *dtype[field].shape))
        at += size
    return columns


def _fields(dtype: np.dtype) -> tuple[str, ...]:
    return dtype.names or ()


@njit(cache=True)
def _decompress(packed, raw):
    """LZF: literal runs and references to bytes written before; returns the number of bytes written."""
    i, o = np.int64(0), np.int64(0)
    while i < len(packed):
        control = np.int64(packed[i])
        i += 1
        if control < 32:
            count = control + 1
            if i + count > len(packed) or o + count > len(raw):
                return -1
            raw[o : o + count] = packed[i : i + count]
            i += count
            o += count
            continue
        count = control >> 5
        if count == 7:
            if i >= len(packed):
                return -1
            count += np.int64(packed[i])
            i += 1
        if i >= len(packed):
            return -1
        source = o - ((control & 31) << 8) - np.int64(packed[i]) - 1
        i += 1
        count += 2
        if source < 0 or o + count > len(raw):
            return -1
        # Byte by byte, since a reference may overlap its output.
        for at in range(count):
            raw[o + at] = raw[source + at]
        o += count
    return o
