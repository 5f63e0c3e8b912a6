"""Makes a batch on the device: normalising, GridMask, and padding to a common size."""

from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from project.datasets.distortion import distorted_batch
from project.datasets.images import grid_mask
from project.datasets.jpegs import decoded_batch
from project.datasets.random_generator import new_generator


@MODELS.register_module()
class OccupancyDataPreprocessor(BaseDataPreprocessor):
    """Makes a batch of samples that ``PackOccupancyInputs`` packed; see :mod:`project.datasets.data_sample`.

    Images are copied to the device as bytes, a quarter of the size of normalised ones, or as JPEGs, which are decoded
    there, and distorted if the pipeline left that to the device, too. Then each image is normalised,
    in training a grid of rectangles is masked out (the same for all cameras of a sample), and the image is padded with
    zeros at the right and the bottom.

    Args:
        mean: of the channels as they are stored, BGR.
        std: of the channels.
        pad_divisor: padded heights and widths are multiples of this, pixels.
        grid_mask_probability: probability of masking a training sample.
        non_blocking: copy to the device asynchronously, for data loaders with ``pin_memory``.
    """

    def __init__(
        self,
        mean: tuple[float, float, float] = (103.53, 116.28, 123.675),
        std: tuple[float, float, float] = (1.0, 1.0, 1.0),
        pad_divisor: int = 32,
        grid_mask_probability: float = 0.0,
        non_blocking: bool = True,
    ):
        super().__init__(non_blocking)
        self.register_buffer('mean', _per_channel(mean), persistent=False)
        self.register_buffer('std', _per_channel(std), persistent=False)
        self.pad_divisor = pad_divisor
        self.grid_mask_probability = grid_mask_probability

    def forward(self, data: dict, training: bool = False) -> dict:
        """A batch on the device.

        Args:
            data: ``inputs['imgs']``, B tensors (..., N, 3, H, W) whose sizes may differ, or of JPEGs, and B
                ``data_samples``.
            training: whether GridMask applies.

        Raises:
            ValueError: a JPEG is damaged.
        """
        given = decoded_batch(data['inputs']['imgs'], data['data_samples'], self.mean.device)
        data = self.cast_data({**data, 'inputs': {**data['inputs'], 'imgs': given}})
        images, samples = data['inputs']['imgs'], data['data_samples']
        shape = tuple(self._padded(max(image.shape[axis] for image in images)) for axis in (-2, -1))
        for sample in samples:
            sample.set_metainfo({'pad_shape': shape})
        images = [_distorted(image, sample) for image, sample in zip(images, samples, strict=True)]
        batch = self.mean.new_zeros(len(images), *images[0].shape[:-2], *shape)
        # Images of one size are normalised at once: the host is slow to issue kernels.
        alike = len({image.shape for image in images}) == 1
        for part, padded in [(torch.stack(images), batch)] if alike else zip(images, batch, strict=True):
            torch.sub(part, self.mean, out=padded[..., : part.shape[-2], : part.shape[-1]]).div_(self.std)
        if training and self.grid_mask_probability:
            for image, padded in zip(images, batch, strict=True):
                self._mask(padded[..., : image.shape[-2], : image.shape[-1]], *shape)
        return {'inputs': {**data['inputs'], 'imgs': batch}, 'data_samples': samples}

    def _padded(self, size: int) -> int:
        return -(-size // self.pad_divisor) * self.pad_divisor

    def _mask(self, images: Tensor, height: int, width: int) -> None:
        rng = new_generator()
        if rng.random() < self.grid_mask_probability:
            kept = torch.from_numpy(grid_mask(height, width, rng))
            images.mul_(kept[: images.shape[-2], : images.shape[-1]].to(images.device))


def _distorted(image: Tensor, sample: Any) -> Tensor:
    distortions = sample.metainfo.get('distortions')
    return distorted_batch(image, distortions) if distortions else image


def _per_channel(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(3, 1, 1)
