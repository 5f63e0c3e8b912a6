"""Checks a checkpoint before torch reads it.

``torch.load(weights_only=True)`` runs no code of the file, but lets the file allocate any amount of memory.
"""

import codecs
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import torch

from project.formats.plain_arrays import STAND_INS

_LEGACY_PICKLES = 5
"""Number of pickles at the start of an old torch file: a number, its version, the machine, the content, the keys."""

_PLAIN = re.compile(
    r'collections\.(OrderedDict|Counter)|(__builtin__|builtins)\.(set|complex|getattr)|'
    r'torch\._utils\._rebuild_(tensor|tensor_v2|parameter|parameter_with_state)|torch\.nn\.parameter\.Parameter|'
    r'torch(\.storage)?\.\w+Storage|torch\.(Size|device)|torch\.serialization\._get_layout|'
    r'mmengine\.logging\.history_buffer\.HistoryBuffer'
)


def check_checkpoint(path: Path) -> None:
    """Make sure that a file of weights unpacks to no more than its own size, and asks for nothing but plain data.

    Raises:
        ValueError: it unpacks to more.
        pickle.UnpicklingError: it asks for something else.
        Exception: any error that invalid bytes cause in the readers of archives and pickles.
    """
    if not zipfile.is_zipfile(path):
        with open(path, 'rb') as file:
            for _ in range(_LEGACY_PICKLES):
                _check_names(file)
        return
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        packed = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
        if packed or sum(part.file_size for part in parts) > path.stat().st_size:
            raise ValueError('it unpacks to more than its own size')
        for part in parts:
            if part.filename.endswith('.pkl'):
                with archive.open(part) as file:
                    _check_names(file)


def check_tensors(content: Any, path: Path) -> None:
    """Make sure that no tensor is larger than the file: strides of 0 make a small storage as large as one likes.

    Raises:
        ValueError: one is.
    """
    largest = path.stat().st_size
    for tensor in _tensors(content):
        if tensor.numel() * tensor.element_size() > largest:
            raise ValueError(f'a tensor of {tuple(tensor.shape)} is larger than the file')


def _check_names(file: BinaryIO) -> None:
    """Look at the names of one pickle."""
    names, texts = set(), []
    for operation, argument, _ in pickletools.genops(file):
        if operation.name == 'GLOBAL':
            names.add(argument.replace(' ', '.'))
        elif operation.name in ('STACK_GLOBAL', 'INST'):
            raise UnpicklingError('GLOBAL by another way than torch.save has')
        elif isinstance(argument, str) and len(argument) < 20:
            texts.append(argument)
    others = [name for name in names if not _is_plain(name)]
    if others:
        raise UnpicklingError(f'GLOBAL {others[0]}')
    if '_codecs.encode' in names and any(map(_is_packing, texts)):
        raise UnpicklingError('GLOBAL _codecs.encode with another encoding than that of bytes')


def _is_plain(name: str) -> bool:
    known = name in STAND_INS or _PLAIN.fullmatch(name)
    return bool(known) or isinstance(getattr(torch, name.removeprefix('torch.'), None), torch.dtype)


def _is_packing(text: str) -> bool:
    """Whether a text names an encoding from bytes to bytes, which can be applied again and again."""
    try:
        return not codecs.lookup(text)._is_text_encoding
    except (LookupError, ValueError):
        return False


def _tensors(content: Any) -> Iterator[torch.Tensor]:
    waiting, seen = [content], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value
