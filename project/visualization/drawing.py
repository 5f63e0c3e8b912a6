"""Text, legends and titles on pictures that are (H, W, 3) uint8 RGB arrays."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

BACKGROUND = (245, 246, 248)
INK = (28, 32, 38)
FAINT = (110, 118, 128)


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


def caption(picture: np.ndarray, text: str, size_px: int = 18) -> None:
    """Put a title on a light plate in the upper left corner of a picture, in place."""
    pad = size_px // 2
    height, width = size_px + pad, int(text_width(text, size_px)) + 2 * pad
    plate = picture[:height, :width].astype(np.uint16)
    picture[:height, :width] = (plate + 4 * np.array(BACKGROUND, np.uint16)) // 5
    write(picture, text, (pad, height / 2), size_px, anchor='lm')


def legend(entries: list[tuple[str, tuple[int, int, int]]], width_px: int, size_px: int = 17) -> np.ndarray:
    """Swatches with names in rows of equal columns, as a (H, W, 3) picture of the given width."""
    swatch, row = size_px, size_px + 13
    column = max(text_width(name, size_px) for name, _ in entries) + swatch + 34
    columns = max(1, min(len(entries), int((width_px - 24) // column)))
    rows = -(-len(entries) // columns)
    columns = -(-len(entries) // rows)
    column = (width_px - 24) / columns
    picture = blank(rows * row + 16, width_px)
    for number, (name, colour) in enumerate(entries):
        x, y = int(12 + number % columns * column), 8 + number // columns * row + (row - swatch) // 2
        picture[y : y + swatch, x : x + swatch] = np.array(colour) // 2
        picture[y + 1 : y + swatch - 1, x + 1 : x + swatch - 1] = colour
        write(picture, name, (x + swatch + 8, y + swatch / 2), size_px, anchor='lm')
    return picture


@lru_cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size_px)
