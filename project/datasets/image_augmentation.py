"""The transform that fits images to the model's size, in training with random changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from project.datasets import images
from project.datasets.jpegs import pixels_of
from project.datasets.random_generator import checked_range, new_generator


@dataclass(frozen=True)
class Change:
    """Changes of an image: it is scaled, cropped, mirrored and turned, in this order.

    Attributes:
        size: rows and columns of the scaled image.
        top, left: corner of the crop in the scaled image, pixels.
        mirrored: left and right are exchanged.
        degrees: turn about the middle, clockwise.
    """

    size: tuple[int, int]
    top: int
    left: int
    mirrored: bool = False
    degrees: float = 0.0


@TRANSFORMS.register_module()
class FitSurroundImages(BaseTransform):
    """Scale all images to a width and keep a window of rows at the bottom; adapts ``lidar2img`` and ``img_shape``.

    The rows at the top are cut off, since no voxel reaches the sky. Random changes differ from camera to camera; all
    keyframes of a queue share them.

    Args:
        size: rows and columns that the model takes.
        scale: random factors of the size, between these two.
        mirror: probability of mirroring an image.
        turn_deg: largest random rotation, degrees, to either side.
    """

    def __init__(
        self,
        size: tuple[int, int],
        scale: Sequence[float] = (1.0, 1.0),
        mirror: float = 0.0,
        turn_deg: float = 0.0,
    ):
        self.size, self.mirror, self.turn_deg = tuple(size), mirror, turn_deg
        self.scale = checked_range(self, 'scale', scale)

    @property
    def is_random(self) -> bool:
        """Whether images are changed at random, so that this is for training only."""
        return self.scale != (1.0, 1.0) or self.mirror > 0 or self.turn_deg > 0

    def transform(self, results: dict) -> dict:
        """Change ``imgs``."""
        queue, cameras = len(results['image_files']), len(results['image_files'][0])
        rng = new_generator() if self.is_random else None
        loaded = pixels_of(results, self)
        shapes = [image.shape[:2] for image in loaded[:cameras]]
        changes = [self.drawn(shape, rng) for shape in shapes]
        results['imgs'] = [self.changed(image, each) for image, each in zip(loaded, changes * queue, strict=True)]
        padded = np.tile(np.eye(4), (len(shapes), 1, 1))
        padded[:, :3, :3] = [self.pixels(*each) for each in zip(shapes, changes, strict=True)]
        results['lidar2img'] = padded @ results['lidar2img']
        results['img_shape'] = self.size
        return results

    def drawn(self, shape: tuple[int, int], rng: np.random.Generator | None = None) -> Change:
        """The changes of an image of this shape; nothing random without a generator."""
        height, width = self.size
        smallest, largest = self.scale
        jitter = 1.0 if rng is None else rng.uniform(smallest, largest)
        factor = width / shape[1] * jitter
        size = round(shape[0] * factor), round(shape[1] * factor)
        spare = size[0] - height, size[1] - width
        if rng is None:
            return Change(size, spare[0], spare[1] // 2)
        # A random offset between the lowest rows, as without random changes, and their place after random scaling.
        top = spare[0] - int(rng.uniform(0, 1) * max(int(height * (jitter - 1)), 0))
        left = int(rng.uniform(min(spare[1], 0), max(spare[1], 0) + 1))
        mirrored = bool(rng.random() < self.mirror)
        return Change(size, top, left, mirrored, rng.uniform(-self.turn_deg, self.turn_deg))

    def changed(self, image: np.ndarray, change: Change) -> np.ndarray:
        """An image of the size that the model takes."""
        image = cv2.resize(image, change.size[::-1], interpolation=cv2.INTER_LINEAR)
        image = images.cropped(image, change.top, change.left, *self.size)
        if change.mirrored:
            image = cv2.flip(image, 1)
        return images.turned(image, change.degrees) if change.degrees else image

    def pixels(self, shape: tuple[int, int], change: Change) -> np.ndarray:
        """(3, 3) homogeneous pixels of the changed image, from those of an image of a shape."""
        height, width = self.size
        factors = change.size[1] / shape[1], change.size[0] / shape[0]
        matrix = np.array([[factors[0], 0, -change.left], [0, factors[1], -change.top], [0, 0, 1.0]])
        if change.mirrored:
            matrix = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1.0]]) @ matrix
        return images.turn_of_pixels(height, width, change.degrees) @ matrix if change.degrees else matrix
