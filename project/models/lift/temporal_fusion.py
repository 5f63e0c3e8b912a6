"""Temporal fusion: volumes of earlier frames, warped into the present frame."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.grid import VoxelGrid
from project.models.ops.warp import warp


@MODELS.register_module()
class OccupancyHistory(nn.Module):
    """Concatenates the volumes of earlier frames with that of the present one.

    Each volume is moved by the whole rigid motion directly into the present frame: nothing is interpolated twice, and
    the volume of a frame does not depend on the frames before it. So volumes can be cached, and predictions are the
    same with or without the cache, in any batch and on any number of devices.

    Args:
        grid: voxels; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        in_channels: of the volumes.
        channels: number of channels that an earlier volume is reduced to.
        frames: number of earlier frames, one less than the dataset's ``queue_length``.
    """

    def __init__(self, grid: VoxelGrid | dict, in_channels: int, channels: int = 32, frames: int = 2):
        super().__init__()
        self.grid, self.frames = VoxelGrid.of(grid), frames
        self.compress = nn.Linear(in_channels, channels)
        self.out_channels = in_channels + frames * (channels + 1)

    def forward(self, present: Tensor, past: Sequence[Tensor], past_from_present: Tensor, exists: Tensor) -> Tensor:
        """(B, Z, X, Y, out_channels).

        Args:
            present: (B, Z, X, Y, C) volume of this frame.
            past: volumes of `frames` earlier frames, oldest first; they get no gradient.
            past_from_present: (B, frames, 4, 4) motion of the grid's frame.
            exists: (B, frames) bool, False for frames before the start of the scene, which are ignored.
        """
        compressed = torch.stack([self.compress(volume) for volume in past], dim=1).flatten(0, 1)
        rows = torch.arange(len(compressed), device=present.device).unflatten(0, exists.shape)
        return self._fused(present, compressed, rows, past_from_present, exists)

    def within(self, present: Tensor, rows: Tensor, past_from_present: Tensor, exists: Tensor) -> Tensor:
        """The same where the earlier frames are samples of the same batch, which then get gradients.

        Args:
            present: (B, Z, X, Y, C) volumes of a batch.
            rows: (B, frames) int64, which of them are the earlier frames of each, oldest first.
            past_from_present, exists: as in ``forward``; frames that are not in the batch do not exist.
        """
        return self._fused(present, self.compress(present), rows, past_from_present, exists)

    def _fused(self, present: Tensor, compressed: Tensor, rows: Tensor, motions: Tensor, exists: Tensor) -> Tensor:
        moved = warp(compressed, rows, motions, exists, self.grid)
        return torch.cat([present, moved.flatten(-2).to(present.dtype)], dim=-1)


class FrameMemory:
    """A cache of the volumes of recent frames.

    Args:
        capacity: largest number of cached frames; the least recently used is dropped first.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._volumes: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, frames: Sequence[Hashable], compute: Callable[[list[int]], Tensor]) -> Tensor:
        """(B, ...) volumes of B frames.

        Args:
            frames: names of frames; one that occurs several times is computed once.
            compute: computes the (M, ...) volumes of the M frames that are not cached.
        """
        first = {frame: index for index, frame in reversed(list(enumerate(frames)))}
        missing = sorted(index for frame, index in first.items() if frame not in self._volumes)
        found = {frame: self._volumes[frame] for frame in frames if frame in self._volumes}
        if missing:
            found.update(zip((frames[index] for index in missing), compute(missing).clone(), strict=True))
        for frame in frames:
            self._volumes[frame] = found[frame]
            self._volumes.move_to_end(frame)
        while len(self._volumes) > self.capacity:
            self._volumes.popitem(last=False)
        return torch.stack([found[frame] for frame in frames])

    def __contains__(self, frame: Hashable) -> bool:
        return frame in self._volumes

    def clear(self) -> None:
        """Drop all volumes."""
        self._volumes.clear()
