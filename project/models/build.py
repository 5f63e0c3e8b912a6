"""Lets the modules of this package be given as modules or as configs."""

from typing import Any

from mmdet3d.registry import MODELS
from torch import nn


def build(part: nn.Module | dict, **defaults: Any) -> nn.Module:
    """A module as it is; a config built with mmdet3d's registry, with defaults for what the config leaves out."""
    return part if isinstance(part, nn.Module) else MODELS.build(part, default_args=defaults)
