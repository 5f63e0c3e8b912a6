"""Accepts parts of models as modules or as configs."""

from typing import Any

from mmdet3d.registry import MODELS
from torch import nn


def build(part: nn.Module | dict, **defaults: Any) -> nn.Module:
    """Return a module as it is; build a config with mmdet3d's registry, with defaults for missing entries."""
    return part if isinstance(part, nn.Module) else MODELS.build(part, default_args=defaults)
