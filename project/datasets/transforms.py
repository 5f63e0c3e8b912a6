"""Pipeline transforms on the images of a keyframe, or of a queue of keyframes; random numbers as in ``randomness``."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from torch import Tensor

from project.datasets import images
from project.datasets.data_sample import OccupancyDataSample
from project.datasets.distortion import distorted, draw_distortion
from project.datasets.jpegs import in_queue, joined, pixels_of
from project.datasets.random_generator import new_generator
from project.errors import UserError

META_KEYS = (
    'sample_token', 'scene_name', 'timestamp', 'image_files', 'label_file', 'grid',
    'lidar2img', 'global_from_grid', 'frame_exists', 'frame_tokens', 'ori_shape', 'img_shape', 'cameras', 'distortions',
    'jpeg_lengths',
)  # fmt: skip

FIELDS = (
    'gt_occupancy', 'gt_flow', 'gt_objects', 'gt_centres', 'gt_offsets', 'mask_lidar', 'mask_camera', 'gt_depths',
    'gt_image_semantics',
)  # fmt: skip
"""Arrays that become fields of the data sample."""


def _files(results: dict) -> list[str]:
    """Of all frames and cameras, in the order of ``imgs``."""
    return [file for frame in results['image_files'] for file in frame]


@TRANSFORMS.register_module()
class LoadSurroundImages(BaseTransform):
    """Read the images of all cameras, and of all keyframes of the queue.

    Adds ``imgs``, a list of T x N arrays (H, W, 3) uint8 BGR, and ``ori_shape`` and ``img_shape``, both (H, W). Where
    ``imgs`` is there already, no file is read.

    A model takes images of one size. Where cameras differ in theirs, each image is scaled to fit the largest height and
    the largest width among them and filled up with black; ``lidar2img`` follows.

    Args:
        to_float32: convert at once. Later steps then round nothing, as in the baseline, and take several times as long.
        size: rows and columns that all images are brought to in that way, also where they are of one size.
        reduced_by: 2 or 4 to decode only half or a quarter of each side of a JPEG; ``lidar2img`` follows. It takes the
            place of ``ScaleSurroundImages`` with a factor of 1/2 or 1/4, up to a few grey values, in half of the time.
        decode_on_device: add ``jpegs``, the content of the files, instead of ``imgs``; the preprocessor decodes them
            where the model runs. No later step may change pixels; ``DistortSurroundImages(on_device=True)`` leaves that
            to the preprocessor, too. Keyframes whose images are no plain JPEGs of one size are decoded here.

    Raises:
        ValueError: an option does not exist, or asks for pixels that are decoded elsewhere.
    """

    def __init__(
        self,
        to_float32: bool = False,
        size: tuple[int, int] | None = None,
        reduced_by: int = 1,
        decode_on_device: bool = False,
    ):
        if reduced_by not in images.REDUCED:
            raise ValueError(f'LoadSurroundImages: reduced_by={reduced_by}, must be one of {list(images.REDUCED)}')
        if decode_on_device and (to_float32 or reduced_by > 1):
            raise ValueError(
                'LoadSurroundImages: decode_on_device=True decodes whole images of uint8; leave out to_float32 and '
                'reduced_by'
            )
        self.dtype = np.float32 if to_float32 else np.uint8
        self.size, self.reduced_by, self.decode_on_device = size, reduced_by, decode_on_device

    def transform(self, results: dict) -> dict:
        """Read ``image_files``, which has T lists of N files; adapts ``lidar2img`` where images are scaled."""
        if results.get('imgs'):
            loaded = [images.reduced(image, self.reduced_by) for image in results['imgs']]
        elif self.decode_on_device and self._is_left_to_device(results):
            return results
        else:
            loaded = images.read_images(_files(results), self.reduced_by)
            self._check_sizes(results, [(len(image), image.shape[1]) for image in loaded])
        if self.reduced_by > 1:
            results['lidar2img'] = np.diag([1 / self.reduced_by, 1 / self.reduced_by, 1, 1]) @ results['lidar2img']
        heights, widths = zip(*(image.shape[:2] for image in loaded), strict=True)
        size = tuple(self.size or (max(heights), max(widths)))
        if any(image.shape[:2] != size for image in loaded):
            loaded, transforms = zip(*(images.fitted(image, size) for image in loaded), strict=True)
            projections = results['lidar2img']
            results['lidar2img'] = np.reshape(transforms, projections.shape) @ projections
        results['imgs'] = [image.astype(self.dtype, copy=False) for image in loaded]
        results['ori_shape'] = results['img_shape'] = size
        return results

    def _is_left_to_device(self, results: dict) -> bool:
        """Add ``jpegs`` if all images are plain JPEGs of one size, which is that of the result."""
        contents = [images.image_bytes(file) for file in _files(results)]
        size, *others = (images.plain_jpeg_size(content) for content in contents)
        if size is None or any(other != size for other in others) or tuple(self.size or size) != size:
            return False
        self._check_sizes(results, [size] * len(contents))
        results['jpegs'] = contents
        results['ori_shape'] = results['img_shape'] = size
        return True

    def _check_sizes(self, results: dict, shapes: Sequence[tuple[int, int]]) -> None:
        sizes = [size for frame in results.get('image_sizes', ()) for size in frame]
        for file, shape, size in zip(_files(results), shapes, sizes, strict=bool(sizes)):
            self._check_size(file, shape, size)

    def _check_size(self, file: str, shape: tuple[int, int], size: tuple[int | None, int | None]) -> None:
        """The calibration is for pixels of the size that the index states; indexes of others may state none."""
        height, width = size
        if not height or not width:
            return
        if shape != (-(-height // self.reduced_by), -(-width // self.reduced_by)):
            rows, columns = (side * self.reduced_by for side in shape)
            raise UserError(
                f'{file}: has {columns} x {rows} pixels, the index states {width} x {height}, which the calibration '
                'is for; bring back the images as they were recorded'
            )


@TRANSFORMS.register_module()
class ScaleSurroundImages(BaseTransform):
    """Scale all images, and ``lidar2img`` with them.

    Args:
        factor: new size over old size.
    """

    def __init__(self, factor: float):
        self.factor = factor

    def transform(self, results: dict) -> dict:
        """Scale ``imgs``; adapts ``lidar2img`` and ``img_shape``."""
        loaded = pixels_of(results, self)
        size = loaded[0].shape[:2]
        results['imgs'] = [images.scaled(image, self.factor) for image in loaded]
        results['lidar2img'] = images.scaled_projection(results['lidar2img'], self.factor, size)
        results['img_shape'] = results['imgs'][0].shape[:2]
        return results


@TRANSFORMS.register_module()
class DistortSurroundImages(BaseTransform):
    """Photometric distortion of each image on its own; they must still be uint8.

    Args:
        on_device: only draw ``distortions``; the preprocessor applies them where the model runs, which is most of the
            work of loading processes. Must be the last transform that changes images.
    """

    def __init__(self, on_device: bool = False):
        self.on_device = on_device

    def transform(self, results: dict) -> dict:
        """Distort ``imgs``, or add ``distortions``."""
        rng = new_generator()
        given = results['jpegs'] if self.on_device and 'jpegs' in results else pixels_of(results, self)
        drawn = [draw_distortion(rng) for _ in given]
        if self.on_device:
            results['distortions'] = drawn
        else:
            results['imgs'] = [distorted(image, each) for image, each in zip(given, drawn, strict=True)]
        return results


@TRANSFORMS.register_module()
class PackOccupancyInputs(BaseTransform):
    """Pack a keyframe as ``dict(inputs=dict(imgs=...), data_samples=...)``; see :mod:`project.datasets.data_sample`.

    ``imgs`` is a view (N, 3, H, W), or (T, N, 3, H, W), with the dtype of the images; those that are as they were read
    are not copied. Where decoding is left to the device, ``imgs`` is (bytes,) uint8, all ``jpegs`` one after another,
    and the metainfo has their ``jpeg_lengths``.
    """

    def transform(self, results: dict) -> dict:
        """Pack ``imgs`` or ``jpegs``, the labels if they were loaded, and the metainfo.

        Raises:
            ValueError: the images differ in size.
        """
        if 'jpegs' in results:
            packed, results['jpeg_lengths'] = joined(results['jpegs'])
        else:
            packed = self._stacked(results)
        if len(results['image_files']) == 1:
            results['lidar2img'] = results['lidar2img'][0]
        sample = OccupancyDataSample(metainfo={key: results[key] for key in META_KEYS if key in results})
        for name in FIELDS:
            if results.get(name) is not None:
                setattr(sample, name, torch.from_numpy(results[name]))
        return {'inputs': {'imgs': packed}, 'data_samples': sample}

    def _stacked(self, results: dict) -> Tensor:
        shapes = {image.shape for image in results['imgs']}
        if len(shapes) > 1:
            raise ValueError(f'keyframe {results["sample_token"]}: images of different sizes {sorted(shapes)}')
        stacked = torch.from_numpy(images.one_array(results['imgs'])).permute(0, 3, 1, 2)
        return in_queue(stacked, results['image_files'])
