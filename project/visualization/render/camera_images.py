"""Camera images with the voxels that the camera sees drawn over them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from project.grid import VoxelGrid
from project.visualization.frame import CameraImage, Layer
from project.visualization.render.camera import Camera
from project.visualization.render.pixels import resized
from project.visualization.render.raycast import MISS, cast, shaded
from project.visualization.render.viewpoints import forward

OPACITY = 0.5


def overlaid(grid: VoxelGrid, layer: Layer, occupied: np.ndarray, camera: CameraImage, width_px: int) -> np.ndarray:
    """A camera's image, scaled to a width, with the voxels it sees: (H, width_px, 3) uint8 RGB."""
    image = load_image(camera)
    scale = width_px / image.shape[1]
    height_px = round(image.shape[0] * scale)
    image = resized(image, width_px, height_px)
    image_from_grid = np.diag([scale, scale, 1]) @ camera.image_from_grid
    hits = cast(grid, occupied, Camera.projecting(image_from_grid, width_px, height_px))
    seen = hits.positions > MISS
    codes = np.zeros(seen.shape, np.uint8)
    codes[seen] = layer.codes.ravel()[hits.positions[seen]]
    colours = shaded(layer.palette, codes, hits)
    image[seen] = ((1 - OPACITY) * image[seen] + OPACITY * colours[seen]).astype(np.uint8)
    return image


def around(grid: VoxelGrid, cameras: Sequence[CameraImage]) -> tuple[list[CameraImage], list[CameraImage]]:
    """Cameras in the order around a picture: those that look ahead from left to right, then those that look back."""
    ahead = forward(grid)
    left = np.cross((0, 0, 1), ahead)
    views = [camera.image_from_grid[2, :3] for camera in cameras]
    angles = [np.arctan2(left @ view, ahead @ view) for view in views]
    order = sorted(zip(angles, range(len(cameras)), strict=True))
    above = [cameras[place] for angle, place in order[::-1] if abs(angle) <= np.pi / 2]
    # From the left over the back to the right the angle grows past half a turn.
    below = [cameras[place] for angle, place in order if angle > np.pi / 2]
    return above, below + [cameras[place] for angle, place in order if angle < -np.pi / 2]


def image_size(camera: CameraImage) -> tuple[int, int]:
    """Width and height of a camera's image, pixels, of a file from its head alone.

    Raises:
        ValueError: the file is missing or is not an image.
    """
    if isinstance(camera.image, np.ndarray):
        return camera.image.shape[1], camera.image.shape[0]
    try:
        with Image.open(camera.image) as image:
            return image.size
    except (OSError, Image.DecompressionBombError) as error:
        raise _unreadable(camera.image) from error


def load_image(camera: CameraImage) -> np.ndarray:
    """(H, W, 3) uint8 RGB image of a camera.

    Raises:
        ValueError: the file is missing or is not an image.
    """
    if isinstance(camera.image, np.ndarray):
        return camera.image
    try:
        with Image.open(camera.image) as image:
            return np.array(image.convert('RGB'))
    except (OSError, Image.DecompressionBombError) as error:
        raise _unreadable(camera.image) from error


def _unreadable(file: Path) -> ValueError:
    return ValueError(f'{file}: not a readable image; is the dataset complete?')
