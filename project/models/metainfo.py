"""Metainfo of data samples as tensors."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def stacked_metainfo(data_samples: Sequence, key: str) -> np.ndarray:
    """Stack an array of the samples' metainfo.

    Raises:
        KeyError: a sample lacks it.
    """
    missing = [index for index, sample in enumerate(data_samples) if key not in sample.metainfo]
    if missing:
        raise KeyError(f'data samples {missing} have no metainfo {key!r}: add it to the meta_keys of the pipeline')
    return np.stack([np.asarray(sample.metainfo[key]) for sample in data_samples])


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """A small array as a tensor on a device, for which the host does not wait; float64 becomes float32."""
    return torch.from_numpy(array.astype(np.float32) if array.dtype == np.float64 else array).to(
        device, non_blocking=True
    )
