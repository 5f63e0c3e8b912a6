"""The transform that renders labels into the cameras, as targets of each image."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from project.datasets.rendering import rendered


@TRANSFORMS.register_module()
class RenderOccupancy(BaseTransform):
    """Render the labels, as finely as they are stored, into the images of the present keyframe.

    Adds ``gt_depths``, (N, h, w) float32, metres, infinite where nothing is met, and ``gt_image_semantics``, (N, h, w)
    uint8, as :func:`project.datasets.rendering.rendered` has them; h and w are the image's, divided by `stride` and
    rounded up. Use it after the labels are loaded and the images have their final size, and before the grid moves.

    Args:
        stride: pixels of the image a pixel of the maps.
    """

    def __init__(self, stride: int):
        self.stride = stride

    def transform(self, results: dict) -> dict:
        """Render ``stored_labels``."""
        shape = tuple(-(-side // self.stride) for side in results['img_shape'])
        matrices = np.asarray(results['lidar2img'])[-1]
        depths, semantics = rendered(results['stored_labels'], matrices, shape, self.stride)
        results.update(gt_depths=depths, gt_image_semantics=semantics)
        return results
