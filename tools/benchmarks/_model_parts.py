"""The parts of a model whose times are measured."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn


def model_parts(model: nn.Module, images: Tensor, cameras: Tensor) -> dict[str, Callable[[], object]]:
    """The parts of a model in the order in which they run, each as a function without arguments.

    Args:
        model: of either family.
        images: (B, N, 3, H, W).
        cameras: (B, N, 4, 4) homogeneous pixels from the grid's frame.
    """
    x = images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    maps = model.img_backbone(x)
    parts: dict[str, Callable[[], object]] = {
        'backbone': partial(model.img_backbone, x),
        'neck': partial(model.img_neck, maps),
    }
    more = _parts_of_lift if hasattr(model, 'depth_net') else _parts_of_queries
    return {**parts, **more(model, model.img_neck(maps), images, cameras)}


def _parts_of_queries(
    model: nn.Module, levels: list[Tensor], images: Tensor, cameras: Tensor
) -> dict[str, Callable[[], object]]:
    """Parts of Occupancy-BEVFormer, without a past."""
    features = [level.unflatten(0, images.shape[:2]) for level in levels]
    shape = images.shape[-2:]
    capacity = int(model.encoder.most_seen(cameras, shape))
    bev = model.encoder(features, cameras, shape)
    return {
        'encoder': partial(model.encoder, features, cameras, shape, None, capacity),
        'head': partial(model.head, bev),
    }


def _parts_of_lift(
    model: nn.Module, features: Tensor, images: Tensor, cameras: Tensor
) -> dict[str, Callable[[], object]]:
    """Parts of OccupancyLift; the history gets the present volume as the past."""
    features = features.unflatten(0, images.shape[:2])
    lifted = model.depth_net(features, cameras, images.shape[-2:])
    volume = model.fill_volume(lifted, images, cameras)
    parts: dict[str, Callable[[], object]] = {
        'depth net': partial(model.depth_net, features, cameras, images.shape[-2:]),
        'view': partial(model.fill_volume, lifted, images, cameras),
    }
    if model.history is not None:
        frames = model.history.frames
        still = torch.eye(4, device=volume.device).expand(len(volume), frames, 4, 4)
        exists = torch.ones(len(volume), frames, dtype=torch.bool, device=volume.device)
        past = [volume] * frames, still, exists
        parts['history'] = partial(model.history, volume, *past)
        volume = model.history(volume, *past)
    slices = model.volume(volume)
    return {**parts, 'volume': partial(model.volume, volume), 'head': partial(model.head, slices)}
