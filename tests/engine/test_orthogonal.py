"""Matrices made orthogonal: alone, and many of different sizes together."""

import pytest
import torch
from polar import polar_factor

from project.engine.orthogonal import OrthogonalSteps, groups, orthogonal


@pytest.mark.parametrize('shape', [(8, 8), (10, 70), (33, 40)])
def test_orthogonal_brings_all_singular_values_near_one(shape):
    torch.manual_seed(1)
    matrices = torch.randn(3, *shape)
    found = orthogonal(matrices)
    values = torch.linalg.svdvals(found)
    assert values.max() < 1.3
    assert values[:, : shape[0] * 3 // 4].min() > 0.6
    for ours, matrix in zip(found, matrices, strict=True):
        exact = polar_factor(matrix)
        likeness = (ours * exact).sum() / (ours.norm() * exact.norm())
        assert likeness > 0.95


def test_small_matrices_join_large_ones_where_that_is_cheap():
    sizes = [(8, 8), (64, 64), (60, 64), (8, 1000), (512, 512), (8, 8)]
    assert groups(sizes, launches=0.0) == {
        (512, 512): [4], (8, 1000): [3], (64, 64): [1], (60, 64): [2], (8, 8): [0, 5]
    }  # fmt: skip
    together = groups(sizes, launches=1e7)
    assert together == {(512, 512): [4], (8, 1000): [3, 0, 5], (64, 64): [1, 2]}


def test_zeros_around_a_matrix_change_nothing():
    torch.manual_seed(0)
    shapes = [(15, 50), (9, 30), (40, 12), (8, 2, 3, 3)]
    directions = [torch.randn(shape) for shape in shapes]
    found, alone = ([torch.zeros(shape) for shape in shapes] for _ in range(2))
    together = OrthogonalSteps(found, launches=1e9)
    assert len(together._groups) == 1
    together.take(directions, 0.1)
    for matrix, direction in zip(alone, directions, strict=True):
        OrthogonalSteps([matrix]).take([direction], 0.1)
    for ours, theirs in zip(found, alone, strict=True):
        torch.testing.assert_close(ours, theirs)
