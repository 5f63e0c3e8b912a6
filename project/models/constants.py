"""Constant numbers as tensors on a device."""

from functools import cache

import torch
from torch import Tensor


def constant(values: tuple, device: torch.device) -> Tensor:
    """A float32 tensor of a tuple of numbers, or of tuples.

    The tensor must not be written to, and is kept for good: a new one would make the host wait for the device, which is
    impossible in a CUDA graph, and graphs read it where it is.
    """
    return _written_out(values, device) if torch.compiler.is_exporting() else _kept(values, device)


@cache
def _kept(values: tuple, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32).to(device)


def _written_out(values: tuple | float, device: torch.device) -> Tensor:
    """The numbers as part of an exported program: a separate tensor would always be on the CPU."""
    if isinstance(values, tuple):
        return torch.stack([_written_out(each, device) for each in values])
    return torch.full((), values, dtype=torch.float32, device=device)
