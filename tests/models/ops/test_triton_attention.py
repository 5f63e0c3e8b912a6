"""The Triton kernels of the attention, against the reference. Without a GPU: see test_triton_interpreted.py."""

import pytest
import torch

from project.models.ops.deformable_attention import deformable_attention
from project.models.ops.operator import triton_obstacle

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
OBSTACLE = triton_obstacle(DEVICE)
pytestmark = pytest.mark.skipif(bool(OBSTACLE), reason=f'on {DEVICE}: {OBSTACLE}')

SHAPES = ((5, 7), (3, 4), (1, 2))
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}


def problem(dtype, queries=3, heads=3, channels=5, points=3):
    """Values, locations and weights, the latter two in float32 or wider; some places lie outside the maps."""
    torch.manual_seed(0)
    wide = torch.promote_types(dtype, torch.float32)
    value = torch.randn(2, sum(rows * columns for rows, columns in SHAPES), heads, channels).to(dtype)
    locations = (1.6 * torch.rand(2, queries, heads, len(SHAPES), points, 2) - 0.3).to(wide)
    weights = torch.rand(2, queries, heads, len(SHAPES), points).to(wide)
    return [each.to(DEVICE) for each in (value, locations, weights)]


def assert_equals_reference(inputs):
    """Results and gradients, relative to the norm, against those of the reference in float64."""
    ours, reference = ([each.detach().clone().requires_grad_() for each in inputs] for _ in range(2))
    result = deformable_attention(ours[0], SHAPES, *ours[1:], backend='triton')
    value, *places = (each.double() for each in reference)
    expected = deformable_attention(value, SHAPES, *places, backend='torch')
    assert result.dtype == inputs[0].dtype
    cotangent = torch.randn_like(result)
    result.backward(cotangent)
    expected.backward(cotangent.double())
    pairs = [(result, expected), *((own.grad, other.grad) for own, other in zip(ours, reference, strict=True))]
    for own, other in pairs:
        assert (own.double() - other.double()).norm() <= TOLERANCE[inputs[0].dtype] * other.double().norm()


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_equals_reference_in_every_dtype(dtype):
    assert_equals_reference(problem(dtype))


@pytest.mark.parametrize('points', [1, 4, 37])
def test_fewer_and_more_points_than_a_program_takes(points):
    assert_equals_reference(problem(torch.float32, points=points, queries=5 if points < 5 else 2, heads=2))


def test_places_far_outside_are_zero_and_have_no_gradient():
    value, locations, weights = problem(torch.float32)
    inputs = [each.requires_grad_() for each in (value, torch.full_like(locations, -1e9), weights)]
    result = deformable_attention(inputs[0], SHAPES, *inputs[1:], backend='triton')
    result.sum().backward()
    assert not result.any()
    assert not any(each.grad.any() for each in inputs)


def test_no_queries():
    inputs = [each.requires_grad_() for each in problem(torch.float32, queries=0)]
    result = deformable_attention(inputs[0], SHAPES, *inputs[1:], backend='triton')
    assert result.shape == (2, 0, 15)
    result.sum().backward()
    assert not inputs[0].grad.any()


def test_shapes_without_values_are_those_with():
    from project.models.ops.triton_attention import _attend

    value, locations, weights = (each.requires_grad_() for each in problem(torch.float32, queries=2))
    sizes = [size for shape in SHAPES for size in shape]
    checks = 'test_schema', 'test_autograd_registration', 'test_faketensor'
    torch.library.opcheck(_attend, (value, sizes, locations, weights), test_utils=checks)
