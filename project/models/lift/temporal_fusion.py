"""Temporal fusion: volumes of earlier frames, warped into the present frame."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from project.grid import VoxelGrid
from project.models.ops.pull import axis_centres


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
        return self._fused(present, [self.compress(volume) for volume in past], past_from_present, exists)

    def within(self, present: Tensor, rows: Tensor, past_from_present: Tensor, exists: Tensor) -> Tensor:
        """The same where the earlier frames are samples of the same batch, which then get gradients.

        Args:
            present: (B, Z, X, Y, C) volumes of a batch.
            rows: (B, frames) int64, which of them are the earlier frames of each, oldest first.
            past_from_present, exists: as in ``forward``; frames that are not in the batch do not exist.
        """
        compressed = self.compress(present)
        past = [compressed[rows[:, index]] for index in range(self.frames)]
        return self._fused(present, past, past_from_present, exists)

    def _fused(self, present: Tensor, past: Sequence[Tensor], past_from_present: Tensor, exists: Tensor) -> Tensor:
        parts = [present]
        for index, volume in enumerate(past):
            moved, known = move_volume(volume, past_from_present[:, index], self.grid)
            known = (known & exists[:, index, None, None, None])[..., None]
            parts += [torch.where(known, moved, 0).to(present.dtype), known.to(present.dtype)]
        return torch.cat(parts, dim=-1)


def move_volume(volume: Tensor, past_from_present: Tensor, grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """Warp the volume of an earlier frame into the present frame.

    Args:
        volume: (B, Z, X, Y, C), the grid's frame at the earlier moment.
        past_from_present: (B, 4, 4) motion of the grid's frame, float32.
        grid: voxels of both moments.

    Returns:
        (B, Z, X, Y, C) float32 features, trilinear between the centres of voxels, and (B, Z, X, Y) bool: the voxel's
        centre lay inside the grid.
    """
    with torch.autocast(volume.device.type, enabled=False):
        axes = [axis_centres(grid, axis, volume.device) for axis in range(3)]
        z, x, y = torch.meshgrid(axes[2], axes[0], axes[1], indexing='ij')
        rows = past_from_present.float()[:, :3, None, None, None]  # (B, 3, 1, 1, 1, 4)
        # Products and sums instead of a matrix product, which may run in TF32.
        moved = rows[..., 0] * x + rows[..., 1] * y + rows[..., 2] * z + rows[..., 3]  # (B, 3, Z, X, Y)
        low, high = grid.minimum, grid.maximum
        shares = [(moved[:, axis] - low[axis]) / (high[axis] - low[axis]) for axis in range(3)]
        inside = torch.stack([(share >= 0) & (share < 1) for share in shares]).all(0)
        places = 2 * torch.stack([shares[1], shares[0], shares[2]], dim=-1) - 1  # grid_sample wants the last axis first
        sampled = grid_sample(volume.movedim(-1, 1).float(), places, padding_mode='border', align_corners=False)
    return sampled.movedim(1, -1), inside


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
