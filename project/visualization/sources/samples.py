"""Makes frames from samples of the data pipeline and predictions of a model; plain torch."""

import numpy as np
import torch
from torch import Tensor

from project.datasets.jpegs import decoded_batch
from project.formats.common import MASKS
from project.label_set import LabelSet
from project.visualization.frame import CameraImage, Frame


def sample_frame(images: Tensor, sample, index: int, labels: LabelSet | None = None) -> Frame:
    """A frame of one sample.

    Args:
        images: (N, 3, H, W), or (T, N, 3, H, W) of which the last keyframe is shown; values 0-255, BGR. Or the JPEGs
            of such images as the pipeline packs them.
        sample: :class:`project.datasets.data_sample.OccupancyDataSample` with labels, a prediction, or both.
        index: place in its scene, for the title.
        labels: names and colours of the labels; those of nuScenes by default.
    """
    meta = sample.metainfo
    image_from_grid = np.asarray(meta['lidar2img'])
    (images,) = decoded_batch([images], [sample], torch.device('cpu'))
    if images.dim() == 5:
        images, image_from_grid = images[-1], image_from_grid[-1]
    pictures = images.detach().cpu().float().round().clamp(0, 255).byte().permute(0, 2, 3, 1).flip(-1).numpy()
    arrays = {name: _array(sample, name) for name in ('gt_occupancy', 'pred_occupancy', *MASKS.values())}
    return Frame(
        scene=meta['scene_name'],
        index=index,
        token=meta['sample_token'],
        grid=meta['grid'],
        truth=arrays['gt_occupancy'],
        prediction=arrays['pred_occupancy'],
        masks={name: mask for name, array in MASKS.items() if (mask := arrays[array]) is not None},
        cameras=[
            CameraImage(name, np.ascontiguousarray(picture), projection[:3])
            for name, picture, projection in zip(meta['cameras'], pictures, image_from_grid, strict=True)
        ],
        labels=labels or LabelSet(),
    )


def _array(sample, name: str) -> np.ndarray | None:
    return getattr(sample, name).cpu().numpy() if name in sample else None
