"""Pictures as files: PNG, animated GIF, MP4. A file appears under its name only once it is whole."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from project.formats.common import written_whole
from project.taxonomy import PALETTE
from project.visualization.frame import DIFFERENCE_PALETTE

SHADES = (1.0, 0.78, 0.66, 0.5)
"""Brightnesses of each class that a palette keeps; the sides of voxels have them."""


def write_png(path: str | Path, picture: np.ndarray) -> None:
    """Write a (H, W, 3) uint8 RGB picture."""
    with written_whole(path) as file:
        Image.fromarray(picture).save(file, 'png')


def write_gif(
    path: str | Path, pictures: Iterable[np.ndarray], frames_per_second: float = 2, colours: np.ndarray = PALETTE
) -> None:
    """Write (H, W, 3) uint8 RGB pictures as an animation that repeats for ever.

    One palette serves all, so that nothing flickers: the colours of the classes, then what the first picture has most
    of. Pictures of other heights (a frame without camera images, say) are cut or filled at the bottom.

    Args:
        path: the file.
        pictures: of one width.
        frames_per_second: how fast.
        colours: (N, 3) uint8 RGB of the classes.

    Raises:
        ValueError: there is no picture.
    """
    palette, images = None, []
    for picture in same_size(pictures):
        image = Image.fromarray(picture)
        palette = palette or few_colours(image, colours)
        images.append(image.quantize(palette=palette, dither=Image.Dither.NONE))
    if not images:
        raise ValueError(f'{path}: no frames')
    milliseconds = round(1000 / frames_per_second)
    with written_whole(path) as file:
        images[0].save(file, 'gif', save_all=True, append_images=images[1:], duration=milliseconds, loop=0)


def few_colours(image: Image.Image, classes: np.ndarray = PALETTE) -> Image.Image:
    """A palette of 256 colours, as Pillow's ``quantize`` takes it: those of the classes, then the image's own."""
    colours = np.concatenate([classes, DIFFERENCE_PALETTE]).astype(float)
    kept = np.unique(np.concatenate([colours * shade for shade in SHADES]).round().astype(np.uint8), axis=0)
    frequent = image.quantize(256 - len(kept)).getpalette() or []
    palette = Image.new('P', (1, 1))
    palette.putpalette(kept.ravel().tolist() + frequent[: 3 * (256 - len(kept))])
    return palette


def write_mp4(path: str | Path, pictures: Iterable[np.ndarray], frames_per_second: float = 2) -> None:
    """Write (H, W, 3) uint8 RGB pictures as an H.264 video that browsers play.

    Raises:
        ImportError: imageio-ffmpeg, which brings the encoder, is not installed.
        ValueError: there is no picture.
    """
    try:
        import imageio_ffmpeg
    except ImportError:
        raise ImportError('--mp4 needs the package imageio-ffmpeg: pip install imageio-ffmpeg') from None
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f'.{path.stem}.{os.getpid()}.mp4')
    writer = None
    try:
        for picture in same_size(pictures):
            # The encoder halves the colour planes, so both sides must be even.
            picture = np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])
            if writer is None:
                size = (picture.shape[1], picture.shape[0])
                options = {
                    'fps': frames_per_second,
                    'codec': 'libx264',
                    'quality': 8,
                    'macro_block_size': 2,
                    'ffmpeg_log_level': 'error',
                }
                writer = imageio_ffmpeg.write_frames(aside, size, **options, output_params=['-movflags', '+faststart'])
                writer.send(None)
            writer.send(picture)
        if writer is None:
            raise ValueError(f'{path}: no frames')
        writer.close()
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def same_size(pictures: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    """Pictures cut or filled with their first pixel at the bottom to the height of the first."""
    height = None
    for picture in pictures:
        height = height or picture.shape[0]
        missing = max(0, height - picture.shape[0])
        yield np.pad(picture, ((0, missing), (0, 0), (0, 0)), mode='edge')[:height]
