"""The part of the evaluation that needs torch: voxels are counted where a model left them, on a GPU or a CPU."""

from typing import Any

import torch
from torch import Tensor

from project.evaluation.confusion import IGNORED, check_labels, check_shapes
from project.taxonomy import LABEL_NAMES


def confusion_matrices(
    prediction: Tensor,
    truth: Tensor,
    mask: Tensor | None = None,
    bands: Tensor | None = None,
    num_bands: int = 1,
    ignored: tuple[int, ...] = IGNORED,
) -> Tensor:
    """As :func:`project.evaluation.confusion.confusion_matrices`, which is the definition, for tensors.

    Returns:
        (num_bands, 18, 18) int64 ``[band, truth, prediction]``, on the device of `prediction`.

    Raises:
        ValueError: the shapes differ, or a label is none of those.
    """
    check_shapes(prediction, truth, mask)
    size = len(LABEL_NAMES)
    counted = torch.ones_like(truth, dtype=torch.bool) if mask is None else mask.bool()
    for label in ignored:
        counted = counted & (truth != label)
    # int32 holds any cell number, and is what a GPU counts fastest.
    predicted, true = prediction[counted].int(), truth[counted].int()
    if true.numel():
        check_labels('prediction', int(predicted.min()), int(predicted.max()))
        check_labels('ground truth', int(true.min()), int(true.max()))
    cells = true * size + predicted
    if bands is not None:
        cells += bands.expand(truth.shape)[counted].int() * size**2
    return torch.bincount(cells, minlength=num_bands * size**2).view(num_bands, size, size)


def on_device(array: Any, device: torch.device | str) -> Tensor:
    """An array or a tensor as a tensor on a device."""
    return torch.as_tensor(array).to(device)


def usable_device(name: str | None = None) -> str:
    """The device to count on: that of the name, or a GPU where there is one.

    Raises:
        ValueError: torch cannot use it.
    """
    if name is None:
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError):
        seen = torch.cuda.device_count()
        raise ValueError(f'device {name}: torch cannot use it; it sees {seen} GPUs here, and takes cpu') from None
    return name
