"""Images of 123D logs as files: the library keeps them to itself, and training reads files."""

import os
from typing import Any

import numpy as np

from project.errors import UserError
from project.sources.base import Scene
from project.sources.py123d import LOGS, open_logs

QUALITY = 95


def write_images(scene: Scene) -> int:
    """Write the images of a log's keyframes where its records say that they are; those that exist are kept.

    Images of cameras with lens distortion are undistorted, with the same camera matrix.

    Args:
        scene: a log.

    Returns:
        Number of images written.

    Raises:
        UserError: the log was converted without its images.
        ImportError: py123d is not installed.
    """
    log = open_logs(scene.dataroot)[scene.name]
    metadata = {camera_id.name.lower(): camera for camera_id, camera in log.get_camera_metadatas().items()}
    written = 0
    for record in scene.records:
        for name, camera in record.cameras.items():
            path = scene.dataroot / camera.file
            if not path.is_file():
                seen = log.get_camera_at_timestamp(camera.timestamp_us, name)
                if seen is None or seen.rgb_image is None:
                    raise UserError(
                        f'{scene.dataroot / LOGS}: the log {scene.name} has no image of {name} at '
                        f'{camera.timestamp_us} us; convert it with images'
                    )
                path.parent.mkdir(parents=True, exist_ok=True)
                # Written under another name first: a file that is there is whole.
                aside = path.with_name(f'.{path.name}.{os.getpid()}')
                aside.write_bytes(_jpeg(seen.rgb_image, metadata[name]))
                aside.replace(path)
                written += 1
    return written


def _jpeg(rgb: np.ndarray, camera: Any) -> bytes:
    """An image as a file; `rgb` is (H, W, 3) uint8."""
    # Here, since the library brings it along, and labels are made without it.
    import cv2

    distortion = None if camera.is_undistorted or camera.distortion is None else np.asarray(camera.distortion.array)
    if distortion is not None and distortion.any():
        # Both count the coefficients as k1, k2, p1, p2, k3.
        rgb = cv2.undistort(rgb, np.asarray(camera.intrinsics.camera_matrix), distortion)
    _, encoded = cv2.imencode('.jpg', np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return encoded.tobytes()
