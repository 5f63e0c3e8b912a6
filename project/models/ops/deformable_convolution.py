"""Modulated deformable convolution (DCNv2): a convolution whose taps are moved and weighted by learned maps.

Zhu et al., Deformable ConvNets v2 (CVPR 2019), equation 1. ``torch`` below is the plain reference that defines the
result; parameters and channel order are mmcv's, so its checkpoints load unchanged.
"""

from collections.abc import Callable
from functools import wraps

import torch
import torchvision
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import grid_sample
from torch.nn.modules.utils import _pair

from project.models.ops.operator import Backend, Operator, compiled_mmcv_obstacle, runs_anywhere, triton_obstacle

Pair = tuple[int, int]


def deformable_convolution(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    backend: str | None = None,
) -> Tensor:
    """Convolve with displaced and modulated taps; features are interpolated bilinearly and are zero outside the map.

    Args:
        x: (N, C, H, W).
        offset: (N, G * K * 2, H', W') displacement (row, column) in pixels of each of the K = kh * kw taps, for each of
            G groups of input channels.
        mask: (N, G * K, H', W') factor of each tap.
        weight: (O, C, kh, kw).
        stride, padding, dilation: as in ``torch.nn.functional.conv2d``.
        backend: name of a backend; by default ``OCCUPANCY_DEFORMABLE_CONVOLUTION`` or the first that can run.

    Returns:
        (N, O, H', W'), dtype of `x`, or under autocast its dtype, as of a plain convolution.
    """
    device = x.device.type
    chosen = CONVOLUTION.choose(device, backend)
    if torch.is_autocast_enabled(device):
        x = x.to(torch.get_autocast_dtype(device))
    # The kernels below ignore autocast, so their dtypes are chosen here.
    with torch.autocast(device, enabled=False):
        return chosen.compute(x, offset, mask, weight, _pair(stride), _pair(padding), _pair(dilation))


class ModulatedDeformableConv2d(nn.Module):
    """A 3x3-like layer that predicts its own offsets and mask; mmcv's ``DCNv2`` without compiled operators.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation: as in ``torch.nn.Conv2d``.
        deform_groups: number of groups of input channels; each has its own offsets.
        bias: must be False, as it is in a ResNet.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        deform_groups: int = 1,
        bias: bool = False,
    ):
        super().__init__()
        if bias:
            raise ValueError('a modulated deformable convolution has no bias here; a batch norm follows it')
        self.stride, self.padding, self.dilation = stride, padding, dilation
        kernel = _pair(kernel_size)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *kernel))
        self.conv_offset = nn.Conv2d(
            in_channels, deform_groups * 3 * kernel[0] * kernel[1], kernel_size, stride, padding, dilation
        )
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.init_weights()

    def init_weights(self) -> None:
        """Start from taps in their regular places. (mmengine calls this after it has initialised every convolution.)"""
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W) features."""
        rows_columns, mask = self.conv_offset(x).tensor_split([self.conv_offset.out_channels // 3 * 2], dim=1)
        return deformable_convolution(
            x, rows_columns, mask.sigmoid(), self.weight, self.stride, self.padding, self.dilation
        )


# mmcv looks convolution layers up in mmengine's own registry, not in mmdet3d's.
MODELS.register_module('OccupancyDCNv2', module=ModulatedDeformableConv2d)


def _in_float32(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Give a kernel that takes one dtype only what it needs for exact places: float32, or wider if the features are."""

    @wraps(compute)
    def computed(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, *geometry: Pair) -> Tensor:
        exact = torch.promote_types(x.dtype, torch.float32)
        return compute(*(tensor.to(exact) for tensor in (x, offset, mask, weight)), *geometry).to(x.dtype)

    return computed


@_in_float32
def _torch(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair
) -> Tensor:
    batch, channels, height, width = x.shape
    kernel = weight.shape[2:]
    taps, out_shape = kernel[0] * kernel[1], offset.shape[2:]
    groups = mask.shape[1] // taps
    axes = []
    for axis in range(2):
        tap = torch.arange(kernel[axis], device=x.device) * dilation[axis]
        origin = torch.arange(out_shape[axis], device=x.device) * stride[axis] - padding[axis]
        axes.append((tap, origin))
    rows = axes[0][0][:, None, None, None] + axes[0][1][:, None]  # (kh, 1, H', 1)
    columns = axes[1][0][None, :, None, None] + axes[1][1]  # (1, kw, 1, W')
    regular = torch.stack([t.expand(*kernel, *out_shape) for t in (rows, columns)], dim=2)  # (kh, kw, 2, H', W')
    places = regular.reshape(taps, 2, *out_shape) + offset.view(batch * groups, taps, 2, *out_shape)
    normalised = [(2 * places[:, :, axis] + 1) / size - 1 for axis, size in ((1, width), (0, height))]
    grid = torch.stack(normalised, dim=-1).flatten(1, 2)  # (N * G, K * H', W', 2)
    features = x.reshape(batch * groups, channels // groups, height, width)
    samples = grid_sample(features, grid, align_corners=False).unflatten(2, (taps, out_shape[0]))
    samples = samples * mask.view(batch * groups, 1, taps, *out_shape)
    # No 1x1 convolution: cuDNN would compute it in TF32 by default.
    out = weight.flatten(1) @ samples.reshape(batch, channels * taps, -1)
    return out.view(batch, -1, *out_shape)


@_in_float32
def _torchvision(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair
) -> Tensor:
    return torchvision.ops.deform_conv2d(x, offset, weight, None, stride, padding, dilation, mask)


@_in_float32
def _mmcv(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair
) -> Tensor:
    from mmcv.ops import modulated_deform_conv2d

    groups = mask.shape[1] // (weight.shape[2] * weight.shape[3])
    return modulated_deform_conv2d(x, offset, mask, weight, None, stride, padding, dilation, 1, groups)


def _triton(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair
) -> Tensor:
    from project.models.ops.triton_convolution import triton_deformable_convolution

    return triton_deformable_convolution(x, offset, mask, weight, stride, padding, dilation)


CONVOLUTION = Operator(
    'deformable_convolution',
    [
        Backend('triton', _triton, triton_obstacle),
        Backend('torchvision', _torchvision, runs_anywhere),
        Backend('mmcv', _mmcv, compiled_mmcv_obstacle),
        Backend('torch', _torch, runs_anywhere),
    ],
)
