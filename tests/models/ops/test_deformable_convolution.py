"""Deformable convolution: the reference against its definition, every other backend against the reference."""

import pytest
import torch
from mmcv.cnn import build_conv_layer
from torch.nn.functional import conv2d

from project.models.ops.deformable_convolution import CONVOLUTION, ModulatedDeformableConv2d, deformable_convolution

BACKENDS = [
    (device, name)
    for device in ('cpu', *(['cuda'] if torch.cuda.is_available() else []))
    for name in CONVOLUTION.available(device)
]
GEOMETRIES = [((1, 1), (1, 1), (1, 1)), ((2, 1), (1, 2), (1, 2))]


def problem(
    geometry=GEOMETRIES[0], groups=2, kernel=(3, 3), dtype=torch.float64, device='cpu', size=(5, 7), channels=4
):
    """Random arguments: features, offsets of some pixels, masks, weights."""
    torch.manual_seed(0)
    kernel, (stride, padding, dilation) = (3, 3), geometry
    out = [
        (size[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in range(2)
    ]  # fmt: skip
    taps = kernel[0] * kernel[1]
    x = torch.randn(2, channels, *size, dtype=dtype)
    offset = 2 * torch.randn(2, groups * taps * 2, *out, dtype=dtype)
    mask = torch.rand(2, groups * taps, *out, dtype=dtype)
    weight = torch.randn(3, channels, *kernel, dtype=dtype)
    return [tensor.to(device).requires_grad_() for tensor in (x, offset, mask, weight)]


@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_without_displacement_it_is_a_convolution(geometry):
    x, offset, _, weight = problem(geometry)
    still, whole = torch.zeros_like(offset), torch.ones_like(offset[:, ::2])
    ours = deformable_convolution(x, still, whole, weight, *geometry, backend='torch')
    torch.testing.assert_close(ours, conv2d(x, weight, None, *geometry))


def test_offsets_are_row_then_column_and_move_each_tap_on_its_own():
    x, offset, mask, _ = (tensor.detach() for tensor in problem(groups=1, channels=1))
    weight = torch.zeros(1, 1, 3, 3, dtype=x.dtype)
    weight[0, 0, 0, 2] = 1  # only the upper right tap counts: it reads the pixel at (-1, +1)
    offset.zero_()
    offset[:, 2 * 2], offset[:, 2 * 2 + 1] = 2, -3  # and is moved two rows down and three columns to the left
    ours = deformable_convolution(x, offset, mask, weight, padding=1, backend='torch')
    expected = torch.zeros_like(ours)
    expected[:, :, :4, 2:] = x[:, :, 1:, :5]  # (-1 + 2, 1 - 3) = (1, -2)
    torch.testing.assert_close(ours, expected * mask[:, 2:3])


def test_reference_gradients_are_finite_differences():
    inputs = problem(size=(3, 4), channels=2)
    assert torch.autograd.gradcheck(lambda *t: deformable_convolution(*t, padding=1, backend='torch'), inputs)


@pytest.mark.parametrize('geometry', GEOMETRIES)
@pytest.mark.parametrize(('device', 'name'), BACKENDS)
def test_backend_equals_reference(device, name, geometry):
    arguments = dict(geometry=geometry, dtype=torch.float32, device=device, channels=32)
    expected, ours = problem(**arguments), problem(**arguments)
    results = [
        deformable_convolution(*inputs, *geometry, backend=backend)
        for inputs, backend in ((expected, 'torch'), (ours, name))
    ]
    torch.testing.assert_close(results[1], results[0], rtol=1e-4, atol=1e-4)
    cotangent = torch.randn_like(results[0])
    for result in results:
        result.backward(cotangent)
    for own, reference in zip(ours, expected, strict=True):
        torch.testing.assert_close(own.grad, reference.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(('device', 'name'), BACKENDS)
def test_bfloat16(device, name):
    inputs = [tensor.detach() for tensor in problem(dtype=torch.float32, device=device, channels=32)]
    exact = deformable_convolution(*inputs, padding=1, backend='torch')
    x, offset, mask, weight = inputs
    rough = deformable_convolution(x.bfloat16(), offset, mask.bfloat16(), weight, padding=1, backend=name)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, rtol=5e-2, atol=0.3)


def test_layer_starts_as_a_plain_convolution_of_half_strength():
    layer = build_conv_layer(dict(type='OccupancyDCNv2'), 4, 6, kernel_size=3, stride=1, padding=1, bias=False)
    assert isinstance(layer, ModulatedDeformableConv2d)
    x = torch.randn(2, 4, 5, 7)
    torch.testing.assert_close(layer(x), conv2d(x, layer.weight, padding=1) / 2)


def test_layer_has_the_parameters_of_mmcv():
    layer = ModulatedDeformableConv2d(4, 6, 3, deform_groups=2)
    shapes = {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}
    assert shapes == {'weight': (6, 4, 3, 3), 'conv_offset.weight': (54, 4, 3, 3), 'conv_offset.bias': (54,)}
