"""Text, legends and titles on pictures that are (H, W, 3) uint8 RGB arrays."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BACKGROUND = (245, 246, 248)
INK = (28, 32, 38)
FAINT = (110, 118, 128)
REFERENCE_WIDTH_PX = 1440
SMALLEST_TEXT_PX = 11


def blank(height_px: int, width_px: int) -> np.ndarray:
    """(H, W, 3) uint8 picture of the background colour."""
    return np.full((height_px, width_px, 3), BACKGROUND, np.uint8)


def write(picture: np.ndarray, text: str, at: tuple[float, float], size_px: int = 20, colour=INK, anchor: str = 'la'):
    """Write text onto a picture, in place; `anchor` is Pillow's: ``la`` left and top, ``mm`` middle, ``ra`` right."""
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text(at, text, fill=tuple(colour), font=_font(size_px), anchor=anchor)
    picture[:] = np.asarray(image)


def text_width(text: str, size_px: int) -> float:
    """Width of a text, pixels."""
    return _font(size_px).getlength(text)


def text_size(size_px: int, width_px: int) -> int:
    """Size of a text on a picture of a width, pixels; `size_px` is that for 1440. Smaller than 11 nobody could read."""
    return max(SMALLEST_TEXT_PX, round(size_px * width_px / REFERENCE_WIDTH_PX))


def caption(picture: np.ndarray, text: str, size_px: int = 18) -> None:
    """Put a title on a light plate in the upper left corner, in place; where it does not fit, only up to a comma."""
    pad = size_px // 2
    if text_width(text, size_px) + 2 * pad > picture.shape[1]:
        text = text.partition(',')[0]
    height, width = size_px + pad, int(text_width(text, size_px)) + 2 * pad
    plate = picture[:height, :width].astype(np.uint16)
    picture[:height, :width] = (plate + 4 * np.array(BACKGROUND, np.uint16)) // 5
    write(picture, text, (pad, height / 2), size_px, anchor='lm')


def legend(entries: list[tuple[str, tuple[int, int, int]]], width_px: int, size_px: int = 18) -> np.ndarray:
    """Swatches with names, one after the other in as many rows as it takes: a (H, W, 3) picture of the given width."""
    pad, swatch, row = size_px // 2, size_px, size_px * 7 // 4
    places, x, y = [], pad, pad
    for name, _ in entries:
        width = int(swatch + 1.5 * pad + text_width(name, size_px))
        if x + width > width_px - pad and x > pad:
            x, y = pad, y + row
        places.append((x, y))
        x += width + 3 * pad // 2
    picture = blank(y + row, width_px)
    for (name, colour), (x, y) in zip(entries, places, strict=True):
        picture[y : y + swatch, x : x + swatch] = np.array(colour) // 2
        picture[y + 1 : y + swatch - 1, x + 1 : x + swatch - 1] = colour
        write(picture, name, (x + swatch + pad, y + swatch / 2), size_px, anchor='lm')
    return picture


@lru_cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size_px)
