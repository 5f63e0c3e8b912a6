"""Stand-ins for what arrays in a pickle ask of NumPy.

NumPy's own believe the file: they allocate any shape, and a dtype whose flags are forged makes bytes of the file into
addresses of objects. These make arrays of numbers and text out of bytes that are there, and nothing else.
"""

import math
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

_NAME = re.compile(r'[<>|=]?[?biufcSU]\d{0,9}')


class PlainDtype:
    """Stands for ``numpy.dtype``: one of numbers or text, whatever the rest of its state says."""

    def __init__(self, name: str, *_: Any):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f'it holds an array of {name!r:.40}, not of numbers or text')
        self.numpy = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        """Take the order of bytes from NumPy's state of a dtype."""
        order = state[1]
        if order in ('<', '>'):
            self.numpy = self.numpy.newbyteorder(order)


class PlainArray(np.ndarray):
    """Stands for ``numpy.ndarray``: empty until its state is set."""

    def __new__(cls, *_: Any) -> 'PlainArray':
        """An empty array, whatever shape is asked for."""
        return super().__new__(cls, (0,), np.int8)

    def __setstate__(self, state: Any) -> None:
        """Take shape, dtype and bytes from NumPy's state of an array; they must agree."""
        _, shape, dtype, fortran, content = state
        dtype = dtype.numpy if isinstance(dtype, PlainDtype) else dtype
        content = content.encode('latin1') if isinstance(content, str) else content
        check_shape(shape, dtype, content)
        super().__setstate__((1, shape, dtype, fortran, content))


class Maker:
    """A function that a pickle can call and cannot change."""

    __slots__ = ('_make',)

    def __init__(self, make: Callable[..., Any]):
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise ValueError('it changes a function')


def check_shape(shape: Any, dtype: np.dtype, content: Any) -> None:
    """Raise a ValueError unless bytes are those of an array of this shape and dtype without objects."""
    whole = isinstance(shape, tuple) and all(type(length) is int and length >= 0 for length in shape)
    if not whole or dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f'an array of {shape} {dtype} is not of the {len(content)} bytes that it has')


def _scalar(dtype: PlainDtype, content: bytes | str) -> Any:
    content = content.encode('latin1') if isinstance(content, str) else content
    check_shape((), dtype.numpy, content)
    return np.frombuffer(content, dtype.numpy)[0]


def _from_buffer(content: Any, dtype: PlainDtype, shape: tuple, order: Literal['C', 'F']) -> np.ndarray:
    check_shape(shape, dtype.numpy, memoryview(content).cast('B'))
    return np.frombuffer(content, dtype.numpy).reshape(shape, order=order)


def _bytes(text: str, encoding: str) -> bytes:
    """Decodes bytes in protocol 2."""
    if encoding not in ('latin1', 'latin-1'):
        raise ValueError(f'it asks for the encoding {encoding!r:.40}')
    return text.encode('latin1')


def _no_bytes() -> bytes:
    """Decodes empty bytes in protocol 2."""
    return b''


_RECONSTRUCT, _SCALAR, _FROM_BUFFER = Maker(PlainArray), Maker(_scalar), Maker(_from_buffer)

STAND_INS: dict[str, Any] = {
    'numpy.ndarray': PlainArray,
    'numpy.dtype': PlainDtype,
    '_codecs.encode': Maker(_bytes),
    **{f'{builtins}.bytes': Maker(_no_bytes) for builtins in ('builtins', '__builtin__')},
    **{f'numpy.{core}.multiarray._reconstruct': _RECONSTRUCT for core in ('core', '_core')},
    **{f'numpy.{core}.multiarray.scalar': _SCALAR for core in ('core', '_core')},
    **{f'numpy.{core}.numeric._frombuffer': _FROM_BUFFER for core in ('core', '_core')},
}
"""The stand-in for each name; arrays and their numbers need nothing else of NumPy."""
