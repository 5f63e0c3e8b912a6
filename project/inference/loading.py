"""Loads the model of a config with the weights of a checkpoint."""

from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from torch import nn

from project.engine.checkpoint import read_checkpoint
from project.engine.weights import load_strictly, weights_of


def load_model(config: Config, checkpoint: str | Path, device: str | torch.device | None = None) -> nn.Module:
    """The model of a config with the weights of a checkpoint, in evaluation.

    Its ``dataset_meta`` describes the data that it was trained on: ``label_names``, ``palette`` (see
    :mod:`project.label_set`) and ``cameras``; it is empty for checkpoints of other programs.

    Args:
        config: of an experiment.
        checkpoint: file with the weights of this very model.
        device: by default a GPU where there is one.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it is no checkpoint of this model, or the device cannot be
            used.
    """
    device = _usable(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    model = MODELS.build(config.model)
    content = read_checkpoint(checkpoint)
    load_strictly(model, weights_of(content), str(checkpoint))
    model.dataset_meta = content.get('meta', {}).get('dataset_meta', {})
    return model.to(device).eval()


def _usable(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        seen = torch.cuda.device_count()
        raise ValueError(f'device {device}: torch cannot use it; it sees {seen} GPUs here, and takes cpu') from error
