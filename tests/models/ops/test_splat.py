"""The plain splat, against its definition written out, and the Triton kernels against the plain one."""

import pytest
import torch
from pull_problem import GRID, SPACE, problem

from project.models.camera_rays import pixel_rays
from project.models.ops.operator import triton_obstacle
from project.models.ops.splat import splat

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
OBSTACLE = triton_obstacle(DEVICE)
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}


def written_out(features, weights, matrices):
    """The definition, as loops."""
    batch, cameras, height, width, channels = features.shape
    groups, depths = weights.shape[-2:]
    x, y, z = GRID.shape
    out = torch.zeros(batch, z, x, y, channels, dtype=torch.float64)
    origins, directions = pixel_rays(matrices, (height, width), SPACE.image_shape)
    for b, n, row, column, k in torch.cartesian_prod(*map(torch.arange, (batch, cameras, height, width, depths))):
        point = origins[b, n] + SPACE.bins.centres()[k] * directions[b, n, :, row, column]
        index, inside = GRID.voxel_indices(point[None].double().numpy())
        if inside[0]:
            i, j, m = index[0]
            share = weights[b, n, row, column, :, k].repeat_interleave(channels // groups)
            out[b, m, i, j] += share * features[b, n, row, column]
    return out


def test_it_is_what_it_says():
    features, weights, matrices = problem(torch.float64)
    expected = written_out(features, weights, matrices)
    assert 0.1 < (expected != 0).double().mean() < 0.9
    torch.testing.assert_close(splat(features, weights, matrices, SPACE, 'torch'), expected)


@pytest.mark.skipif(bool(OBSTACLE), reason=f'on {DEVICE}: {OBSTACLE}')
@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('channels, groups', [(6, 2), (5, 1)])
def test_the_kernels_equal_it(dtype, channels, groups):
    features, weights, matrices = problem(dtype, DEVICE, channels, groups)
    ours, reference = ([each.clone().requires_grad_() for each in (features, weights)] for _ in range(2))
    result = splat(*ours, matrices, SPACE, 'triton')
    expected = splat(*(each.double() for each in reference), matrices, SPACE, 'torch')
    assert result.dtype == dtype
    cotangent = torch.randn_like(result)
    result.backward(cotangent)
    expected.backward(cotangent.double())
    pairs = [(result, expected), *((own.grad, other.grad) for own, other in zip(ours, reference, strict=True))]
    for own, other in pairs:
        assert (own.double() - other.double()).norm() <= TOLERANCE[dtype] * other.double().norm()


@pytest.mark.skipif(bool(OBSTACLE), reason=f'on {DEVICE}: {OBSTACLE}')
def test_shapes_without_values_are_those_with():
    from project.models.ops.splat import point_voxels
    from project.models.ops.triton_splat import _splat

    features, weights, matrices = problem(device=DEVICE)
    voxels = point_voxels(matrices, features.shape[2:4], SPACE).int()
    arguments = features.requires_grad_(), weights.requires_grad_(), voxels, len(features) * GRID.size
    checks = 'test_schema', 'test_autograd_registration', 'test_faketensor'
    torch.library.opcheck(_splat, arguments, test_utils=checks)
