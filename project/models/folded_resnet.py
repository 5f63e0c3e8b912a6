"""A ResNet for predictions on a GPU: in bfloat16, with batch norms folded into the convolutions before them.

So a convolution, its norm, the residual and ReLU are one cuDNN kernel, and weights are converted once instead of in
each pass. Training cannot use this, since it changes the weights.
"""

from collections.abc import Callable
from typing import Any

import torch
from mmdet.models.backbones.resnet import Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, pixel_unshuffle
from torch.nn.modules.batchnorm import _BatchNorm

from project.models.ops import ModulatedDeformableConv2d, deformable_convolution
from project.models.ops.frozen_norm import normalise
from project.models.ops.max_pool import max_pool

BLOCK = 16
"""Channels of the image's 2x2 blocks: 12, padded with zeros to a size that suits matrix units."""


def can_be_folded(resnet: ResNet) -> bool:
    """Whether all parts of a ResNet are known here."""
    blocks = [block for name in resnet.res_layers for block in getattr(resnet, name)]
    if not all(isinstance(block, Bottleneck) for block in blocks):
        return False
    norms = [norm for block in blocks for norm in (block.norm1, block.norm2, block.norm3)]
    first = resnet.conv1 if not resnet.deep_stem else None
    return (
        first is not None
        and works_on_blocks(first)
        and all(isinstance(norm, _BatchNorm) and norm.affine for norm in [resnet.norm1, *norms])
        and not any(block.with_plugins or block.conv1.bias is not None for block in blocks)
        and all(block.downsample is None or len(block.downsample) == 2 for block in blocks)
    )


def works_on_blocks(first: nn.Conv2d) -> bool:
    """Whether the first convolution of a ResNet is the usual one, which blocks of 2x2 pixels can be given to."""
    geometry = first.kernel_size, first.stride, first.padding, first.dilation, first.groups, first.padding_mode
    usual = type(first) is nn.Conv2d and geometry == ((7, 7), (2, 2), (3, 3), (1, 1), 1, 'zeros')
    return usual and 4 * first.in_channels <= BLOCK


