"""Implements ``tools/browse_dataset.py``: draws samples as the network gets them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate

from project.engine.config_files import read_config
from project.label_set import LabelSet
from project.visualization.render.files import write_png
from project.visualization.render.picture import frame_picture
from project.visualization.sources.samples import sample_frame

DEFAULT_COUNT = 4


def browse(
    config: str | Path, split: str, places: Sequence[int] | None, folder: Path, options: Sequence[str] = ()
) -> Iterator[Path]:
    """Write a picture of each sample; yields the files.

    The images went through the pipeline and the model's preprocessor, as in training for the split ``train``; for
    the picture their normalisation is undone. Pixels removed by GridMask have the mean colour.

    Args:
        config: file.
        split: ``'train'``, ``'val'`` or ``'test'``.
        places: which samples of the dataset; four over the whole of it by default.
        folder: where to write.
        options: ``KEY=VALUE`` replacements in the config.

    Raises:
        ValueError: there is no such sample.
    """
    content = read_config(config, options)
    dataset = DATASETS.build(content[f'{split}_dataloader'].dataset)
    preprocessor = MODELS.build(content.model.data_preprocessor)
    if places is None:
        places = np.unique(np.linspace(0, len(dataset) - 1, DEFAULT_COUNT).round().astype(int)).tolist()
    for place in places:
        if not 0 <= place < len(dataset):
            raise ValueError(f'--samples {place}: the {split} dataset has the samples 0-{len(dataset) - 1}')
        batch = preprocessor(pseudo_collate([dataset[place]]), training=split == 'train')
        images = batch['inputs']['imgs'][0] * preprocessor.std + preprocessor.mean
        frame = sample_frame(images, batch['data_samples'][0], place, LabelSet.stated_in(dataset.metainfo))
        file = Path(folder) / f'{split}_{place:05d}.png'
        write_png(file, frame_picture(frame))
        yield file
