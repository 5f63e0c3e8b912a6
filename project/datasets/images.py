"""Reading and augmentation of camera images: plain functions on (H, W, 3) BGR arrays, with OpenCV.

Pixels count from the image's top left corner: the centre of the first one is at (0.5, 0.5).
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from project.errors import UserError
from project.storage.mounts import at_hand

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

REDUCED = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
"""By what a JPEG can be reduced while it is decoded, and OpenCV's flag for that."""

JPEG_START, EXIF = b'\xff\xd8', b'Exif\0\0'
EXIF_WITHIN = 4096
"""OpenCV turns an image as its Exif data say, which simplejpeg does not."""

MOST_PIXELS = 1 << 26
"""Of images that simplejpeg decodes: it allocates as many as a file says."""

MOST_SPARE_BYTES = 64
"""Bytes between the data of an image and its end marker that are no damage: some cameras fill up with a few."""


def read_image(path: str | Path, reduced_by: int = 1, into: np.ndarray | None = None) -> np.ndarray:
    """Read an image: (H, W, 3) uint8 BGR.

    Args:
        path: the file.
        reduced_by: one of :data:`REDUCED`: one pixel for so many along each side, rounded up. Of a JPEG only that much
            is decoded, in half of the time or less.
        into: where the image goes, and what is returned, if it has the same size.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an image, is damaged or was cut off.
    """
    return decoded_image(image_bytes(path), path, reduced_by, into)


def image_bytes(path: str | Path) -> bytes:
    """The content of an image's file, not decoded.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, or a JPEG that was cut off.
    """
    at_hand(path)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: missing') from None
    if _is_cut_off(content):
        raise _unreadable(path)
    return content


def decoded_image(content: bytes, path: str | Path, reduced_by: int = 1, into: np.ndarray | None = None) -> np.ndarray:
    """The image of a file's content; `path` is for messages, all else as in :func:`read_image`."""
    image = _decoded(content, reduced_by, into)
    if image is None:
        raise _unreadable(path)
    if into is None or into is image or into.shape != image.shape:
        return image
    into[:] = image
    return into


def _unreadable(path: str | Path) -> UserError:
    return UserError(f'{path}: not an image that can be read, or only a part of one; download it again')


def read_images(paths: Sequence[str | Path], reduced_by: int = 1) -> list[np.ndarray]:
    """Read images as :func:`read_image` does; those of the first one's size lie in one array, for :func:`one_array`."""
    return decoded_images((image_bytes(path) for path in paths), paths, reduced_by)


def decoded_images(contents: Iterable[bytes], paths: Sequence[str | Path], reduced_by: int = 1) -> list[np.ndarray]:
    """The images of these files' contents, as :func:`read_images` gives them."""
    whole, result = None, list[np.ndarray]()
    for content, path in zip(contents, paths, strict=True):
        image = decoded_image(content, path, reduced_by, None if whole is None else whole[len(result)])
        if whole is None:
            whole = np.empty((len(paths), *image.shape), image.dtype)
            whole[0] = image
            image = whole[0]
        result.append(image)
    return result


def plain_jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG that every decoder takes alike, as its head says; None for any other image.

    Such a JPEG has three channels of luminance and chrominance, and no Exif data, which may say that it is turned.
    """
    if simplejpeg is None or not _may_be_plain(content):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    return (height, width) if colours == 'YCbCr' and height * width <= MOST_PIXELS else None


def one_array(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one size as (N, H, W, 3), without a copy if that is where they lie."""
    whole = images[0].base
    if not isinstance(whole, np.ndarray) or whole.shape != (len(images), *images[0].shape):
        return np.stack(images)
    in_place = (image.__array_interface__ == whole[n].__array_interface__ for n, image in enumerate(images))
    return whole if all(in_place) else np.stack(images)


def _decoded(content: bytes, reduced_by: int, into: np.ndarray | None) -> np.ndarray | None:
    """The image, in `into` if that could be; None if it cannot be decoded. OpenCV's pixels are the definition."""
    if simplejpeg is not None and _may_be_plain(content):
        try:
            return _decoded_directly(content, reduced_by, into)
        except ValueError as error:  # a kind that it does not know, or damaged
            if _says_damaged(str(error)):
                return None
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), REDUCED[reduced_by])
    except cv2.error:  # it says that it has more pixels than any camera
        return None


def _may_be_plain(content: bytes) -> bool:
    return content.startswith(JPEG_START) and EXIF not in content[:EXIF_WITHIN]


