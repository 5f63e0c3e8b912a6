"""Deformable attention: the reference against its definition, every other backend against the reference."""

import math

import pytest
import torch

from project.models.ops.deformable_attention import ATTENTION, deformable_attention

SHAPES = [(5, 7), (3, 4), (1, 2)]
BACKENDS = [
    (device, name)
    for device in ('cpu', *(['cuda'] if torch.cuda.is_available() else []))
    for name in ATTENTION.available(device)
]


def problem(batch=2, queries=11, heads=3, dims=4, points=5, dtype=torch.float64, device='cpu'):
    """Random arguments; some places lie outside the maps."""
    torch.manual_seed(0)
    cells = sum(rows * columns for rows, columns in SHAPES)
    value = torch.randn(batch, cells, heads, dims, dtype=dtype)
    locations = torch.rand(batch, queries, heads, len(SHAPES), points, 2, dtype=dtype) * 1.4 - 0.2
    weights = torch.rand(batch, queries, heads, len(SHAPES), points, dtype=dtype)
    return [tensor.to(device).requires_grad_() for tensor in (value, locations, weights)]


def by_definition(value, locations, weights):
    """One output number after the other."""
    batch, _, heads, dims = value.shape
    result = value.new_zeros(batch, locations.shape[1], heads * dims)
    for b, q, h, level, p in torch.cartesian_prod(*(torch.arange(n) for n in weights.shape)).tolist():
        rows, columns = SHAPES[level]
        start = sum(r * c for r, c in SHAPES[:level])
        x, y = (locations[b, q, h, level, p] * torch.tensor([columns, rows]) - 0.5).tolist()
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x), math.floor(x) + 1):
                if 0 <= row < rows and 0 <= column < columns:
                    share = (1 - abs(y - row)) * (1 - abs(x - column)) * weights[b, q, h, level, p]
                    result[b, q, h * dims : (h + 1) * dims] += share * value[b, start + row * columns + column, h]
    return result


def test_reference_is_the_definition():
    value, locations, weights = (tensor.detach() for tensor in problem(batch=2, queries=3, points=2))
    expected = by_definition(value, locations, weights)
    torch.testing.assert_close(deformable_attention(value, SHAPES, locations, weights, 'torch'), expected)


def test_reference_gradients_are_finite_differences():
    inputs = problem(batch=1, queries=2, heads=2, dims=2, points=2)
    assert torch.autograd.gradcheck(lambda v, x, w: deformable_attention(v, SHAPES, x, w, 'torch'), inputs)


@pytest.mark.parametrize(('device', 'name'), BACKENDS)
def test_backend_equals_reference(device, name):
    expected, ours = (problem(dims=16, dtype=torch.float32, device=device) for _ in range(2))
    results = [
        deformable_attention(value, SHAPES, locations, weights, backend)
        for (value, locations, weights), backend in ((expected, 'torch'), (ours, name))
    ]
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-5)
    cotangent = torch.randn_like(results[0])
    for result in results:
        result.backward(cotangent)
    for own, reference in zip(ours, expected, strict=True):
        torch.testing.assert_close(own.grad, reference.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(('device', 'name'), BACKENDS)
def test_bfloat16_values_with_exact_places(device, name):
    value, locations, weights = problem(dims=16, dtype=torch.float32, device=device)
    exact = deformable_attention(value, SHAPES, locations, weights, 'torch')
    rough = deformable_attention(value.bfloat16(), SHAPES, locations, weights.bfloat16(), name)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, rtol=2e-2, atol=5e-2)
    rough.float().sum().backward()
    assert locations.grad.dtype == torch.float32
