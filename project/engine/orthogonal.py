"""Matrices made orthogonal, many at a time: the core of Muon."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial a x + b x^3 + c x^5 that brings singular values between 0 and 1 near 1 in few iterations."""

ADAM_LENGTH = 0.2
"""Root mean square of what a step of Adam usually changes weights by, in learning rates."""

LAUNCHES = 3e9
"""Operations for which a GPU needs as long as for launching the products of an iteration. A CPU launches nothing."""

STREAMS = 8
"""Groups of matrices that a GPU works on at a time: small products leave most of it idle."""


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Roughly the nearest matrices with orthonormal rows: singular values become 0.7 to 1.2.

    Args:
        matrices: (M, r, c) with r <= c.
        iterations: of the polynomial.

    Returns:
        (M, r, c), dtype of `matrices`.
    """
    a, b, c = COEFFICIENTS
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        products = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(products, products, products, beta=b, alpha=c), x, beta=a)
    return x


class OrthogonalSteps:
    """Steps of matrices along the orthogonal form of a direction for each, as long as those of Adam.

    On a GPU, small matrices are computed together, and groups of them side by side where a graph is recorded.

    Args:
        matrices: parameters, of any shape (r, ...).
        launches: operations that take as long as launching those of a group; by default by the device.
    """

    def __init__(self, matrices: Sequence[Tensor], launches: float | None = None):
        self._matrices = matrices
        if launches is None:
            launches = LAUNCHES if matrices and matrices[0].is_cuda else 0.0
        self._groups = groups([sides(each) for each in matrices], launches)

    def take(self, directions: Sequence[Tensor], rate: float | Tensor, iterations: int = 5) -> None:
        """Change the matrices.

        Args:
            directions: of the shapes of the matrices.
            rate: learning rate, a number or () on their device.
            iterations: of the polynomial.
        """
        recording = self._matrices[0].is_cuda and torch.cuda.is_current_stream_capturing()
        with _streams(len(self._groups)) if recording else nullcontext([]) as streams:
            for number, (size, indices) in enumerate(self._groups.items()):
                pairs = [(self._matrices[index], directions[index]) for index in indices]
                with torch.cuda.stream(streams[number % len(streams)]) if streams else nullcontext():
                    _take(pairs, size, rate, iterations)


def _take(pairs: list[tuple[Tensor, Tensor]], size: tuple[int, int], rate: float | Tensor, iterations: int) -> None:
    """Change matrices along the orthogonal form of a direction for each, all of them computed at one size."""
    like = pairs[0][0]
    stacked = like.new_zeros(len(pairs), *size, dtype=torch.bfloat16 if like.is_cuda else like.dtype)
    for whole, (_, direction) in zip(stacked, pairs, strict=True):
        lying = _lying(direction.flatten(1))
        whole[: len(lying), : lying.shape[1]].copy_(lying)
    steps = orthogonal(stacked, iterations).to(like.dtype) * rate
    for whole, (matrix, _) in zip(steps, pairs, strict=True):
        rows, columns = sides(matrix)
        step = whole[:rows, :columns]
        step = step.mT if len(matrix) > rows else step
        matrix.sub_(step.reshape(matrix.shape), alpha=ADAM_LENGTH * math.sqrt(columns))


def groups(sizes: list[tuple[int, int]], launches: float) -> dict[tuple[int, int], list[int]]:
    """Matrices that are made orthogonal together: a size for each group, and which matrices are in it.

    Zeros around a matrix stay zeros. So smaller matrices join larger ones, where this costs less than a group more.

    Args:
        sizes: rows and columns of each matrix, rows <= columns.
        launches: operations that take as long as launching those of an iteration of a group.
    """
    found: dict[tuple[int, int], list[int]] = {}
    for index in sorted(range(len(sizes)), key=lambda index: math.prod(sizes[index]), reverse=True):
        rows, columns = sizes[index]
        alike = sum(size == (rows, columns) for size in sizes)
        larger = [size for size in found if size[0] >= rows and size[1] >= columns]
        nearest = min(larger, key=_operations, default=None)
        if nearest is None or alike * (_operations(nearest) - _operations((rows, columns))) > launches:
            nearest = rows, columns
        found.setdefault(nearest, []).append(index)
    return found


def _operations(size: tuple[int, int]) -> float:
    """Of an iteration."""
    rows, columns = size
    return 2.0 * rows * rows * (2 * columns + rows)


def sides(matrix: Tensor) -> tuple[int, int]:
    """The shorter and the longer one of a matrix of any shape (r, ...)."""
    shorter, longer = sorted((len(matrix), matrix.numel() // len(matrix)))
    return shorter, longer


def _lying(matrix: Tensor) -> Tensor:
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix


@contextmanager
def _streams(number: int) -> Iterator[list[torch.cuda.Stream]]:
    """Up to so many streams that a graph, which is being recorded, goes through side by side."""
    here, streams = torch.cuda.current_stream(), [torch.cuda.Stream() for _ in range(min(number, STREAMS))]
    for each in streams:
        each.wait_stream(here)
    yield streams
    for each in streams:
        here.wait_stream(each)
