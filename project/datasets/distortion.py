"""Photometric distortion of images: drawn once, applied by OpenCV or on the device. OpenCV's result is the definition.

It is the distortion of SSD (Liu et al., 2016), rounded to whole values after each conversion of colours.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import cv2
import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Distortion:
    """What is done to an image.

    Attributes:
        brightness: added, grey values.
        contrast: factor of all values.
        contrast_first: the contrast is changed before the colours, at once with the brightness, and not after them.
        saturation: factor of the saturation.
        hue_deg: added to the hue.
        order: which channel each channel is taken from.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    contrast_first: bool = True
    saturation: float = 1.0
    hue_deg: float = 0.0
    order: tuple[int, int, int] = (0, 1, 2)

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Four times (256,) uint8, what each value becomes: all channels first; hue; saturation; all channels last."""
        steps = np.arange(256)
        first = self.contrast if self.contrast_first else 1.0
        last = 1.0 if self.contrast_first else self.contrast
        # OpenCV has hues of 0-179 in steps of two degrees in 8 bits.
        hue = (steps + round(self.hue_deg / 2)) % 180
        brightened = _table(first * (steps + self.brightness))
        return brightened, _table(hue), _table(steps * self.saturation), _table(last * steps)

    @property
    def changes_first(self) -> bool:
        """Whether the first table changes anything."""
        return self.brightness != 0 or (self.contrast_first and self.contrast != 1)

    @property
    def changes_colours(self) -> bool:
        """Whether hue or saturation change. If not, there is no conversion of colours, which would round."""
        return self.saturation != 1 or self.hue_deg != 0

    @property
    def changes_last(self) -> bool:
        """Whether the last table changes anything."""
        return not self.contrast_first and self.contrast != 1


def draw_distortion(rng: np.random.Generator) -> Distortion:
    """Random brightness, contrast, saturation, hue and order of channels, each every other time."""
    brightness = rng.uniform(-32, 32) if rng.random() < 0.5 else 0.0
    contrast = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else 1.0
    saturation = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else 1.0
    hue = rng.uniform(-18, 18) if rng.random() < 0.5 else 0.0
    contrast_first = rng.random() < 0.5
    first, second, third = rng.permutation(3).tolist() if rng.random() < 0.5 else range(3)
    return Distortion(brightness, contrast, contrast_first, saturation, hue, (first, second, third))


def distorted(image: np.ndarray, distortion: Distortion) -> np.ndarray:
    """An (H, W, 3) uint8 BGR image, distorted."""
    first, hue, saturation, last = distortion.tables
    if distortion.changes_first:
        image = cv2.LUT(image, first)
    if distortion.changes_colours:
        tables = np.stack((hue, saturation, np.arange(256, dtype=np.uint8)), axis=-1)[None]
        image = cv2.cvtColor(cv2.LUT(cv2.cvtColor(image, cv2.COLOR_BGR2HSV), tables), cv2.COLOR_HSV2BGR)
    if distortion.changes_last:
        image = cv2.LUT(image, last)
    return image if distortion.order == (0, 1, 2) else _reordered(image, distortion.order)


def distorted_batch(images: Tensor, distortions: Sequence[Distortion]) -> Tensor:
    """Images (..., 3, H, W) uint8 BGR, each distorted, on the device that they are on; as many distortions.

    On a GPU one value in thousands differs by one or two from that of :func:`distorted`: fractions that are nearly
    whole, and the last few pixels of a row, which OpenCV rounds in another way than the others. There it is one Triton
    kernel; without Triton, or with ``OCCUPANCY_DISTORTION=torch``, it is plain PyTorch, to the same values.
    """
    flat = images.flatten(0, -4) if images.dim() > 4 else images
    if images.is_cuda and find_spec('triton') and os.environ.get('OCCUPANCY_DISTORTION') != 'torch':
        from project.datasets.triton_distortion import distort

        return distort(flat, distortions).view(images.shape)
    apply = _distorted_tensor if images.is_cuda else _distorted_here
    result = torch.stack([apply(image, each) for image, each in zip(flat, distortions, strict=True)])
    return result.view(images.shape)


def _distorted_here(image: Tensor, distortion: Distortion) -> Tensor:
    rows = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return torch.from_numpy(distorted(rows, distortion)).permute(2, 0, 1)


def _distorted_tensor(image: Tensor, distortion: Distortion) -> Tensor:
    """The same as :func:`distorted` in PyTorch; (3, H, W) uint8 BGR."""
    # In one copy, since the host waits for each.
    first, hue, saturation, last = torch.from_numpy(np.stack(distortion.tables)).to(image.device)
    if distortion.changes_first:
        image = first[image.int()]
    if distortion.changes_colours:
        hues, saturations, values = _hsv_of(image)
        image = _bgr_of(hue[hues], saturation[saturations], values)
    if distortion.changes_last:
        image = last[image.int()]
    return image[list(distortion.order)]


def _hsv_of(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue 0-179, saturation and value 0-255, int32, in the whole numbers that OpenCV calculates with."""
    blue, green, red = image.int()
    value = image.amax(0).int()
    spread = value - image.amin(0).int()
    per_value, per_spread = divisors(str(image.device))
    saturation = (spread * per_value[value] + 2048) >> 12
    hue = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, blue - red + 2 * spread, red - green + 4 * spread),
    )
    hue = (hue * per_spread[spread] + 2048) >> 12
    return torch.where(hue < 0, hue + 180, hue), saturation, value


@cache
def divisors(device: str) -> tuple[Tensor, Tensor]:
    """Of saturation and hue, (256,) int32 each: 255 and 30, divided by each number, in parts of 4096."""
    numbers = np.maximum(np.arange(256), 1)
    tables = (np.rint(numerator * 4096 / numbers) * (np.arange(256) > 0) for numerator in (255, 30))
    per_value, per_spread = (torch.from_numpy(table.astype(np.int32)).to(device) for table in tables)
    return per_value, per_spread


def _bgr_of(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """(3, H, W) uint8 BGR of (H, W) uint8 hue and saturation, and value."""
    sixths = hue.float() * (6 / 180)
    sector = sixths.floor()
    part = sixths - sector
    sector, share, bright = sector.int() % 6, saturation.float() * (1 / 255), value.float() * (1 / 255)
    lowest = bright * (1 - share)
    falling = bright * (1 - share * part)
    rising = bright * (1 - share * (1 - part))
    tones = torch.stack((bright, lowest, falling, rising))
    chosen = _chosen_tones(str(hue.device))[:, sector.long()]
    # OpenCV cuts fractions off where it works on many pixels at once, and rounds the last few of a row.
    return (tones.gather(0, chosen) * 255).to(torch.uint8)


@cache
def _chosen_tones(device: str) -> Tensor:
    """(3, 6) int64: which tone blue, green and red have, from red over yellow, green, cyan and blue to magenta."""
    return torch.tensor(((1, 1, 3, 0, 0, 2), (3, 0, 0, 2, 1, 1), (0, 2, 1, 1, 3, 0)), device=device)


def _reordered(image: np.ndarray, order: Sequence[int]) -> np.ndarray:
    # NumPy's image[..., order] is as fast, but leaves the channels apart in memory, which slows down all that follows.
    result = np.empty_like(image)
    cv2.mixChannels([image], [result], np.stack([order, np.arange(3)], axis=1).ravel().tolist())
    return result


def _table(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
