"""When frames were recorded and what cameras saw, in the terms of other programs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import rq

from project.visualization.frame import CameraImage, Frame
from project.visualization.render.pixels import jpeg

INTERVAL_US = 500_000
"""Between frames whose time is not known: keyframes of nuScenes are half a second apart."""


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion.

    Attributes:
        intrinsics: (3, 3) float64, pixels; the centre of the top left pixel is (0.5, 0.5).
        grid_from_camera: (4, 4) float64 pose; the camera looks along its z, x is right and y is down.
    """

    intrinsics: np.ndarray
    grid_from_camera: np.ndarray

    @classmethod
    def of(cls, camera: CameraImage) -> 'Pinhole':
        """Intrinsics and pose that make up a camera's projection."""
        upper, rotation = rq(camera.image_from_grid[:, :3])
        # The decomposition leaves signs open; focal lengths are positive.
        signs = np.sign(np.diag(upper))
        upper, rotation = upper * signs, signs[:, None] * rotation
        camera_from_grid = np.eye(4)
        camera_from_grid[:3, :3] = rotation
        camera_from_grid[:3, 3] = np.linalg.solve(upper, camera.image_from_grid[:, 3])
        return cls(upper / upper[2, 2], np.linalg.inv(camera_from_grid))


def time_us(frame: Frame) -> int:
    """When a frame was recorded, microseconds; where that is not known, half a second after the one before."""
    return frame.index * INTERVAL_US if frame.timestamp_us is None else frame.timestamp_us


def encoded_image(camera: CameraImage) -> tuple[bytes, str]:
    """A camera's image as it is in its file, and ``'jpeg'`` or ``'png'``; an array becomes a JPEG.

    Raises:
        OSError: the file cannot be read.
    """
    if isinstance(camera.image, Path):
        kind = 'png' if camera.image.suffix.lower() == '.png' else 'jpeg'
        return camera.image.read_bytes(), kind
    return jpeg(camera.image, quality=95), 'jpeg'
