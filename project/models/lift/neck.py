"""The neck: from the maps of a backbone to one map."""

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import interpolate

from project.models.lift.layers import ConvNorm


@MODELS.register_module()
class OccupancyTopDownNeck(nn.Module):
    """The finest level of a feature pyramid: coarser maps are added to finer ones from the top down.

    Args:
        in_channels: of the backbone's maps, the finest first.
        out_channels: of the result.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int):
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(channels, out_channels, 1) for channels in in_channels)
        self.smooth = ConvNorm(out_channels, out_channels, 3)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """(M, out_channels, h, w), of the size of the first of the (M, C_i, h_i, w_i) maps."""
        levels = [lateral(each) for lateral, each in zip(self.laterals, maps, strict=True)]
        total = levels[-1]
        for level in levels[-2::-1]:
            # Under autocast, torch would upsample in float32.
            with torch.autocast(level.device.type, enabled=False):
                total = level + interpolate(total, level.shape[2:], mode='nearest')
        return self.smooth(total)
