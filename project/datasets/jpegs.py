"""Images that stay JPEGs until they are where the model runs: loading processes hand over a thirtieth of the bytes.

On a CPU they are decoded as loading processes do it, to the same pixels; on a GPU by nvJPEG, which does not smooth
colours of which the file has fewer samples than pixels, and says nothing of damage in the middle of a file.
"""

import logging
from collections.abc import Sequence
from functools import cache

import torch
from mmengine.logging import print_log
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg

from project.datasets import images
from project.errors import UserError

NOT_OF_THE_FILES = (torch.OutOfMemoryError, torch.AcceleratorError)
"""Errors of the device, which say nothing about the JPEGs."""

Keyframes = Sequence[Sequence[Tensor]]
"""Of each keyframe T N tensors (bytes,) uint8, a JPEG each."""

Files = Sequence[Sequence[Sequence[str]]]
"""Of each keyframe T lists of N files."""


def pixels_of(results: dict, step: object) -> list:
    """The images that a step of the pipeline changes.

    Raises:
        UserError: the pipeline left decoding them to the device.
    """
    if 'jpegs' in results:
        name = type(step).__name__
        also = ', or give this step on_device=True' if hasattr(step, 'on_device') else ''
        raise UserError(
            f'{name} changes pixels, but LoadSurroundImages(decode_on_device=True) leaves decoding to the device: take '
            f'decode_on_device out of the pipeline{also}'
        )
    return results['imgs']


def joined(jpegs: Sequence[bytes]) -> tuple[Tensor, tuple[int, ...]]:
    """Files in one (bytes,) uint8 tensor, one after another, and the length of each: processes pass on one tensor."""
    return torch.frombuffer(bytearray(b''.join(jpegs)), dtype=torch.uint8), tuple(map(len, jpegs))


def in_queue(stacked: Tensor, image_files: Sequence[Sequence[str]]) -> Tensor:
    """(T N, 3, H, W) images of T keyframes as (T, N, 3, H, W); those of one as they are."""
    return stacked.unflatten(0, (len(image_files), -1)) if len(image_files) > 1 else stacked


def decoded_batch(batch: Sequence[Tensor], samples: Sequence, device: torch.device) -> list[Tensor]:
    """The images of a batch: those that are JPEGs decoded on a device, others as and where they are.

    Args:
        batch: of each sample (..., 3, H, W) images, or a (bytes,) tensor of :func:`joined` JPEGs on the CPU.
        samples: data samples, with ``image_files`` and the ``jpeg_lengths`` of such JPEGs in their metainfo.
        device: where to decode. What nvJPEG does not take is decoded on the CPU, and the log says so once.

    Returns:
        Of each sample (N, 3, H, W) or (T, N, 3, H, W), uint8 BGR where they were JPEGs.

    Raises:
        UserError: a JPEG is damaged; the message names its file.
    """
    left = [place for place, content in enumerate(batch) if content.dim() == 1]
    keyframes = [batch[place].split(samples[place].metainfo['jpeg_lengths']) for place in left]
    files = [samples[place].metainfo['image_files'] for place in left]
    result = list(batch)
    for place, stacked, queue in zip(left, _decoded(keyframes, files, device), files, strict=True):
        result[place] = in_queue(stacked, queue)
    return result


def _decoded(keyframes: Keyframes, files: Files, device: torch.device) -> list[Tensor]:
    if not keyframes or device.type != 'cuda':
        return _decoded_here(keyframes, files)
    try:
        return _decoded_by_nvjpeg(keyframes, device)
    except RuntimeError as error:
        if isinstance(error, NOT_OF_THE_FILES):
            raise
        result = _decoded_here(keyframes, files)  # a damaged file ends here
        _say_once(f'images are decoded on the CPU, since the GPU refused them: {error}')
        return result


def _decoded_here(keyframes: Keyframes, files: Files) -> list[Tensor]:
    """Of each keyframe (T N, 3, H, W) uint8 BGR, to the bit as if its loading process had decoded it."""
    result = []
    for jpegs, queue in zip(keyframes, files, strict=True):
        contents = (jpeg.numpy().tobytes() for jpeg in jpegs)
        loaded = images.decoded_images(contents, [file for frame in queue for file in frame])
        result.append(torch.from_numpy(images.one_array(loaded)).permute(0, 3, 1, 2))
    return result


def _decoded_by_nvjpeg(keyframes: Keyframes, device: torch.device) -> list[Tensor]:
    # At once, since the decoder works on several images at a time.
    decoded = decode_jpeg([jpeg for jpegs in keyframes for jpeg in jpegs], ImageReadMode.RGB, device)
    remaining = iter(decoded)
    return [torch.stack([next(remaining) for _ in jpegs]).flip(1) for jpegs in keyframes]


@cache
def _say_once(sentence: str) -> None:
    print_log(sentence, logger='current', level=logging.WARNING)
