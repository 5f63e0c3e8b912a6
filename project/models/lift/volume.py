"""Networks on the volume: light 3D convolutions, or 2D ones on the view from above with the heights as channels.

A volume of Z slices is passed on as (B Z, C, X, Y), channels last. So a convolution within slices is a 2D convolution.
A convolution across slices is one, too, on the same memory as an image of Z rows and X Y columns. cuDNN's fastest
kernels do both, and any runtime supports them.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import interpolate

from project.grid import VoxelGrid
from project.models.constants import constant
from project.models.lift.layers import ConvNorm, ResidualBlock
from project.models.ops.frozen_norm import normalise


class VoxelEntry(nn.Module):
    """Reduces the features of voxels to a number of channels, and adds the distance and height of each voxel.

    Labels depend on distance and height, since lidar reaches some places more often than others. Neither changes when
    the grid is turned.

    Args:
        grid: voxels (X, Y, Z).
        in_channels, out_channels: before and after.
    """

    def __init__(self, grid: VoxelGrid, in_channels: int, out_channels: int):
        super().__init__()
        self.grid = grid
        self.reduce = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.height = nn.Parameter(torch.zeros(grid.shape[2], out_channels))
        self.range = nn.Parameter(torch.zeros(2, out_channels))
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, volume: Tensor) -> Tensor:
        """(B Z, C, X, Y) of (B, Z, X, Y, C')."""
        batch, slices = volume.shape[:2]
        x = self.reduce(volume.flatten(0, 1).permute(0, 3, 1, 2))
        distance = self._distance(x.device)
        known = self.height[:, :, None, None] + self.range[0, :, None, None] * distance
        known = known + self.range[1, :, None, None] * distance.square()
        x = (x.unflatten(0, (batch, slices)) + known.to(x.dtype)).flatten(0, 1)
        return normalise(x, self.norm)

    def _distance(self, device: torch.device) -> Tensor:
        """(X, Y) distance from the middle of the grid, in half its length."""
        sides = zip(self.grid.shape[:2], self.grid.voxel_size[:2], strict=True)
        axes = [tuple((index + 0.5 - count / 2) * size for index in range(count)) for count, size in sides]
        longest = max(max(axis) for axis in axes)
        x, y = (constant(axis, device) / longest for axis in axes)
        return (x[:, None].square() + y[None].square()).sqrt()


class VolumeBlock(nn.Module):
    """A convolution within slices, one across them, and a shortcut; arguments as of ``ResidualBlock``.

    Args:
        channels, out_channels: before and after.
        stride: along x and y.
        z_stride: along z.
    """

    def __init__(self, channels: int, out_channels: int | None = None, stride: int = 1, z_stride: int = 1):
        super().__init__()
        out_channels = out_channels or channels
        self.within = ConvNorm(channels, out_channels, 3, stride)
        self.across = nn.Conv2d(out_channels, out_channels, (3, 1), (z_stride, 1), (1, 0), bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.stride, self.z_stride = stride, z_stride
        same = stride == z_stride == 1 and channels == out_channels
        self.shortcut = nn.Identity() if same else ConvNorm(channels, out_channels, 1, stride, activate=False)

    def forward(self, x: Tensor, slices: int) -> Tensor:
        """(B Z', C', X', Y') of (B Z, C, X, Y) with Z slices; Z' is Z over the stride, rounded up."""
        y = self.within(x)
        y = _convolve_across(y, self.across, slices)
        shortcut = self.shortcut(x)
        if self.z_stride > 1:
            shortcut = shortcut.unflatten(0, (-1, slices))[:, :: self.z_stride].flatten(0, 1)
        return normalise(y, self.norm, shortcut)


def _convolve_across(x: Tensor, convolution: nn.Conv2d, slices: int) -> Tensor:
    """A convolution across the slices of (B Z, C, X, Y), on the same memory as (B, C, Z, X Y)."""
    shape = x.shape[2:]
    rows = x.permute(0, 2, 3, 1).reshape(-1, slices, shape[0] * shape[1], x.shape[1])
    rows = convolution(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # (B, Z', X Y, C')
    return rows.reshape(-1, *shape, rows.shape[-1]).permute(0, 3, 1, 2)


class ViewFromAbove(nn.Module):
    """A shortcut and 2D residual blocks at two scales, whose channels hold all heights.

    Args:
        channels: of all heights together, before and after.
        width, coarse_width: channels at this scale and at half of it.
    """

    def __init__(self, channels: int, width: int, coarse_width: int):
        super().__init__()
        self.enter = nn.Sequential(ConvNorm(channels, width, 1), ResidualBlock(width))
        self.coarse = nn.Sequential(
            ResidualBlock(width, coarse_width, 2),
            ResidualBlock(coarse_width),
            ResidualBlock(coarse_width),
            ConvNorm(coarse_width, width, 1),
        )
        self.leave = nn.Sequential(ResidualBlock(width), nn.Conv2d(width, channels, 1))
        nn.init.zeros_(self.leave[1].weight)
        nn.init.zeros_(self.leave[1].bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, X, Y) of the same."""
        fine = self.enter(x)
        coarse = self.coarse(fine)
        with torch.autocast(x.device.type, enabled=False):
            fine = fine + interpolate(coarse, fine.shape[2:], mode='bilinear')
        return x + self.leave(fine)


@MODELS.register_module()
class OccupancyVolumeNet(nn.Module):
    """A U-Net on the volume, with convolutions within slices and across them.

    Args:
        grid: voxels; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        in_channels: of the volume that comes in.
        channels: of the levels, finest first; each level but the first halves x and y.
        blocks: of each level on the way down.
        halve_z: levels that halve z as well.
        above: channels of the coarsest level seen from above, and of that halved once more; None for no such view.
    """

    def __init__(
        self,
        grid: VoxelGrid | dict,
        in_channels: int,
        channels: Sequence[int] = (64, 96, 128),
        blocks: Sequence[int] = (2, 2, 2),
        halve_z: Sequence[int] = (1, 2),
        above: Sequence[int] | None = None,
    ):
        super().__init__()
        grid = VoxelGrid.of(grid)
        self.slices, self.out_channels = grid.shape[2], channels[0]
        self.entry = VoxelEntry(grid, in_channels, channels[0])
        self.down = nn.ModuleList()
        before, slices = channels[0], self.slices
        for level, (count, width) in enumerate(zip(blocks, channels, strict=True)):
            first = VolumeBlock(before, width, 2 if level else 1, 2 if level in halve_z else 1)
            self.down.append(nn.ModuleList([first, *(VolumeBlock(width) for _ in range(count - 1))]))
            before, slices = width, -(-slices // first.z_stride)
        self.above = None if above is None else ViewFromAbove(channels[-1] * slices, *above)
        pairs = list(pairwise(channels))
        self.lateral = nn.ModuleList(ConvNorm(coarse, fine, 1) for fine, coarse in pairs)
        self.up = nn.ModuleList(VolumeBlock(fine) for fine, _ in pairs)

    def forward(self, volume: Tensor) -> Tensor:
        """(B Z, channels[0], X, Y) of (B, Z, X, Y, in_channels)."""
        x, slices = self.entry(volume), self.slices
        levels = []
        for stage in self.down:
            for block in stage:
                x = block(x, slices)
                slices = -(-slices // block.z_stride)
            levels.append((x, slices))
        x, slices = levels.pop()
        if self.above is not None:
            x = self.above(x.unflatten(0, (-1, slices)).flatten(1, 2)).unflatten(1, (slices, -1)).flatten(0, 1)
        for (finer, count), lateral, block in zip(levels[::-1], self.lateral[::-1], self.up[::-1], strict=True):
            x = block(finer + _resized(lateral(x), slices, finer, count), count)
            slices = count
        return x


def _resized(x: Tensor, slices: int, like: Tensor, count: int) -> Tensor:
    """(B Z, C, X, Y) as large as another volume of `count` slices: linear within slices, the nearest across them."""
    with torch.autocast(x.device.type, enabled=False):
        x = interpolate(x, like.shape[2:], mode='bilinear')
    if slices != count:
        x = x.unflatten(0, (-1, slices)).repeat_interleave(-(-count // slices), dim=1)[:, :count].flatten(0, 1)
    return x


@MODELS.register_module()
class OccupancyHeightNet(nn.Module):
    """A U-Net on the view from above, with the heights as channels: the fast one.

    Args:
        grid: voxels; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        in_channels: of the volume that comes in.
        slice_channels: of a voxel when it enters the view from above.
        channels: of the levels of the view from above, finest first; each but the first halves x and y.
        blocks: residual blocks of each level.
        out_channels: of a voxel of the result.
    """

    def __init__(
        self,
        grid: VoxelGrid | dict,
        in_channels: int,
        slice_channels: int = 24,
        channels: Sequence[int] = (128, 256, 384),
        blocks: Sequence[int] = (2, 2, 2),
        out_channels: int = 32,
    ):
        super().__init__()
        grid = VoxelGrid.of(grid)
        self.slices, self.out_channels = grid.shape[2], out_channels
        self.entry = VoxelEntry(grid, in_channels, slice_channels)
        self.flatten = ConvNorm(slice_channels * self.slices, channels[0], 1)
        self.down = nn.ModuleList()
        before = channels[0]
        for level, (count, width) in enumerate(zip(blocks, channels, strict=True)):
            first = ResidualBlock(before, width, 2 if level else 1)
            self.down.append(nn.Sequential(first, *(ResidualBlock(width) for _ in range(count - 1))))
            before = width
        pairs = list(pairwise(channels))
        self.lateral = nn.ModuleList(ConvNorm(coarse, fine, 1) for fine, coarse in pairs)
        self.up = nn.ModuleList(ResidualBlock(fine) for fine, _ in pairs)
        self.raise_ = ConvNorm(channels[0], out_channels * self.slices, 1)

    def forward(self, volume: Tensor) -> Tensor:
        """(B Z, out_channels, X, Y) of (B, Z, X, Y, in_channels)."""
        x = self.entry(volume)
        x = self.flatten(x.unflatten(0, (-1, self.slices)).flatten(1, 2))
        levels = []
        for stage in self.down:
            x = stage(x)
            levels.append(x)
        x = levels.pop()
        for finer, lateral, block in zip(levels[::-1], self.lateral[::-1], self.up[::-1], strict=True):
            x = lateral(x)
            with torch.autocast(x.device.type, enabled=False):
                x = finer + interpolate(x, finer.shape[2:], mode='bilinear')
            x = block(x)
        return self.raise_(x).unflatten(1, (self.slices, -1)).flatten(0, 1)
