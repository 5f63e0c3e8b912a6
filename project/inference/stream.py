"""Frames of a drive as they come: each is prepared once, and earlier frames are kept as the model needs them."""

from collections import deque
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

LONGEST_GAP_S = 1.5
"""Frames further apart do not follow each other; keyframes of nuScenes come every half second."""


class Moment(NamedTuple):
    """A frame as the test pipeline has prepared it.

    Attributes:
        images: (N, 3, H, W), before they are normalised.
        image_from_grid: (N, 4, 4) float64 projections into these images.
        global_from_grid: (4, 4) float64 pose of the grid's frame.
        number: of the frame, by which the model knows it again.
        timestamp: seconds; None where not known.
    """

    images: Tensor
    image_from_grid: np.ndarray
    global_from_grid: np.ndarray
    number: int
    timestamp: float | None


class Stream:
    """The last frames of a drive, as the queue that a model looks at.

    Args:
        length: number T of frames that the model looks at, the present one included.
    """

    def __init__(self, length: int):
        self.length = length
        self._past: deque[Moment] = deque(maxlen=length - 1)

    def forget(self) -> None:
        """Drop all frames: the next one starts another drive."""
        self._past.clear()

    def starts_with(self, timestamp: float | None) -> bool:
        """Whether a frame of that time starts another drive: it comes before the last one, or long after it.

        A frame without a time follows the one before it.
        """
        before = self._past[-1].timestamp if self._past else None
        return before is not None and timestamp is not None and not 0 < timestamp - before <= LONGEST_GAP_S

    def append(self, moment: Moment) -> None:
        """Add a frame that was predicted."""
        self._past.append(moment)

    def queue(self, moment: Moment, model: Any) -> tuple[Tensor, dict[str, Any]]:
        """Images and metainfo of a frame with those before it; the first one stands in for missing earlier frames.

        Args:
            moment: the frame.
            model: the detector. If it has the volumes of all earlier frames, their images are left out.

        Returns:
            (N, 3, H, W) images for T = 1, or else (K, N, 3, H, W), K being T or 1; and metainfo of T frames, as in
            :mod:`project.datasets.data_sample`.

        Raises:
            ValueError: the images have another size than those before.
        """
        if self.length == 1:
            return moment.images, {'lidar2img': moment.image_from_grid}
        moments = [*self._past, moment]
        if moments[0].images.shape != moment.images.shape:
            before, now = (tuple(each.images.shape[-2:]) for each in (moments[0], moment))
            raise ValueError(f'images of {now} pixels after images of {before}: call forget() before another drive')
        unknown = self.length - len(moments)
        moments = [moments[0]] * unknown + moments
        numbers = [each.number for each in moments]
        keeps = getattr(model, 'keeps', None)
        needed = moments[-1:] if keeps is not None and keeps(numbers[:-1], numbers[-1]) else moments
        return torch.stack([each.images for each in needed]), {
            'lidar2img': np.stack([each.image_from_grid for each in moments]),
            'global_from_grid': np.stack([each.global_from_grid for each in moments]),
            'frame_exists': np.arange(self.length) >= unknown,
            'frame_tokens': numbers,
        }