class FoldedResNet:
    """Computes what a ResNet does in evaluation, with its own copy of the weights, which ``refresh`` updates.

    Args:
        resnet: mmdet's, of bottlenecks; see ``can_be_folded``.
        dtype: of weights and features.
    """

    def __init__(self, resnet: ResNet, dtype: torch.dtype = torch.bfloat16):
        self.dtype = dtype
        self.out_indices = resnet.out_indices
        self.stem = _Convolution(resnet.conv1, resnet.norm1, dtype, in_blocks)
        self.stages = [[_Block(block, dtype) for block in getattr(resnet, name)] for name in resnet.res_layers]
        self._parts = [self.stem, *(part for stage in self.stages for block in stage for part in block.parts)]
        self._sources = [*resnet.parameters(), *resnet.buffers()]
        self._versions: list[int] | None = None

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the ResNet's weights if they changed since the last copy."""
        versions = [tensor._version for tensor in self._sources]
        if versions != self._versions:
            for part in self._parts:
                part.refresh()
            self._versions = versions

    def outdate(self) -> None:
        """Make the next ``refresh`` copy the weights in any case: they may have changed unnoticed."""
        self._versions = None

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of (N, 3, H, W) images, as of the ResNet."""
        x = max_pool(self.stem(blocks_of(images, self.dtype)))
        maps = []
        for index, stage in enumerate(self.stages):
            for block in stage:
                x = block(x)
            if index in self.out_indices:
                maps.append(x)
        return tuple(maps)


class _Block:
    """A bottleneck."""

    def __init__(self, block: Bottleneck, dtype: torch.dtype):
        second: Any = _Deformable if isinstance(block.conv2, ModulatedDeformableConv2d) else _Convolution
        self.parts: list[Any] = [
            _Convolution(block.conv1, block.norm1, dtype),
            second(block.conv2, block.norm2, dtype),
            _Convolution(block.conv3, block.norm3, dtype),
        ]
        self.downsample = None
        if block.downsample is not None:
            convolution, norm = block.downsample
            self.downsample = _Convolution(convolution, norm, dtype)
            # The third convolution adds the shift of the shortcut as well, which saves a pass.
            self.parts[2].shifts_of = self.downsample
            with torch.no_grad():
                self.parts[2].refresh()
            self.parts.append(self.downsample)

    def __call__(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample.product(x)
        return self.parts[2](self.parts[1](self.parts[0](x)), residual)


class _Convolution:
    """A convolution with its norm."""

    def __init__(self, conv: nn.Conv2d, norm: Any, dtype: torch.dtype, rearrange: Callable | None = None):
        self._conv, self._norm, self._rearrange = conv, norm, rearrange
        self.shifts_of: _Convolution | None = None
        stride, padding = (conv.stride, conv.padding) if rearrange is None else ((1, 1), (0, 0))
        self.geometry: Any = stride, padding, conv.dilation, conv.groups
        weight, bias = self._folded()
        self.weight = weight.detach().to(dtype, memory_format=torch.channels_last)
        self.bias = bias.detach().to(dtype)

    def refresh(self) -> None:
        for ours, theirs in zip((self.weight, self.bias), self._folded(), strict=True):
            ours.copy_(theirs)

    def _folded(self) -> tuple[Tensor, Tensor]:
        norm = self._norm
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = self._conv.weight * scale[:, None, None, None]
        shift = norm.bias - norm.running_mean * scale
        if self.shifts_of is not None:
            shift = shift + self.shifts_of._folded()[1]
        return weight if self._rearrange is None else self._rearrange(weight), shift

    def product(self, x: Tensor) -> Tensor:
        """The convolution without the shift."""
        return conv2d(x, self.weight, None, *self.geometry)

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if not x.is_cuda:
            out = conv2d(x, self.weight, self.bias, *self.geometry)
            return (out if residual is None else out + residual).relu()
        if residual is None:
            return torch.cudnn_convolution_relu(x, self.weight, self.bias, *self.geometry)
        return torch.cudnn_convolution_add_relu(x, self.weight, residual, 1.0, self.bias, *self.geometry)


class _Deformable:
    """A deformable convolution and its norm, unchanged."""

    def __init__(self, conv: ModulatedDeformableConv2d, norm: _BatchNorm, dtype: torch.dtype):
        self._conv, self._norm = conv, norm
        self._outputs = conv.conv_offset.out_channels
        self.tensors = [
            tensor.detach().to(dtype, memory_format=layout)
            for tensor, layout in zip(self._sources(), _LAYOUTS, strict=True)
        ]

    def refresh(self) -> None:
        for ours, theirs in zip(self.tensors, self._sources(), strict=True):
            ours.copy_(theirs)

    def _sources(self) -> tuple[Tensor, Tensor, Tensor]:
        # If the number of outputs is a multiple of 8, cuDNN does not copy the result.
        offset = self._conv.conv_offset
        missing = -offset.out_channels % 8
        bias = torch.zeros_like(offset.weight[:, 0, 0, 0]) if offset.bias is None else offset.bias
        return self._conv.weight, pad(offset.weight, (0,) * 7 + (missing,)), pad(bias, (0, missing))

    def __call__(self, x: Tensor) -> Tensor:
        weight, offset_weight, offset_bias = self.tensors
        geometry = self._conv.stride, self._conv.padding, self._conv.dilation
        maps = conv2d(x, offset_weight, offset_bias, *geometry)
        offset, mask, _ = maps.tensor_split([self._outputs // 3 * 2, self._outputs], dim=1)
        return normalise(deformable_convolution(x, offset, mask.sigmoid(), weight, *geometry), self._norm)


_LAYOUTS = (torch.channels_last, torch.channels_last, torch.preserve_format)


def in_blocks(weight: Tensor) -> Tensor:
    """(O, BLOCK, 4, 4) weights, for blocks of 2x2 pixels and steps of one, of (O, 3, 7, 7) ones for steps of two."""
    weight = pixel_unshuffle(pad(weight, (1, 0, 1, 0)), 2)
    return pad(weight, (0, 0, 0, 0, 0, BLOCK - weight.shape[1]))


def blocks_of(images: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, BLOCK, H / 2 + 3, W / 2 + 3) blocks of 2x2 pixels, channels last, with the convolution's padding around."""
    images = pad(images, (0, images.shape[3] % 2, 0, images.shape[2] % 2))
    count, channels, height, width = images.shape
    height, width = height // 2, width // 2
    blocks = images.new_zeros(count, height + 3, width + 3, BLOCK, dtype=dtype).permute(0, 3, 1, 2)
    inner = blocks[:, : 4 * channels, 2:-1, 2:-1].unflatten(1, (channels, 2, 2))
    inner.copy_(images.view(count, channels, height, 2, width, 2).permute(0, 1, 3, 5, 2, 4))
    return blocks
