"""Lets the modules of this package be given as modules or as configs."""

from typing import Any

from mmdet3d.registry import MODELS
from torch import nn

from project.grid import VoxelGrid


def build(part: nn.Module | dict, **defaults: Any) -> nn.Module:
    """A module as it is; a config built with mmdet3d's registry, with defaults for what the config leaves out."""
    return part if isinstance(part, nn.Module) else MODELS.build(part, default_args=defaults)


def as_grid(grid: VoxelGrid | dict) -> VoxelGrid:
    """A grid as it is, or from the arguments of ``VoxelGrid.from_range``."""
    return grid if isinstance(grid, VoxelGrid) else VoxelGrid.from_range(**grid)
