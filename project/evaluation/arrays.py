"""Voxels as numpy arrays, or as torch's tensors where a GPU works on them; nothing here needs torch."""

from typing import Any

import numpy as np


def is_tensor(array: Any) -> bool:
    """Whether an array is one of torch's and not one of numpy's."""
    return not isinstance(array, np.ndarray) and hasattr(array, 'is_cuda')


def as_numpy(array: Any) -> np.ndarray:
    """An array, or a tensor of any device, as numpy's."""
    return array.cpu().numpy() if is_tensor(array) else np.asarray(array)


def like(array: Any, other: Any) -> Any:
    """An array as another one is kept: as a tensor on that one's device, or as numpy's."""
    if not is_tensor(other):
        return as_numpy(array)
    from project.evaluation.tensors import on_device  # who has a tensor has torch

    return on_device(array, other.device)
