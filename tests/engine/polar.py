"""The exact polar factor of a matrix."""

import torch


def polar_factor(matrix):
    """(r, c) float64, the nearest matrix with orthonormal rows, of (r, c)."""
    u, _, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    return u @ v
