"""Checks a pickle's bytes before it is read: with false lengths and indices the reader would fill the memory.

Python's own reader believes them: twelve bytes that name place 4,000,000,000 of its table take 64 GB.
"""

import pickletools
from functools import cache

import numpy as np
from numba import njit

_LINE, _DECIMAL = 100, 101
_COUNTED = {
    pickletools.TAKEN_FROM_ARGUMENT1: 201, pickletools.TAKEN_FROM_ARGUMENT4: 204,
    pickletools.TAKEN_FROM_ARGUMENT4U: 204, pickletools.TAKEN_FROM_ARGUMENT8U: 208,
}  # fmt: skip
_UNKNOWN, _STOP, _PLACE, _FRAME = -1, ord('.'), ord('r'), 0x95
_MOST_DIGITS = 18


def check_lengths(content: np.ndarray) -> None:
    """Make sure that no operation of a pickle takes more than the pickle has.

    Args:
        content: (N,) uint8, the file from where the pickle begins.

    Raises:
        ValueError: it ends too early, holds an unknown operation, or a length or place beyond its own size.
    """
    at = _first_lie(content, *_arguments())
    if at >= 0:
        raise ValueError(f'its byte {at} states a length or place that is not in it')


@cache
def _arguments() -> tuple[np.ndarray, np.ndarray]:
    """What follows each operation: a number of bytes, or one of the kinds above; and how many lines."""
    kinds, lines = np.full(256, _UNKNOWN, np.int64), np.zeros(256, np.int64)
    for operation in pickletools.opcodes:
        code, argument = ord(operation.code), operation.arg
        if argument is None:
            kinds[code] = 0
        elif argument.n == pickletools.UP_TO_NEWLINE:
            kinds[code] = _DECIMAL if operation.name in ('PUT', 'GET') else _LINE
            lines[code] = 2 if argument is pickletools.stringnl_noescape_pair else 1
        else:
            kinds[code] = argument.n if argument.n >= 0 else _COUNTED[argument.n]
    return kinds, lines


@njit(cache=True)
def _first_lie(content, kinds, lines):
    """First operation that cannot be true; -1 if there is none before the pickle ends."""
    at, size = 0, len(content)
    while at < size:
        code, start = content[at], at
        kind = kinds[code]
        at += 1
        if kind == _UNKNOWN:
            return start
        if kind >= 201:
            width = kind - 200
            if at + width > size:
                return start
            length = _number(content, at, width)
            if length < 0 or length > size - at - width:
                return start
            at += width + length
        elif kind >= _LINE:
            first = at
            for _ in range(lines[code]):
                while at < size and content[at] != 10:
                    at += 1
                at += 1
            if kind == _DECIMAL and not _is_place(content, first, at - 1):
                return start
        else:
            if code == _PLACE and (at + 4 > size or _number(content, at, 4) > size):
                return start
            if code == _FRAME and (at + 8 > size or not 0 <= _number(content, at, 8) <= size):
                return start
            at += kind
        if at > size:
            return start
        if code == _STOP:
            return -1
    return size


@njit(cache=True)
def _number(content, at, width):
    """Little-endian; negative if it is larger than any length can be."""
    if width == 8 and content[at + 7] != 0:
        return -1
    found = 0
    for k in range(width - 1, -1, -1):
        found = found * 256 + content[at + k]
    return found


@njit(cache=True)
def _is_place(content, first, end):
    """Whether a line is a decimal number below the size of the pickle."""
    if not 0 < end - first <= _MOST_DIGITS:
        return False
    found = 0
    for k in range(first, end):
        if not 48 <= content[k] <= 57:
            return False
        found = found * 10 + content[k] - 48
    return found <= len(content)
