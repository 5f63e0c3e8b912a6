"""Pickles of plain data and NumPy arrays, read without running code: whoever made the file could have put in any."""

import os
import pickle
from typing import Any, BinaryIO

import numpy as np

from project.formats.pickle_scan import check_lengths
from project.formats.plain_arrays import STAND_INS


def load_plain(file: BinaryIO) -> Any:
    """Read a pickle from the start of an open file. To be called inside :func:`project.formats.common.named_errors`.

    Memory is bounded by what the file holds: lengths in it are checked before they are believed.

    Raises:
        ValueError: it is damaged, or asks for anything that could run a program.
    """
    if not os.fstat(file.fileno()).st_size:
        raise ValueError('it is empty')
    check_lengths(np.memmap(file, np.uint8, 'r').view(np.ndarray))
    file.seek(0)  # which the look at it has moved
    try:
        return _Unpickler(file).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, IndexError) as error:
        raise ValueError(error) from None
    except (MemoryError, RecursionError):
        raise ValueError('it is nested too deeply, or larger than the memory') from None


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return STAND_INS[f'{module}.{name}']
        except KeyError:
            reason = f'it asks for {module}.{name}, which plain data and arrays have no need of'
            raise pickle.UnpicklingError(reason) from None
