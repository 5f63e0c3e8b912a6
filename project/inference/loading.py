"""Configs and the models that they describe, with the weights of a checkpoint."""

from argparse import ArgumentParser
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from torch import nn

from project.engine.checkpoint import read_checkpoint
from project.engine.weights import load_strictly, weights_of


def read_config(path: str | Path, options: list[str] = ()) -> Config:
    """A config with ``KEY=VALUE`` options put in; registers this project's parts.

    Raises:
        ValueError: the file is not the config of an experiment.
    """
    try:
        config = Config.fromfile(path)
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{path}: not a config ({error})') from error
    missing = [key for key in ('model', 'train_dataloader', 'test_dataloader') if key not in config]
    if missing:
        raise ValueError(f'{path}: not the config of an experiment; it has no {", ".join(missing)}')
    parser = ArgumentParser()
    parser.add_argument('--options', nargs='*', action=DictAction, default={})
    config.merge_from_dict(parser.parse_args(['--options', *options]).options)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    return config


def load_model(config: Config, checkpoint: str | Path, device: str | torch.device | None = None) -> nn.Module:
    """The model of a config with the weights of a checkpoint, in evaluation.

    Args:
        config: of an experiment.
        checkpoint: file with the weights of this very model.
        device: by default a GPU where there is one.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it is no checkpoint of this model.
    """
    model = MODELS.build(config.model)
    load_strictly(model, weights_of(read_checkpoint(checkpoint)), str(checkpoint))
    return model.to(device or ('cuda' if torch.cuda.is_available() else 'cpu')).eval()
