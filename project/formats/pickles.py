"""Pickles of plain data and NumPy arrays, read without running code: whoever made the file could have put in any."""

import pickle
from io import BufferedIOBase
from typing import Any

_ALLOWED = {
    ('numpy', 'ndarray'), ('numpy', 'dtype'), ('_codecs', 'encode'),
    ('numpy.core.multiarray', '_reconstruct'), ('numpy._core.multiarray', '_reconstruct'),
    ('numpy.core.numeric', '_frombuffer'), ('numpy._core.numeric', '_frombuffer'),
    ('numpy.core.multiarray', 'scalar'), ('numpy._core.multiarray', 'scalar'),
}  # fmt: skip
"""All that arrays need beside numbers, strings, lists and dictionaries."""


def load_plain(file: BufferedIOBase) -> Any:
    """Read a pickle. To be called inside :func:`project.formats.common.named_errors`.

    Raises:
        ValueError: it is damaged, or asks for anything that could run a program.
    """
    try:
        return _Unpickler(file).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, IndexError) as error:
        raise ValueError(error) from None


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}, which plain data and arrays have no need of')
        return super().find_class(module, name)
