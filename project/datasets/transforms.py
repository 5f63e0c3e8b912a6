"""Pipeline transforms on the images of a keyframe, or of a queue of keyframes; random numbers as in ``randomness``."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from project.datasets import images
from project.datasets.data_sample import OccupancyDataSample
from project.datasets.distortion import distorted, draw_distortion
from project.datasets.random_generator import new_generator
from project.errors import UserError

META_KEYS = (
    'sample_token', 'scene_name', 'timestamp', 'image_files', 'label_file', 'grid',
    'lidar2img', 'global_from_grid', 'frame_exists', 'frame_tokens', 'ori_shape', 'img_shape', 'cameras', 'distortions',
)  # fmt: skip

FIELDS = (
    'gt_occupancy', 'gt_flow', 'gt_objects', 'gt_centres', 'gt_offsets', 'mask_lidar', 'mask_camera', 'gt_depths',
    'gt_image_semantics',
)  # fmt: skip
"""Arrays that become fields of the data sample."""


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
    """

    def __init__(self, to_float32: bool = False, size: tuple[int, int] | None = None, reduced_by: int = 1):
        if reduced_by not in images.REDUCED:
            raise ValueError(f'LoadSurroundImages: reduced_by={reduced_by}, must be one of {list(images.REDUCED)}')
        self.dtype = np.float32 if to_float32 else np.uint8
        self.size, self.reduced_by = size, reduced_by

    def transform(self, results: dict) -> dict:
        """Read ``image_files``, which has T lists of N files; adapts ``lidar2img`` where images are scaled."""
        if results.get('imgs'):
            loaded = [images.reduced(image, self.reduced_by) for image in results['imgs']]
        else:
            files = [file for frame in results['image_files'] for file in frame]
            loaded = images.read_images(files, self.reduced_by)
            sizes = [size for frame in results.get('image_sizes', ()) for size in frame]
            for file, image, size in zip(files, loaded, sizes, strict=bool(sizes)):
                self._check_size(file, image, size)
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

    def _check_size(self, file: str, image: np.ndarray, size: tuple[int | None, int | None]) -> None:
        """The calibration is for pixels of the size that the index states; indexes of others may state none."""
        height, width = size
        if not height or not width:
            return
        if image.shape[:2] != (-(-height // self.reduced_by), -(-width // self.reduced_by)):
            rows, columns = (side * self.reduced_by for side in image.shape[:2])
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
        size = results['imgs'][0].shape[:2]
        results['imgs'] = [images.scaled(image, self.factor) for image in results['imgs']]
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
        drawn = [draw_distortion(rng) for _ in results['imgs']]
        if self.on_device:
            results['distortions'] = drawn
        else:
            results['imgs'] = [distorted(image, each) for image, each in zip(results['imgs'], drawn, strict=True)]
        return results


@TRANSFORMS.register_module()
class PackOccupancyInputs(BaseTransform):
    """Pack a keyframe as ``dict(inputs=dict(imgs=...), data_samples=...)``; see :mod:`project.datasets.data_sample`.

    ``imgs`` is a view (N, 3, H, W), or (T, N, 3, H, W), with the dtype of the images; those that are as they were read
    are not copied.
    """

    def transform(self, results: dict) -> dict:
        """Pack ``imgs``, the labels if they were loaded, and the metainfo.

        Raises:
            ValueError: the images differ in size.
        """
        shapes = {image.shape for image in results['imgs']}
        if len(shapes) > 1:
            raise ValueError(f'keyframe {results["sample_token"]}: images of different sizes {sorted(shapes)}')
        stacked = torch.from_numpy(images.one_array(results['imgs'])).permute(0, 3, 1, 2)
        queue_length = len(results['image_files'])
        if queue_length > 1:
            stacked = stacked.unflatten(0, (queue_length, -1))
        else:
            results['lidar2img'] = results['lidar2img'][0]
        sample = OccupancyDataSample(metainfo={key: results[key] for key in META_KEYS if key in results})
        for name in FIELDS:
            if results.get(name) is not None:
                setattr(sample, name, torch.from_numpy(results[name]))
        return {'inputs': {'imgs': stacked}, 'data_samples': sample}
