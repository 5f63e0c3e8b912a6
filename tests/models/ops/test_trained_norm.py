"""The fused norm that is being trained, against torch's layers. On a GPU, or in Triton's interpreter."""

import copy
from itertools import product

import pytest
import torch
from torch import nn

from project.models.ops.frozen_norm import normalise
from project.models.ops.trained_norm import TRAINED_NORM, trains

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
BACKENDS = TRAINED_NORM.available(DEVICE)


def trained_norm(channels):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(channels, momentum=0.3)
    for each in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(each)
    return norm.to(DEVICE)


def maps(channels, dtype=torch.float32, memory_format=torch.contiguous_format, mean=0.0, size=(9, 37)):
    x = (torch.randn(3, channels, *size) + mean).to(dtype)
    return x.to(DEVICE, memory_format=memory_format).requires_grad_()


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(
    'channels, with_residual, activate, memory_format',
    # One of the wide ones is enough: the interpreter takes seconds for it.
    [*product([3], [False, True], [False, True], [torch.contiguous_format, torch.channels_last]),
     (300, True, True, torch.channels_last)],
)  # fmt: skip
def test_values_gradients_and_statistics(backend, channels, with_residual, activate, memory_format):
    norm, x = trained_norm(channels), maps(channels, memory_format=memory_format)
    reference = copy.deepcopy(norm)
    residual = maps(channels) if with_residual else None
    expected = reference(x) + (residual if with_residual else 0)
    expected = expected.relu() if activate else expected
    found = normalise(x, norm, residual, activate, backend)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    inputs = [x, residual] if with_residual else [x]
    cotangent = torch.randn_like(expected)
    pairs = [(found, norm), (expected, reference)]
    gradients = (torch.autograd.grad(out, [*inputs, *each.parameters()], cotangent) for out, each in pairs)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    for ours, theirs in zip(norm.buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_mean_far_from_zero_costs_no_digits(backend):
    norm, x = trained_norm(5), maps(5, mean=3000.0)
    expected = copy.deepcopy(norm).double()(x.double())
    torch.testing.assert_close(normalise(x, norm, None, False, backend).double(), expected, atol=5e-3, rtol=1e-3)


@pytest.mark.parametrize('backend', BACKENDS)
def test_sums_over_many_parts(backend, monkeypatch):
    size = (61, 150)
    if DEVICE == 'cpu':  # fewer, for the interpreter, and still several rounds a program and several parts a sum
        monkeypatch.setattr('project.models.ops.triton_trained_norm.SUMMED', 2**19)
        monkeypatch.setattr('project.models.ops.triton_trained_norm.PART_ROWS', 16)
        size = (31, 50)
    norm, x, residual = trained_norm(130), maps(130, size=size), maps(130, size=size)
    expected = (copy.deepcopy(norm)(x) + residual).relu()
    found = normalise(x, norm, residual, True, backend)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    cotangent = torch.randn_like(expected)
    pair = (torch.autograd.grad(out, [x, residual], cotangent) for out in (found, expected))
    for ours, theirs in zip(*pair, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize('backend', BACKENDS)
def test_bfloat16_has_statistics_and_gradients_of_weights_in_float32(backend):
    norm, x = trained_norm(6), maps(6, torch.bfloat16)
    expected = copy.deepcopy(norm)(x.float()).relu()
    found = normalise(x, norm, backend=backend)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=1e-2, atol=1e-2)
    found.float().square().sum().backward()
    assert x.grad.dtype == torch.bfloat16 and norm.weight.grad.dtype == torch.float32


def test_which_norms_are_fused():
    assert trains(trained_norm(3))
    assert not trains(trained_norm(3).eval())
    assert not trains(nn.SyncBatchNorm(3))
    assert not trains(nn.BatchNorm2d(3, momentum=None))
    assert not trains(nn.BatchNorm2d(3, affine=False))
