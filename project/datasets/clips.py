"""The sampler for batches of consecutive keyframes."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from mmdet3d.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler


class HasScenes(Protocol):
    """A dataset that knows which of its keyframes follow each other."""

    def scenes(self) -> Sequence[Sequence[int]]:
        """Indices of the keyframes of each scene, in order of time."""
        ...


@DATA_SAMPLERS.register_module()
class OccupancyClipSampler(Sampler):
    """Clips of consecutive keyframes in random order, so that a batch holds the earlier frames of most of its samples.

    An epoch divides each scene into clips that begin at another keyframe each time, and every keyframe is in one or
    two of them. Clips reach to the ends of a scene, so the keyframes there come more often than others; a scene that is
    shorter than a clip is filled up with its last keyframe. All clips are equally long, and several processes take them
    in turns: with batches that are a multiple of a clip, the clips of a step do not depend on the number of processes.

    Args:
        dataset: has ``scenes()``.
        length: number of keyframes of a clip.
        seed: of the order, together with the epoch that ``set_epoch`` chooses.

    Raises:
        ValueError: a clip is shorter than two keyframes, or the dataset does not know its scenes.
    """

    def __init__(self, dataset: HasScenes, length: int, seed: int = 0):
        if length < 2:
            raise ValueError(f'OccupancyClipSampler: length={length}; a clip has at least two keyframes')
        if not hasattr(dataset, 'scenes'):
            raise ValueError(
                f'OccupancyClipSampler: {type(dataset).__name__} does not know its scenes; '
                'NuScenesOccupancyDataset does, where no other dataset is around it'
            )
        self.length, self.seed, self.epoch = length, seed, 0
        self._scenes = [np.asarray(scene) for scene in dataset.scenes()]
        self._rank, self._world_size = get_dist_info()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        clips = self.clips()
        clips = np.resize(clips, (self._clips_each * self._world_size, self.length))  # begins again where some lack
        return iter(clips[self._rank :: self._world_size].flatten().tolist())

    def __len__(self) -> int:
        return self._clips_each * self.length

    def clips(self) -> np.ndarray:
        """(C, length) int64 indices of keyframes, the clips of all processes in this epoch."""
        rng = np.random.default_rng((self.seed, self.epoch))
        clips = [clip for scene in self._scenes for clip in self._clips_of(scene, rng)]
        return np.stack(clips)[rng.permutation(len(clips))]

    def _clips_of(self, scene: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        first = np.arange(self._count(scene)) * self.length - rng.integers(self.length)
        first = first.clip(0, max(len(scene) - self.length, 0))
        return [scene[(start + np.arange(self.length)).clip(max=len(scene) - 1)] for start in first]

    def _count(self, scene: np.ndarray) -> int:
        """Clips that reach both ends of a scene wherever the first one begins."""
        return -(-(len(scene) + self.length - 1) // self.length)

    @property
    def _clips_each(self) -> int:
        return -(-sum(map(self._count, self._scenes)) // self._world_size)
