"""A model that takes plain images and their calibration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import TRANSFORMS
from mmengine.dataset import pseudo_collate

from project.datasets.images import read_image
from project.datasets.labels import LoadOccupancyLabels
from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.inference.calibration import image_from_grid
from project.inference.loading import load_model, read_config
from project.labels.dataset import CAMERAS


class Predictor:
    """A model that labels the voxels around a car from the images of its cameras; :func:`project.load` makes one.

    Args:
        config: file of an experiment; its test pipeline prepares the images.
        checkpoint: file with the weights of the config's model.
        device: where to compute; by default a GPU where there is one.
        amp: compute in bfloat16.

    Attributes:
        cameras: names of the cameras, in the order in which the model was trained with them.
        grid: voxels of the predictions.
        model, device, amp: the detector, and how it computes.
        steps: of the test pipeline, without those for labels.

    Raises:
        FileNotFoundError, ValueError: a file is missing, the checkpoint is not of this model, or the model needs
            earlier frames, too.
    """

    def __init__(
        self, config: str | Path, checkpoint: str | Path, device: str | torch.device | None = None, amp: bool = False
    ):
        content = read_config(config)
        dataset = content.test_dataloader.dataset
        if dataset.get('queue_length', 1) > 1:
            raise ValueError(
                f'{config}: this model looks at {dataset.queue_length} keyframes in a row, and only the images of one '
                'moment can be given here; take a config with queue_length=1, or predict with tools/test.py'
            )
        self.cameras: tuple[str, ...] = tuple(dataset.get('cameras') or CAMERAS)
        self.model = load_model(content, checkpoint, device)
        self.device = next(self.model.parameters()).device
        self.grid: VoxelGrid = self.model.grid
        steps = [TRANSFORMS.build(step) for step in dataset.pipeline]
        self.steps = [step for step in steps if not isinstance(step, LoadOccupancyLabels)]
        self.amp = amp

    def predict(
        self,
        images: Mapping[str, np.ndarray | str | Path],
        calibration: Mapping[str, Mapping[str, Any]],
    ) -> OccupancyLabels:
        """Label every voxel.

        Args:
            images: of each camera an (H, W, 3) uint8 array in BGR, as ``cv2.imread`` gives it, or a file.
            calibration: of each camera its ``intrinsics``, (3, 3) pixels of the image as given from the camera frame,
                and its pose, (4, 4) ``lidar_from_camera``, or ``ego_from_camera`` where :attr:`grid` is fixed to the
                ego frame: metres. On a moving car it is the pose at the time of the image in the frame at the time of
                the prediction.

        Returns:
            The voxels that are not free; ``dense()`` of it is an (X, Y, Z) uint8 array of labels 0-17.

        Raises:
            FileNotFoundError, ValueError: an image or a calibration is missing, or cannot be right.
        """
        for given, what in ((images, 'image'), (calibration, 'calibration')):
            missing = [name for name in self.cameras if name not in given]
            if missing:
                raise ValueError(f'no {what} of {", ".join(missing)}; the model needs {", ".join(self.cameras)}')
        arrays = [_array(name, images[name]) for name in self.cameras]
        projections = [
            image_from_grid(name, calibration[name], self.grid.frame, array.shape[:2])
            for name, array in zip(self.cameras, arrays, strict=True)
        ]
        batch = pseudo_collate([self._prepare(arrays, projections)])
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            (sample,) = self.model.test_step(batch)
        return OccupancyLabels.from_dense(self.grid, sample.pred_occupancy.cpu().numpy())

    def _prepare(self, images: list[np.ndarray], projections: Sequence[np.ndarray]) -> dict:
        """What the test pipeline makes of the images and projections of all cameras."""
        results = {'sample_token': 'as given', 'image_files': [self.cameras], 'imgs': images}
        results['lidar2img'] = np.stack(projections)[None]
        for step in self.steps:
            results = step(results)
        return results


def _array(name: str, image: np.ndarray | str | Path) -> np.ndarray:
    if isinstance(image, (str, Path)):
        return read_image(image)
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'{name}: the image is {image.shape} {image.dtype}; it must be (H, W, 3) uint8 in BGR')
    return image
