"""The source of random numbers for augmentations."""

from collections.abc import Sequence

import numpy as np
import torch

from project.errors import UserError


def new_generator() -> np.random.Generator:
    """A generator seeded from PyTorch's global one, which data loaders seed differently in each worker."""
    return np.random.default_rng(int(torch.randint(2**63 - 1, ())))


_clip: tuple[int, ...] | None = None


def begin_clip(place: tuple[int, ...] | None) -> None:
    """Name the clip that the next samples of this process belong to; None for samples that belong to none."""
    global _clip
    _clip = place


def clip_generator() -> np.random.Generator:
    """A generator that draws the same for all samples of a clip; samples that belong to none draw on their own.

    Each call begins anew.
    """
    return new_generator() if _clip is None else np.random.default_rng(_clip)


def checked_range(transform: object, name: str, given: Sequence[float]) -> tuple[float, float]:
    """The two factors between which a transform draws one.

    Raises:
        UserError: it is given something else.
    """
    factors = tuple(given)
    if len(factors) != 2 or not 0 < factors[0] <= factors[1]:
        raise UserError(
            f'{type(transform).__name__}: {name}={factors}; give two factors above 0, the smaller first, such as '
            '(0.9, 1.1)'
        )
    return factors
