"""Maximum pooling in Triton, against torch's. On a GPU, or in Triton's interpreter."""

import pytest
import torch
from torch.nn.functional import max_pool2d

from project.models.ops.operator import triton_obstacle

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
pytestmark = pytest.mark.skipif(bool(triton_obstacle(DEVICE)), reason=f'on {DEVICE}: {triton_obstacle(DEVICE)}')


@pytest.mark.parametrize('shape', [(2, 3, 7, 5), (1, 70, 8, 6), (1, 2, 1, 1)])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_is_torchs(shape, memory_format):
    from project.models.ops.triton_pool import max_pool

    torch.manual_seed(0)
    x = torch.randn(shape, device=DEVICE).to(memory_format=memory_format)
    torch.testing.assert_close(max_pool(x), max_pool2d(x, 3, stride=2, padding=1), rtol=0, atol=0)


@pytest.mark.parametrize('shape', [(2, 3, 7, 5), (1, 70, 8, 6), (1, 2, 1, 1)])
def test_gradients_are_torchs_even_of_equal_maxima(shape):
    from project.models.ops.triton_pool import TrainedMaxPool

    torch.manual_seed(0)
    x = torch.randint(-1, 2, shape, device=DEVICE).float()
    x[..., 0, 0] = float('-inf')
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    results = TrainedMaxPool.apply(inputs[0]), max_pool2d(inputs[1], 3, stride=2, padding=1)
    assert torch.equal(*results)
    cotangent = torch.randn_like(results[0])
    gradients = (torch.autograd.grad(out, each, cotangent)[0] for out, each in zip(results, inputs, strict=True))
    torch.testing.assert_close(*gradients)


def test_what_is_not_a_number_stays():
    from project.models.ops.triton_pool import max_pool

    x = torch.zeros(1, 1, 5, 5, device=DEVICE)
    x[..., 2, 2] = float('nan')
    assert torch.equal(max_pool(x).isnan(), max_pool2d(x, 3, stride=2, padding=1).isnan())
