"""Numbers known in advance, as tensors on a device."""

from functools import lru_cache

import torch
from torch import Tensor


def constant(values: tuple, device: torch.device) -> Tensor:
    """A float32 tensor of a tuple of numbers, or of tuples.

    It is kept, and must not be written to: making it anew would make the host wait for the device, which a CUDA graph
    cannot do at all.
    """
    if torch.compiler.is_exporting():
        return _made(values, device)  # a stand-in without numbers, of no use afterwards
    return _kept(values, device)


def _made(values: tuple, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32).to(device)


_kept = lru_cache(maxsize=256)(_made)
