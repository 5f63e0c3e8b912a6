"""Frames that a model predicts on the spot, from a config and a checkpoint."""

from argparse import ArgumentParser
from pathlib import Path

import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from project.engine.checkpoint import read_checkpoint
from project.engine.weights import load_strictly, weights_of
from project.visualization.dataroot import Dataroot
from project.visualization.frame import Frame
from project.visualization.samples import sample_frame


class ModelSource:
    """Frames of a config's test dataset with labels and the prediction of a model.

    Args:
        config: file.
        checkpoint: file with the weights of the config's model.
        dataroot: adds lidar points, boxes, and images as they were recorded.
        options: ``KEY=VALUE`` replacements in the config.

    Attributes:
        scenes: tokens of the frames of each scene.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or the checkpoint is not of this model.
    """

    def __init__(
        self, config: str | Path, checkpoint: str | Path, dataroot: Dataroot | None = None, options: list[str] = ()
    ):
        content = read_config(config, options)
        self.dataroot = dataroot
        self.dataset = DATASETS.build(content.test_dataloader.dataset)
        self.model = MODELS.build(content.model)
        load_strictly(self.model, weights_of(read_checkpoint(checkpoint)), str(checkpoint))
        self.model.to('cuda' if torch.cuda.is_available() else 'cpu').eval()
        self.scenes: dict[str, list[str]] = {}
        self._places: dict[tuple[str, int], int] = {}
        for place in range(len(self.dataset)):
            entry = self.dataset.get_data_info(place)
            tokens = self.scenes.setdefault(entry['scene_name'], [])
            self._places[entry['scene_name'], len(tokens)] = place
            tokens.append(entry['sample_token'])

    @torch.no_grad()
    def frame(self, scene: str, index: int) -> Frame:
        """Predict a frame."""
        packed = self.dataset[self._places[scene, index]]
        (sample,) = self.model.test_step(pseudo_collate([packed]))
        frame = sample_frame(packed['inputs']['imgs'], sample, index)
        return self.dataroot.complete(frame) if self.dataroot else frame


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
