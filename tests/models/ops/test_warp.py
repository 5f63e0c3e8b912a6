"""The plain warp of volumes, against what it says, and the Triton kernels against the plain one."""

import numpy as np
import pytest
import torch

from project.grid import VoxelGrid
from project.models.ops.operator import triton_obstacle
from project.models.ops.warp import warp

GRID = VoxelGrid.from_range('lidar', (-14.0, -10.0, -3.0, 14.0, 10.0, 3.0), (4.0, 4.0, 2.0))
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
OBSTACLE = triton_obstacle(DEVICE)
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}


def shift(x=0.0, y=0.0, z=0.0):
    motion = torch.eye(4)
    motion[:3, 3] = torch.tensor([x, y, z])
    return motion


def warp_one(volume, motion):
    """(Z, X, Y, C) moved features of such a volume, and (Z, X, Y) where they are known."""
    found = warp(volume[None], torch.zeros(1, 1, dtype=torch.int64), motion[None, None], torch.ones(1, 1) > 0, GRID)
    return found[0, ..., 0, :-1], found[0, ..., 0, -1] > 0


def test_whole_voxels_are_moved_exactly():
    volume = torch.randn(3, 7, 5, 2)
    moved, known = warp_one(volume, shift(x=8.0))  # two voxels: what was at x + 2 is now at x
    torch.testing.assert_close(moved[:, :5], volume[:, 2:], rtol=1e-4, atol=1e-4)
    assert known[:, :5].all() and not known[:, 5:].any() and not moved[:, 5:].any()


def test_a_point_that_stands_still_is_found_where_it_went(random_rigid):
    """A linear function of the place is interpolated exactly, so what is moved is the function of where voxels were."""
    centres = torch.from_numpy(GRID.centres()).float().permute(2, 0, 1, 3)  # (Z, X, Y, 3)
    motion = torch.from_numpy(random_rigid(1.0)).float()
    motion[:3, :3] = torch.eye(3) + 0.02 * (motion[:3, :3] - motion[:3, :3].T)
    moved, known = warp_one(centres, motion)
    expected = centres @ motion[:3, :3].T + motion[:3, 3]
    half = torch.tensor(GRID.voxel_size) / 2
    low, high = torch.tensor(GRID.minimum) + half, torch.tensor(GRID.maximum) - half
    inner = ((expected > low) & (expected < high)).all(-1)
    assert inner.sum() > 10 and known[inner].all()
    torch.testing.assert_close(moved[inner], expected[inner], rtol=1e-3, atol=1e-2)


def test_each_sample_looks_into_its_own_volumes():
    volumes = torch.arange(1.0, 4.0)[:, None, None, None, None].expand(3, 3, 7, 5, 2)
    rows = torch.tensor([[0, 2], [1, 1]])
    exists = torch.tensor([[True, True], [False, True]])
    found = warp(volumes, rows, torch.eye(4).expand(2, 2, 4, 4), exists, GRID)
    assert found.shape == (2, 3, 7, 5, 2, 3)
    values = torch.tensor([[[1.0, 1, 1], [3, 3, 1]], [[0, 0, 0], [2, 2, 1]]])
    torch.testing.assert_close(found, values[:, None, None, None].expand_as(found))


@pytest.mark.parametrize(
    'backend', ['torch', pytest.param('triton', marks=pytest.mark.skipif(bool(OBSTACLE), reason=OBSTACLE))]
)
def test_places_that_are_no_numbers_are_outside(backend):
    motions = torch.full((1, 2, 4, 4), torch.nan, device=DEVICE)
    rows, exists = torch.zeros(1, 2, dtype=torch.int64, device=DEVICE), torch.tensor([[True, False]], device=DEVICE)
    assert (warp(torch.ones(1, 3, 7, 5, 4, device=DEVICE), rows, motions, exists, GRID, backend) == 0).all()


def problem(channels, dtype, random_rigid):
    """Volumes, rows, motions by a few metres and degrees, and which count; one sample looks into a volume twice."""
    torch.manual_seed(0)
    motions = torch.from_numpy(np.stack([random_rigid(6.0) for _ in range(6)])).float().view(2, 3, 4, 4)
    motions[..., :3, :3] = torch.linalg.qr(motions[..., :3, :3] * 0.1 + torch.eye(3))[0]
    rows = torch.tensor([[3, 0, 3], [1, 2, 0]])
    exists = torch.tensor([[True, True, True], [True, False, True]])
    volumes = torch.randn(4, 3, 7, 5, channels).to(dtype)
    return [each.to(DEVICE) for each in (volumes, rows, motions, exists)]


@pytest.mark.skipif(bool(OBSTACLE), reason=f'on {DEVICE}: {OBSTACLE}')
@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('channels', [4, 7])
def test_the_kernels_equal_it(dtype, channels, random_rigid):
    volumes, *where = problem(channels, dtype, random_rigid)
    ours, reference = (volumes.clone().requires_grad_() for _ in range(2))
    result = warp(ours, *where, GRID, 'triton')
    expected = warp(reference.double(), *where, GRID, 'torch')
    assert result.dtype == dtype and 0.2 < (expected[..., -1] > 0).double().mean() < 0.9
    torch.testing.assert_close(result[..., -1].double(), expected[..., -1])
    cotangent = torch.randn_like(result)
    result.backward(cotangent)
    expected.backward(cotangent.double())
    for own, other in ((result, expected), (ours.grad, reference.grad)):
        assert (own.double() - other.double()).norm() <= TOLERANCE[dtype] * other.double().norm()


@pytest.mark.skipif(bool(OBSTACLE), reason=f'on {DEVICE}: {OBSTACLE}')
def test_shapes_without_values_are_those_with(random_rigid):
    from project.models.ops.triton_warp import _warp

    volumes, *where = problem(4, torch.float32, random_rigid)
    arguments = volumes.requires_grad_(), *where, [*GRID.minimum, *GRID.voxel_size]
    checks = 'test_schema', 'test_autograd_registration', 'test_faketensor'
    torch.library.opcheck(_warp, arguments, test_utils=checks)
