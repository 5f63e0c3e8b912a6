"""The fused frozen norm, against torch's layers. On a GPU, or in Triton's interpreter."""

import pytest
import torch
from torch import nn

from project.models.ops.frozen_norm import FROZEN_NORM, is_frozen, normalise

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
BACKENDS = FROZEN_NORM.available(DEVICE)


def frozen_norm(channels, dtype=torch.float32):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(channels, eps=0.1).to(dtype).requires_grad_(False).eval()
    for each in (norm.weight, norm.bias, norm.running_mean):
        each.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm.to(DEVICE)


def maps(channels, dtype=torch.float32, memory_format=torch.contiguous_format):
    x = torch.randn(2, channels, 3, 5, dtype=dtype).to(DEVICE, memory_format=memory_format)
    return x.requires_grad_()


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('channels', [3, 300])
@pytest.mark.parametrize('with_residual', [False, True])
@pytest.mark.parametrize('activate', [False, True])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients(backend, channels, with_residual, activate, memory_format):
    norm, x = frozen_norm(channels), maps(channels, memory_format=memory_format)
    residual = maps(channels) if with_residual else None
    expected = norm(x) + (residual if with_residual else 0)
    expected = expected.relu() if activate else expected
    found = normalise(x, norm, residual, activate, backend)
    torch.testing.assert_close(found, expected)
    inputs = [x, residual] if with_residual else [x]
    cotangent = torch.randn_like(expected)
    gradients = (torch.autograd.grad(out, inputs, cotangent) for out in (found, expected))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize('backend', BACKENDS)
def test_bfloat16_is_rounded_once(backend):
    norm, x = frozen_norm(6), maps(6, torch.bfloat16)
    found = normalise(x, norm, backend=backend)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), norm(x.float()).relu(), rtol=1e-2, atol=1e-2)


def test_a_norm_that_learns_is_not_frozen():
    assert is_frozen(frozen_norm(3))
    assert not is_frozen(frozen_norm(3).train())
    assert not is_frozen(frozen_norm(3).requires_grad_())
    assert not is_frozen(nn.GroupNorm(1, 3))
    with torch.no_grad():
        assert is_frozen(frozen_norm(3).requires_grad_())


def test_a_norm_that_learns_gets_its_gradients_and_statistics():
    norm = nn.BatchNorm2d(3).to(DEVICE)
    normalise(maps(3), norm).sum().backward()
    assert norm.weight.grad is not None and norm.num_batches_tracked == 1
