"""Frames predicted on demand by a model, from a config and a checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from mmdet3d.registry import DATASETS
from mmengine.dataset import pseudo_collate

from project.engine.classes import check_classes
from project.engine.config_files import read_config
from project.formats import infos
from project.inference.loading import load_model
from project.label_set import LabelSet
from project.visualization.frame import Frame
from project.visualization.sources.recording import Keyframes
from project.visualization.sources.samples import sample_frame


class ModelSource:
    """Frames of a config's test dataset with labels and the prediction of a model.

    Args:
        config: file.
        checkpoint: file with the weights of the config's model.
        dataroot: nuScenes folder; adds lidar points, boxes, and images as they were recorded.
        options: ``KEY=VALUE`` replacements in the config.

    Attributes:
        scenes: tokens of the frames of each scene.
        labels: names and colours of the labels.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or the checkpoint is not of this model or of other classes.
    """

    def __init__(
        self,
        config: str | Path,
        checkpoint: str | Path,
        dataroot: str | Path | None = None,
        options: Sequence[str] = (),
    ):
        content = read_config(config, options)
        self.dataset = DATASETS.build(content.test_dataloader.dataset)
        self.labels = LabelSet.stated_in(self.dataset.metainfo)
        index = infos.read(self.dataset.ann_file)
        entries = index['data_list'] if dataroot else ()
        self.keyframes = Keyframes(entries, index['metainfo'], Path(dataroot) if dataroot else None)
        self.model = cast(Any, load_model(content, checkpoint))
        check_classes(self.model.dataset_meta, str(checkpoint), self.dataset.metainfo, self.dataset.ann_file)
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
        frame = sample_frame(packed['inputs']['imgs'], sample, index, self.labels)
        return self.keyframes.complete(frame)