def _decoded_directly(content: bytes, reduced_by: int, into: np.ndarray | None) -> np.ndarray:
    height, width = simplejpeg.decode_jpeg_header(content)[:2]
    if height * width > MOST_PIXELS:
        raise ValueError
    rows, columns = -(-height // reduced_by), -(-width // reduced_by)
    fits = into is not None and into.shape == (rows, columns, 3)
    # It sees to a smallest size and takes the least scale that gives it.
    image = simplejpeg.decode_jpeg(content, 'BGR', min_height=rows, min_width=columns, buffer=into if fits else None)
    if image.shape != (rows, columns, 3):
        raise ValueError
    return into if into is not None and fits else image


def _says_damaged(warning: str) -> bool:
    """Whether the JPEG library warns of damage, not only of a few bytes too many."""
    spare = re.search(r'(\d+) extraneous bytes', warning)
    return 'Corrupt JPEG data' in warning and not (spare and int(spare[1]) <= MOST_SPARE_BYTES)


def _is_cut_off(content: bytes) -> bool:
    """Whether there is nothing, or a JPEG's last scan has no end marker: OpenCV would fill up with grey."""
    if not content.startswith(JPEG_START):
        return not content
    # Data of a scan holds neither marker; a thumbnail, which comes before, may hold both.
    return content.find(b'\xff\xda', content.rfind(b'\xff\xd9') + 1) >= 0


def reduced(image: np.ndarray, by: int) -> np.ndarray:
    """An image as :func:`read_image` reduces it, up to a few grey values."""
    if by == 1:
        return image
    height, width = image.shape[:2]
    # One pixel is exactly so many: the last ones are filled up, as in the blocks of a JPEG.
    image = cv2.copyMakeBorder(image, 0, -height % by, 0, -width % by, cv2.BORDER_REPLICATE)
    return cv2.resize(image, None, fx=1 / by, fy=1 / by, interpolation=cv2.INTER_AREA)


def scaled(image: np.ndarray, factor: float) -> np.ndarray:
    """An image scaled by bilinear interpolation; its size is cut to whole pixels. The dtype is kept."""
    height, width = image.shape[:2]
    return cv2.resize(image, (int(width * factor), int(height * factor)), interpolation=cv2.INTER_LINEAR)


def scaled_projection(image_from_grid: np.ndarray, factor: float, size: tuple[int, int]) -> np.ndarray:
    """The (..., 4, 4) projection into an image of that size (rows, columns) once it is :func:`scaled`."""
    # Sides are cut to whole pixels, so each has a factor of its own.
    vertical, horizontal = (int(side * factor) / side for side in size)
    return np.diag([horizontal, vertical, 1.0, 1.0]) @ image_from_grid


def fitted(image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """An image scaled, its sides in proportion, to fit a size, and filled up with black at the right or the bottom.

    Args:
        image: (h, w, 3).
        size: rows and columns of the result.

    Returns:
        (H, W, 3) image, and the (4, 4) float64 transform of homogeneous pixels that goes with it.
    """
    factor = min(new / old for new, old in zip(size, image.shape[:2], strict=True))
    height, width = (max(round(old * factor), 1) for old in image.shape[:2])
    # Sides are whole pixels, so each has a factor of its own.
    transform = np.diag([width / image.shape[1], height / image.shape[0], 1.0, 1.0])
    result = np.zeros((*size, 3), image.dtype)
    result[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return result, transform


def grid_mask(height: int, width: int, rng: np.random.Generator, ratio: float = 0.5) -> np.ndarray:
    """GridMask (Chen et al., 2020): (H, W) bool, which pixels stay when a regular grid of rectangles is cut out.

    Args:
        height, width: size of the image, pixels.
        rng: draws the period of the grid, from 2 pixels to the image's height, and its offsets.
        ratio: part of each period that stays.
    """
    period = int(rng.integers(2, max(height, 3)))
    kept = min(max(round(period * ratio), 1), period - 1)
    rows, columns = ((np.arange(size) + rng.integers(period)) % period < kept for size in (height, width))
    return rows[:, None] | columns


def cropped(image: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """A window of an image, whose corner may lie outside; what the window shows beyond the image is black."""
    rows, columns = image.shape[:2]
    window = np.zeros((height, width, *image.shape[2:]), image.dtype)
    high, low = max(top, 0), min(top + height, rows)
    begin, end = max(left, 0), min(left + width, columns)
    if high < low and begin < end:
        window[high - top : low - top, begin - left : end - left] = image[high:low, begin:end]
    return window


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    """An image turned about its middle, clockwise as one looks at it; black where it does not reach."""
    height, width = image.shape[:2]
    # In OpenCV the middle of the first pixel is at (0, 0).
    matrix = _shifted(-0.5) @ turn_of_pixels(height, width, degrees) @ _shifted(0.5)
    return cv2.warpAffine(image, matrix[:2, :3], (width, height), flags=cv2.INTER_LINEAR)


def _shifted(by: float) -> np.ndarray:
    """(3, 3) homogeneous pixels, shifted along both axes."""
    return np.array([[1, 0, by], [0, 1, by], [0, 0, 1.0]])


def turn_of_pixels(height: int, width: int, degrees: float) -> np.ndarray:
    """(3, 3) homogeneous pixels of an image that was :func:`turned`, from those before."""
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    x, y = width / 2, height / 2
    return np.array([[cosine, -sine, x - cosine * x + sine * y], [sine, cosine, y - sine * x - cosine * y], [0, 0, 1]])
