"""What earlier frames saw, brought to where it is now."""

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
    """Puts the volumes of earlier frames beside that of the present one.

    Each is moved by the whole rigid motion since then, straight into the present frame: nothing is interpolated twice,
    and what a frame saw does not depend on the frames before it. So a frame that was computed once can be kept, and
    predictions are the same whether it was, in any batch and on any number of devices.

    Args:
        grid: voxels; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        in_channels: of the volumes.
        channels: that remain of an earlier volume.
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
            past: as many volumes of earlier frames as `frames`, oldest first; they get no gradient.
            past_from_present: (B, frames, 4, 4) motion of the grid's frame.
            exists: (B, frames) bool, False for frames before the start of the scene, which then count for nothing.
        """
        parts = [present]
        for index, volume in enumerate(past):
            moved, known = move_volume(self.compress(volume), past_from_present[:, index], self.grid)
            known = (known & exists[:, index, None, None, None])[..., None]
            parts += [torch.where(known, moved, 0).to(present.dtype), known.to(present.dtype)]
        return torch.cat(parts, dim=-1)


def move_volume(volume: Tensor, past_from_present: Tensor, grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """A volume of an earlier moment as seen from the present frame.

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
        # Products and sums, not a matrix product, which may run in TF32.
        moved = rows[..., 0] * x + rows[..., 1] * y + rows[..., 2] * z + rows[..., 3]  # (B, 3, Z, X, Y)
        low, high = grid.minimum, grid.maximum
        shares = [(moved[:, axis] - low[axis]) / (high[axis] - low[axis]) for axis in range(3)]
        inside = torch.stack([(share >= 0) & (share < 1) for share in shares]).all(0)
        places = 2 * torch.stack([shares[1], shares[0], shares[2]], dim=-1) - 1  # grid_sample wants the last axis first
        sampled = grid_sample(volume.movedim(-1, 1).float(), places, padding_mode='border', align_corners=False)
    return sampled.movedim(1, -1), inside


class FrameMemory:
    """Volumes of the frames seen last.

    Args:
        capacity: most frames that are kept; the one that was asked for longest ago goes first.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._volumes: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, frames: Sequence[Hashable], compute: Callable[[list[int]], Tensor]) -> Tensor:
        """(B, ...) volumes of B frames.

        Args:
            frames: what tells a frame from all others.
            compute: makes the (M, ...) volumes of those M of the B frames that are not kept.
        """
        missing = [index for index, frame in enumerate(frames) if frame not in self._volumes]
        found = {frame: self._volumes[frame] for frame in frames if frame in self._volumes}
        if missing:
            found.update(zip((frames[index] for index in missing), compute(missing).clone(), strict=True))
        for frame in frames:
            self._volumes[frame] = found[frame]
            self._volumes.move_to_end(frame)
        while len(self._volumes) > self.capacity:
            self._volumes.popitem(last=False)
        return torch.stack([found[frame] for frame in frames])

    def clear(self) -> None:
        """Forget all of them."""
        self._volumes.clear()
