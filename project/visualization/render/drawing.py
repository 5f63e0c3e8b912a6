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
    widths = [int(swatch + 3 * pad + text_width(name, size_px)) for name, _ in entries]
    places = _places(widths, width_px - pad)
    rows = places[-1][1] + 1
    # The narrowest rows of that number are of about one length.
    narrower = (_places(widths, limit) for limit in range(max(widths), width_px, size_px))
    places = next((tried for tried in narrower if tried[-1][1] < rows), places)
    picture = blank(rows * row + pad, width_px)
    for (name, colour), (x, number) in zip(entries, places, strict=True):
        x, y = x + pad, number * row + pad
        picture[y : y + swatch, x : x + swatch] = np.array(colour) // 2
        picture[y + 1 : y + swatch - 1, x + 1 : x + swatch - 1] = colour
        write(picture, name, (x + swatch + pad, y + swatch / 2), size_px, anchor='lm')
    return picture


def _places(widths: list[int], limit: int) -> list[tuple[int, int]]:
    """Left end and row of things that are set one after the other in rows of a width."""
    places, x, row = [], 0, 0
    for width in widths:
        if x and x + width > limit:
            x, row = 0, row + 1
        places.append((x, row))
        x += width
    return places


@lru_cache
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)
