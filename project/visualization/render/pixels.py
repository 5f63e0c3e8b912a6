"""Images of other sizes, and as JPEG."""

from io import BytesIO

import numpy as np
from PIL import Image


def resized(image: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """An image in another size; each pixel is the mean of the area that it covers.

    Args:
        image: (H, W, 3) uint8 RGB.
        width_px: new width.
        height_px: new height.

    Returns:
        (height_px, width_px, 3) uint8 RGB.
    """
    return np.array(Image.fromarray(image).resize((width_px, height_px), Image.Resampling.BOX))


def jpeg(image: np.ndarray, quality: int) -> bytes:
    """An (H, W, 3) uint8 RGB image as JPEG of a quality of 1-95."""
    with BytesIO() as file:
        Image.fromarray(image).save(file, 'jpeg', quality=quality)
        return file.getvalue()
