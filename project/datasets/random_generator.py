"""Where augmentations take their random numbers from."""

import numpy as np
import torch


def new_generator() -> np.random.Generator:
    """A generator seeded from PyTorch's global one, which data loaders seed differently in each worker."""
    return np.random.default_rng(int(torch.randint(2**63 - 1, ())))
