"""Predicts from plain images and their calibration."""

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS
from mmengine.dataset import pseudo_collate
from numpy.typing import ArrayLike

from project.datasets.images import read_image
from project.datasets.labels import LoadOccupancyLabels
from project.engine.config_files import read_config
from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.inference.calibration import checked_matrix, image_from_grid
from project.inference.loading import load_model
from project.inference.stream import Moment, Stream
from project.label_set import LabelSet
from project.taxonomy import CAMERAS, FREE


class Predictor:
    """A model that labels the voxels around a car from the images of its cameras; :func:`project.load` makes one.

    If the model was trained on queues of T keyframes, the T - 1 previous frames are kept. Then call it at the rate of
    its keyframes, 2 Hz on nuScenes. Images are read and prepared once, and an OccupancyLift computes each frame once.

    Args:
        config: file of an experiment; its test pipeline prepares the images.
        checkpoint: file with the weights of the config's model.
        device: where to compute; by default a GPU where there is one.
        amp: compute in bfloat16.

    Attributes:
        cameras: names of the cameras, in the order in which the model was trained with them.
        grid: voxels of the predictions.
        labels: names and colours of the labels that it predicts.
        queue_length: T.
        model, device, amp: the detector, and how it computes.
        steps: of the test pipeline, without those for labels.

    Raises:
        FileNotFoundError, ValueError: a file is missing, the checkpoint is not of this model, or the device cannot be
            used.
    """

    def __init__(
        self, config: str | Path, checkpoint: str | Path, device: str | torch.device | None = None, amp: bool = False
    ):
        content = read_config(config)
        dataset = content.test_dataloader.dataset
        self.queue_length: int = dataset.get('queue_length', 1)
        self.model = load_model(content, checkpoint, device)
        trained_with = self.model.dataset_meta.get('cameras', CAMERAS)
        self.cameras: tuple[str, ...] = tuple(dataset.get('cameras') or trained_with)
        self.labels = LabelSet.stated_in(self.model.dataset_meta)
        self.device = next(self.model.parameters()).device
        self.grid = cast(VoxelGrid, self.model.grid)
        steps = [TRANSFORMS.build(step) for step in dataset.pipeline]
        self.steps = [step for step in steps if not isinstance(step, LoadOccupancyLabels)]
        self.amp = amp
        self._stream = Stream(self.queue_length)
        self._numbers = itertools.count()

    def predict(
        self,
        images: Mapping[str, np.ndarray | str | Path],
        calibration: Mapping[str, Mapping[str, Any]],
        global_from_grid: ArrayLike | None = None,
        timestamp: float | None = None,
    ) -> OccupancyLabels:
        """Label every voxel.

        Args:
            images: of each camera an (H, W, 3) uint8 array in BGR, as ``cv2.imread`` gives it, or a file.
            calibration: of each camera its ``intrinsics``, (3, 3) pixels of the image as given from the camera frame,
                and its pose, (4, 4) ``lidar_from_camera``, or ``ego_from_camera`` where :attr:`grid` is fixed to the
                ego frame: metres. On a moving car it is the pose at the time of the image in the frame at the time of
                the prediction.
            global_from_grid: (4, 4) pose of the lidar or ego frame, whichever the grid is fixed to, in a frame that
                stays where it is; only a model with a queue needs it.
            timestamp: of the frame, seconds on any clock. A frame that is no later than the one before it, or more than
                1.5 s later, then starts another drive, as :meth:`forget` does.

        Returns:
            The voxels that are not free; ``dense()`` of it is an (X, Y, Z) uint8 array of labels 0-17. Its ``flow``,
            (N, 2) float32, m/s, and ``instances``, (N,) uint32, are there if the model has heads for them.

        Raises:
            FileNotFoundError, ValueError: an image, a calibration, a pose or the time is missing or impossible.
        """
        if timestamp is not None and not math.isfinite(timestamp):
            raise ValueError(f'timestamp={timestamp}: it must be a finite number of seconds')
        packed, moment = self._prepared(images, calibration, global_from_grid, timestamp)
        if self._stream.starts_with(timestamp):
            self.forget()
        pixels, metainfo = self._stream.queue(moment, self.model)
        packed['inputs']['imgs'] = pixels
        packed['data_samples'].set_metainfo(metainfo)
        batch = pseudo_collate([packed])
        self._stream.append(moment)
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            (sample,) = self.model.test_step(batch)
        return labels_of(sample, self.grid)

    def forget(self) -> None:
        """Drop the previous frames: the next frame starts another drive."""
        self._stream.forget()

    def _prepared(
        self, images: Mapping, calibration: Mapping, global_from_grid: ArrayLike | None, timestamp: float | None
    ) -> tuple[dict[str, Any], Moment]:
        """What the test pipeline packs of a single frame, and what later frames need of it."""
        for given, what in ((images, 'image'), (calibration, 'calibration')):
            missing = [name for name in self.cameras if name not in given]
            if missing:
                raise ValueError(f'no {what} of {", ".join(missing)}; the model needs {", ".join(self.cameras)}')
        if global_from_grid is None and self.queue_length > 1:
            raise ValueError(
                f'no global_from_grid: this model looks at {self.queue_length} moments in a row, and must know how the '
                f'{self.grid.frame} frame moved between them'
            )
        arrays = [_array(name, images[name]) for name in self.cameras]
        projections = [
            image_from_grid(name, calibration[name], self.grid.frame, array.shape[:2])
            for name, array in zip(self.cameras, arrays, strict=True)
        ]
        pose = np.eye(4) if global_from_grid is None else checked_matrix('global_from_grid', global_from_grid, 4)
        results = {
            'sample_token': 'as given',
            'image_files': [self.cameras],
            'cameras': self.cameras,
            'imgs': arrays,
            'lidar2img': np.stack(projections)[None],
        }
        for step in self.steps:
            results = step(results)
        projection = results['data_samples'].metainfo['lidar2img']
        return results, Moment(results['inputs']['imgs'], projection, pose, next(self._numbers), timestamp)


def labels_of(sample: Any, grid: VoxelGrid) -> OccupancyLabels:
    """The prediction in a data sample: labels, and flow and instances where the model predicts them."""
    labels = sample.pred_occupancy.cpu().numpy()
    flow = sample.pred_flow.cpu().numpy()[labels != FREE] if 'pred_flow' in sample else None
    objects = sample.pred_objects.cpu().numpy()[labels != FREE] if 'pred_objects' in sample else None
    instances = None if objects is None else objects.astype(np.uint32)
    return OccupancyLabels.from_dense(grid, labels, flow=flow, instances=instances)


def _array(name: str, image: np.ndarray | str | Path) -> np.ndarray:
    if isinstance(image, (str, Path)):
        return read_image(image)
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'{name}: the image is {image.shape} {image.dtype}; it must be (H, W, 3) uint8 in BGR')
    return image
