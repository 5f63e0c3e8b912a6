"""Checkpoint files: plain data only, written whole, read without running their code."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from project.engine.checkpoint_scan import check_checkpoint, check_tensors
from project.formats.common import written_whole
from project.formats.plain_arrays import STAND_INS

_PLAIN = (bool, int, float, str, bytes, type(None))


def write_checkpoint(path: Path, content: dict) -> None:
    """Write a checkpoint that ``torch.load(path, weights_only=True)`` reads; a stop at any moment leaves no half file.

    Args:
        path: the file.
        content: tensors, numbers and strings in dictionaries, lists and tuples; NumPy scalars and arrays are converted.

    Raises:
        TypeError: there is something else in it.
    """
    content = plain(content)
    with written_whole(path) as file:
        torch.save(content, file)


def read_checkpoint(path: str | Path, map_location: str | torch.device = 'cpu') -> dict:
    """Read a checkpoint of this project, of mmengine, or a bare dictionary of weights.

    Args:
        path: file, or an address that mmengine knows (``https://...``, ``torchvision://...``).
        map_location: device for its tensors.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a checkpoint, or would run code of its own when loaded.
    """
    is_file = '://' not in str(path)
    if is_file and not Path(path).is_file():
        raise FileNotFoundError(f'there is no checkpoint {path}')
    try:
        if is_file:
            check_checkpoint(Path(path))
        content = CheckpointLoader.load_checkpoint(str(path), map_location, logger='silent')
        if is_file:
            check_tensors(content, Path(path))
    except pickle.UnpicklingError as error:
        named = re.search(r'GLOBAL (\S+)', str(error))
        reason = f'it asks for {named[1]}' if named else 'it holds objects'
        raise ValueError(
            f'{path}: not a checkpoint of weights and plain data, and anything else is refused because it could run '
            f'code ({reason}); save its weights alone where it was made: torch.save(model.state_dict(), path)'
        ) from None
    except Exception as error:  # whatever bytes that are no checkpoint lead the reader into
        reason = f'{type(error).__name__}: {error}'
        raise ValueError(f'{path}: not a readable checkpoint ({reason}); is it complete?') from None
    if not isinstance(content, dict):
        raise ValueError(f'{path}: holds a {type(content).__name__}, not the weights of a model')
    weights = content.get('state_dict', content)
    if not isinstance(weights, dict):
        raise ValueError(f'{path}: its "state_dict" is a {type(weights).__name__}, not the weights of a model by name')
    return content


def plain(value: Any) -> Any:
    """The same data in types that a checkpoint may hold.

    Raises:
        TypeError: some part has no such form.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(plain(entry) for entry in value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f'a checkpoint cannot hold a {type(value).__module__}.{type(value).__qualname__}')


def _history_statistic(owner: type, name: str):
    """What mmengine's checkpoints need of ``getattr``, and nothing more."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'asks for the attribute {name!r} of {owner!r}')
    return getattr(HistoryBuffer, name)


def _allow_mmengine_checkpoints() -> None:
    """Let ``weights_only`` read the logged numbers in mmengine's own checkpoints, which are NumPy arrays in a class."""
    attribute = (_history_statistic, 'builtins.getattr')
    stand_ins: list = [(stand_in, name) for name, stand_in in STAND_INS.items()]
    torch.serialization.add_safe_globals([HistoryBuffer, attribute, *stand_ins])


_allow_mmengine_checkpoints()
