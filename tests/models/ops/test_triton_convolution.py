"""The Triton kernels of the convolution, against the reference. Without a GPU: see test_triton_interpreted.py."""

import pytest
import torch

from project.models.ops.deformable_convolution import deformable_convolution
from project.models.ops.operator import triton_obstacle

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
OBSTACLE = triton_obstacle(DEVICE)
pytestmark = pytest.mark.skipif(bool(OBSTACLE), reason=f'on {DEVICE}: {OBSTACLE}')

PLAIN = ((1, 1), (1, 1), (1, 1))
ODD = ((2, 1), (0, 3), (1, 2))
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}


@pytest.fixture(autouse=True)
def fewer_programs(monkeypatch):
    """The interpreter takes as long for a row as for many."""
    if DEVICE == 'cpu':
        monkeypatch.setattr('project.models.ops.triton_convolution.ROWS', 16)


def problem(dtype, geometry=PLAIN, groups=1, kernel=(3, 3), channels=6, outputs=5, size=(3, 4), spread=1.5):
    """Features, offsets, mask and weight; the maps in float32 or wider. Some samples fall outside the features."""
    torch.manual_seed(0)
    stride, padding, dilation = geometry
    out = [(size[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in range(2)]
    taps = kernel[0] * kernel[1]
    wide = torch.promote_types(dtype, torch.float32)
    x = torch.randn(2, channels, *size).to(dtype)
    offset, mask = (
        spread * torch.randn(2, 2 * taps * groups, *out).to(wide),
        torch.rand(2, taps * groups, *out).to(wide),
    )
    weight = (torch.randn(outputs, channels, *kernel) / (channels * taps) ** 0.5).to(dtype)
    return [each.to(DEVICE) for each in (x, offset, mask, weight)]


def assert_equals_reference(inputs, geometry):
    """Results and gradients, relative to the norm, against those of the reference in float64."""
    ours, reference = ([each.detach().clone().requires_grad_() for each in inputs] for _ in range(2))
    result = deformable_convolution(*ours, *geometry, backend='triton')
    expected = deformable_convolution(*(each.double() for each in reference), *geometry, backend='torch')
    assert result.dtype == inputs[0].dtype
    cotangent = torch.randn_like(result)
    result.backward(cotangent)
    expected.backward(cotangent.double())
    pairs = [(result, expected), *((own.grad, other.grad) for own, other in zip(ours, reference, strict=True))]
    for own, other in pairs:
        assert (own.double() - other.double()).norm() <= TOLERANCE[inputs[0].dtype] * other.double().norm()


@pytest.mark.parametrize('dtype', TOLERANCE)
def test_equals_reference_in_every_dtype(dtype):
    assert_equals_reference(problem(dtype), PLAIN)


def test_equals_reference_with_odd_geometry_and_groups():
    inputs = problem(torch.float32, ODD, groups=3, kernel=(3, 2), size=(5, 4))
    assert_equals_reference(inputs, ODD)


def test_channels_of_several_blocks():
    assert_equals_reference(problem(torch.float32, channels=300, size=(1, 2)), PLAIN)


def test_samples_far_outside_are_zero_and_have_no_gradient():
    inputs = problem(torch.float32)
    inputs[1].fill_(1e9)
    inputs = [each.requires_grad_() for each in inputs]
    result = deformable_convolution(*inputs, *PLAIN, backend='triton')
    result.sum().backward()
    assert not result.any()
    assert not any(each.grad.any() for each in inputs)


def test_strided_maps_and_any_memory_format():
    x, offset, mask, weight = problem(torch.float32)
    expected = deformable_convolution(x, offset, mask, weight, *PLAIN, backend='torch')
    both = torch.cat([offset, mask], dim=1).contiguous(memory_format=torch.channels_last)
    views = both[:, :18], both[:, 18:]
    for layout in (torch.contiguous_format, torch.channels_last):
        result = deformable_convolution(x.contiguous(memory_format=layout), *views, weight, *PLAIN, backend='triton')
        assert result.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


def test_autocast_decides_the_dtype_and_parameters_keep_theirs():
    x, offset, mask, weight = (each.requires_grad_() for each in problem(torch.float32))
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        result = deformable_convolution(x, offset.bfloat16(), mask, weight, *PLAIN, backend='triton')
    assert result.dtype == torch.bfloat16
    result.sum().backward()
    assert {each.grad.dtype for each in (x, offset, mask, weight)} == {torch.float32}


def test_shapes_without_values_are_those_with():
    from project.models.ops.triton_convolution import _convolve

    inputs = [each.requires_grad_() for each in problem(torch.float32, size=(2, 1))]
    checks = 'test_schema', 'test_autograd_registration', 'test_faketensor'
    torch.library.opcheck(_convolve, (*inputs, *(list(pair) for pair in PLAIN)), test_utils=checks)
