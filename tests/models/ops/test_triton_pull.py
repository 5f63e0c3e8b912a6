"""The Triton kernels of the pull, against the reference. Without a GPU: see test_triton_interpreted.py."""

import pytest
import torch
from pull_problem import SPACE, problem

from project.models.ops.operator import triton_obstacle
from project.models.ops.pull import pull

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
OBSTACLE = triton_obstacle(DEVICE)
pytestmark = pytest.mark.skipif(bool(OBSTACLE), reason=f'on {DEVICE}: {OBSTACLE}')

TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 1e-2}


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('channels, groups, layers', [(6, 2, 1), (5, 1, 3)])
def test_equals_reference(dtype, channels, groups, layers):
    features, weights, matrices = problem(dtype, DEVICE, channels, groups)
    ours, reference = ([each.clone().requires_grad_() for each in (features, weights)] for _ in range(2))
    result = pull(*ours, matrices, SPACE, layers, backend='triton')
    expected = pull(*(each.double() for each in reference), matrices, SPACE, layers, backend='torch')
    assert result.dtype == dtype
    cotangent = torch.randn_like(result)
    result.backward(cotangent)
    expected.backward(cotangent.double())
    pairs = [(result, expected), *((own.grad, other.grad) for own, other in zip(ours, reference, strict=True))]
    for own, other in pairs:
        assert (own.double() - other.double()).norm() <= TOLERANCE[dtype] * other.double().norm()


def test_shapes_without_values_are_those_with():
    from project.models.ops.triton_pull import _pull

    features, weights, matrices = (each.requires_grad_() for each in problem(device=DEVICE))
    numbers = [*SPACE.grid.minimum, *SPACE.grid.voxel_size, SPACE.bins.nearest, SPACE.bins.log_ratio]
    arguments = features, weights, matrices.detach(), list(SPACE.grid.shape), 1, list(SPACE.image_shape), numbers
    checks = 'test_schema', 'test_autograd_registration', 'test_faketensor'
    torch.library.opcheck(_pull, arguments, test_utils=checks)
