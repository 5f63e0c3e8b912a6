"""The plain pull, against its definition written out for one voxel after the other."""

import math
from dataclasses import replace

import pytest
import torch
from pull_problem import GRID, SPACE, problem

from project.models.ops.operator import plain_operators
from project.models.ops.pull import PULL, pull


def written_out(features, weights, matrices):
    """The definition, as loops."""
    batch, cameras, height, width, channels = features.shape
    groups, depths = weights.shape[-2:]
    x, y, z = GRID.shape
    out = torch.zeros(batch, z, x, y, channels, dtype=torch.float64)
    for b in range(batch):
        for n in range(cameras):
            for i in range(x):
                for j in range(y):
                    for k in range(z):
                        centre = [GRID.minimum[a] + (c + 0.5) * GRID.voxel_size[a] for a, c in enumerate((i, j, k))]
                        u, v, d, _ = (matrices[b, n].double() @ torch.tensor([*centre, 1.0]).double()).tolist()
                        if d <= 1e-5 or not (0 <= u / d < SPACE.image_shape[1] and 0 <= v / d < SPACE.image_shape[0]):
                            continue
                        column = u / d * width / SPACE.image_shape[1] - 0.5
                        row = v / d * height / SPACE.image_shape[0] - 0.5
                        place = math.log(max(d, 1.0) / 1.0) / (math.log(18.0) / 6) - 0.5
                        place = min(max(place, 0), depths - 1)
                        for c in range(channels):
                            group = c // (channels // groups)
                            for p in (math.floor(column), math.floor(column) + 1):
                                for q in (math.floor(row), math.floor(row) + 1):
                                    near = (1 - abs(column - p)) * (1 - abs(row - q))
                                    pixel = b, n, min(max(q, 0), height - 1), min(max(p, 0), width - 1)
                                    low = min(math.floor(place), depths - 2)
                                    both = weights[*pixel, group, low : low + 2]
                                    weight = both[0] * (1 - place + low) + both[1] * (place - low)
                                    out[b, k, i, j, c] += near * weight * features[*pixel, c]
    return out


def test_it_is_what_it_says():
    features, weights, matrices = problem(torch.float64)
    expected = written_out(features, weights, matrices)
    assert 0.2 < (expected != 0).double().mean() < 0.9
    found = pull(features, weights, matrices, SPACE, backend='torch')
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_its_gradients_are_those_of_finite_differences():
    features, weights, matrices = problem(torch.float64, batch=1, cameras=2, channels=2)
    inputs = features.requires_grad_(), weights.requires_grad_()
    assert torch.autograd.gradcheck(lambda f, w: pull(f, w, matrices, SPACE, backend='torch'), inputs, fast_mode=True)


def test_a_feature_goes_to_the_voxel_it_lies_in_and_to_no_other():
    """One pixel that shows a thing at one depth: what is pulled is largest where that ray is at that depth."""
    features, weights, matrices = problem(cameras=4, batch=1, channels=2)
    features[:], weights[:] = 1.0, 0.0
    column, row, index = 2, 1, 4  # the middle of the first camera, which looks along +y
    weights[0, 0, row, column, :, index] = 1.0
    found = pull(features, weights, matrices, SPACE, backend='torch')[0, ..., 0]
    z, x, y = torch.unravel_index(found.argmax(), found.shape)
    centre = GRID.centres()[x, y, z]
    depth = SPACE.bins.centres()[index]
    assert abs(centre[1] - depth) <= GRID.voxel_size[1] and abs(centre[0]) <= GRID.voxel_size[0] / 2


def test_under_autocast_places_stay_exact():
    features, weights, matrices = problem()
    expected = pull(features, weights, matrices, SPACE, backend='torch')
    with torch.autocast('cpu', torch.bfloat16):
        torch.testing.assert_close(pull(features, weights, matrices, SPACE, backend='torch'), expected)


@pytest.mark.parametrize('channels, groups, layers', [(6, 2, 1), (5, 1, 2)])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16])
def test_the_one_for_processors_equals_the_plain_one(dtype, channels, groups, layers):
    ours, plain = (
        [each.requires_grad_() for each in problem(dtype, channels=channels, groups=groups)[:2]] for _ in range(2)
    )
    matrices = problem()[2]
    result = pull(*ours, matrices, SPACE, layers, backend='packed')
    expected = pull(*plain, matrices, SPACE, layers, backend='torch')
    assert result.dtype == dtype
    torch.testing.assert_close(result, expected)
    cotangent = torch.randn(result.shape).to(dtype)
    result.backward(cotangent)
    expected.backward(cotangent)
    for own, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(
            own.grad, other.grad, **({} if dtype != torch.bfloat16 else {'rtol': 0.02, 'atol': 0.05})
        )


def test_layers_are_voxels_of_a_lower_grid():
    features, weights, matrices = problem()
    (x, y, z), (width, depth, height) = GRID.shape, GRID.voxel_size
    lower = replace(SPACE, grid=replace(GRID, voxel_size=(width, depth, height / 3), shape=(x, y, 3 * z)))
    found = pull(features, weights, matrices, SPACE, layers=3).unflatten(-1, (3, -1))
    expected = pull(features, weights, matrices, lower)
    for layer in range(3):
        torch.testing.assert_close(found[..., layer, :], expected[:, layer::3])


def test_the_one_for_processors_is_chosen_there_and_only_there():
    assert PULL.choose('cpu').name == 'packed'
    with plain_operators():
        assert PULL.choose('cpu').name == 'torch'
    with pytest.raises(RuntimeError, match='packed cannot run on cuda'):
        PULL.choose('cuda', 'packed')


def test_a_sample_whose_cameras_see_no_voxel_gets_nothing():
    features, weights, matrices = problem()
    matrices[1, :, 2] = torch.tensor([0.0, 0.0, 0.0, -1.0])  # everything is behind these cameras
    for backend in ('packed', 'torch'):
        pulled = pull(features, weights, matrices, SPACE, backend=backend)
        assert pulled[0].any() and not pulled[1].any()
