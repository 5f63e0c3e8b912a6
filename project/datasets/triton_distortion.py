"""Photometric distortion of all images in one Triton kernel: the plain one is some forty kernels for each image."""

from collections.abc import Sequence

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from project.datasets.distortion import Distortion, divisors

# ruff: noqa: N803  constants of a compiled kernel are in capitals

BLOCK = 1024
"""Pixels a program."""


def distort(images: Tensor, distortions: Sequence[Distortion]) -> Tensor:
    """(N, 3, H, W) uint8 BGR images, each distorted as :mod:`project.datasets.distortion` does it in PyTorch.

    Args:
        images: of any layout; that is kept where rows follow each other without gaps, and rows first otherwise.
        distortions: N of them.
    """
    if images.stride(-2) != images.shape[-1] * images.stride(-1):
        images = images.contiguous()
    result = torch.empty_like(images)
    if result.stride() != images.stride():
        images = images.contiguous()
        result = torch.empty_like(images)
    # In one copy, since the host waits for each.
    settings = torch.from_numpy(np.stack([_setting(each) for each in distortions])).to(images.device)
    pixels = images.shape[-2] * images.shape[-1]
    strides = images.stride(0), images.stride(1), images.stride(3)
    per_value, per_spread = divisors(str(images.device))
    # Products and sums are rounded one by one, as PyTorch does it.
    _distort[-(-pixels // BLOCK), len(images)](
        images, result, settings, per_value, per_spread, pixels, *strides, BLOCK, enable_fp_fusion=False
    )
    return result


def _setting(distortion: Distortion) -> np.ndarray:
    """(1028,) uint8: four tables of 256, whether colours change, and the order of the channels."""
    rest = np.array([distortion.changes_colours, *distortion.order], np.uint8)
    return np.concatenate([*distortion.tables, rest])


@triton.jit
def _distort(images, result, settings, per_value, per_spread, pixels, image_stride, channel_stride, pixel_stride,
             BLOCK: tl.constexpr):  # fmt: skip
    setting = settings + tl.program_id(1) * 1028
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    wanted = pixel < pixels
    place = tl.program_id(1).to(tl.int64) * image_stride + pixel * pixel_stride
    blue = tl.load(setting + tl.load(images + place, wanted, other=0).to(tl.int32)).to(tl.int32)
    green = tl.load(setting + tl.load(images + place + channel_stride, wanted, other=0).to(tl.int32)).to(tl.int32)
    red = tl.load(setting + tl.load(images + place + 2 * channel_stride, wanted, other=0).to(tl.int32)).to(tl.int32)
    if tl.load(setting + 1024) != 0:
        value = tl.maximum(tl.maximum(blue, green), red)
        spread = value - tl.minimum(tl.minimum(blue, green), red)
        saturation = (spread * tl.load(per_value + value) + 2048) >> 12
        hue = tl.where(value == green, blue - red + 2 * spread, red - green + 4 * spread)
        hue = tl.where(value == red, green - blue, hue)
        hue = (hue * tl.load(per_spread + spread) + 2048) >> 12
        hue = tl.where(hue < 0, hue + 180, hue)
        sixths = tl.load(setting + 256 + hue).to(tl.float32) * (6 / 180)
        share = tl.load(setting + 512 + saturation).to(tl.float32) * (1 / 255)
        bright = value.to(tl.float32) * (1 / 255)
        part = sixths - tl.floor(sixths)
        sector = tl.floor(sixths).to(tl.int32)
        lowest = bright * (1 - share)
        falling = bright * (1 - share * part)
        rising = bright * (1 - share * (1 - part))
        # From red over yellow, green, cyan and blue to magenta.
        middle = tl.where(sector == 2, rising, tl.where(sector == 5, falling, bright))
        blue = (tl.where(sector < 2, lowest, middle) * 255).to(tl.int32)
        middle = tl.where(sector == 0, rising, tl.where(sector == 3, falling, bright))
        green = (tl.where(sector > 3, lowest, middle) * 255).to(tl.int32)
        middle = tl.where(sector == 4, rising, tl.where(sector == 1, falling, bright))
        red = (tl.where((sector == 2) | (sector == 3), lowest, middle) * 255).to(tl.int32)
    blue = tl.load(setting + 768 + blue)
    green = tl.load(setting + 768 + green)
    red = tl.load(setting + 768 + red)
    for channel in tl.static_range(3):
        source = tl.load(setting + 1025 + channel)
        chosen = tl.where(source == 0, blue, tl.where(source == 1, green, red))
        tl.store(result + place + channel * channel_stride, chosen, wanted)
