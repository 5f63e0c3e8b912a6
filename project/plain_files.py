"""Safe reading of JSON, ``.npy`` and ``.npz`` of unknown origin: no code runs, and memory is bounded.

All raise ValueError for an invalid file, without its name: the caller adds it.
"""

import io
import json
import math
import os
import tokenize
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

LARGEST_BYTES = 1 << 30
"""Largest unpacked size of the arrays of one file. The finest grid, 512 x 512 x 40, with flow in float64 takes a
quarter."""


def read_json(path: str | Path) -> Any:
    """Content of a JSON file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except RecursionError:
        raise ValueError('it is nested too deeply') from None


def read_npy(file: str | Path | bytes) -> np.ndarray:
    """The array of an ``.npy``, given by path or content.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, states a larger array than the file can hold, or holds objects.
    """
    if isinstance(file, bytes):
        return _array(io.BytesIO(file), len(file))
    with open(file, 'rb') as stream:
        return _array(stream, os.fstat(stream.fileno()).st_size)


def read_npz(
    file: str | Path | bytes, names: Sequence[str], largest_bytes: int = LARGEST_BYTES
) -> dict[str, np.ndarray | None]:
    """Arrays of an ``.npz``, given by path or content; those that it does not hold are None.

    Args:
        file: path or content.
        names: of the arrays, without the ``.npy`` that the archive has.
        largest_bytes: what these arrays may unpack to, together.

    Raises:
        OSError: it cannot be read.
        ValueError and what else damaged archives make :mod:`zipfile` raise: it is damaged, unpacks to more, an array is
            larger than its part of the archive, or holds objects.
    """
    with zipfile.ZipFile(io.BytesIO(file) if isinstance(file, bytes) else file) as archive:
        held = {part.filename.removesuffix('.npy'): part for part in archive.infolist()}
        parts = {name: held.get(name) for name in names}
        total = sum(part.file_size for part in parts.values() if part)
        if total > largest_bytes:
            raise ValueError(f'it would unpack to {total >> 20} MiB, more than the {largest_bytes >> 20} allowed')
        return {name: None if part is None else _unpacked(archive, part) for name, part in parts.items()}


def _unpacked(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> np.ndarray:
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # The others unpack a block at once, however large it is.
        raise ValueError('it is packed in another way than NumPy does')
    with archive.open(part) as stream:
        # Read as a whole: the checksum is compared at the end of the part, and it unpacks to no more than it states.
        content = stream.read()
    return _array(io.BytesIO(content), len(content))


def _array(stream: BinaryIO, size: int) -> np.ndarray:
    """Read an array whose header is looked at first: NumPy allocates what it states before it reads a number."""
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[version](stream)
    except KeyError:
        raise ValueError(f'it is of version {version} of the format of NumPy') from None
    except (MemoryError, RecursionError, SyntaxError, tokenize.TokenError) as error:
        # The header is an expression of Python, read by its parser.
        raise ValueError(f'its header is damaged ({type(error).__name__})') from None
    if dtype.hasobject:
        raise ValueError('it holds objects, which could run code, not numbers')
    stated, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if min(shape, default=0) < 0 or stated > there or (stated == 0 and max(shape, default=0) > size):
        raise ValueError(f'it states an array of {shape} {dtype}, and {there} bytes follow')
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)
