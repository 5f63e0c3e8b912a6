"""The user's own grids, as given on the command line."""

from collections.abc import Sequence

import numpy as np

from project.errors import UserError
from project.formats.voxels import FRAMES, MOST_ALONG, MOST_VOXELS
from project.grid import VoxelGrid
from project.labels.config import DEFAULT, TileConfig


def grid_of_words(words: Sequence[str], kept: TileConfig = DEFAULT.tiles) -> VoxelGrid:
    """The grid given by eight words: lowest corner, highest corner and voxel size in metres, and the frame.

    Args:
        words: e.g. ``-20 -20 -3 20 20 3 0.1 lidar``, split.
        kept: the region in which points are kept.

    Raises:
        UserError: it is no grid that labels can be made or stored on.
    """
    *numbers, frame = words
    option = f'--grid {" ".join(words)}'
    try:
        *extent, size = map(float, numbers)
        grid = VoxelGrid.from_range(frame, tuple(extent), size)
    except (ValueError, OverflowError) as error:
        raise UserError(f'{option}: {error}') from None
    if frame not in FRAMES:
        raise UserError(f'{option}: the frame is "{frame}"; it must be lidar or ego')
    if max(grid.shape) > MOST_ALONG or grid.size > MOST_VOXELS:
        raise UserError(
            f'{option}: has {grid.size:,} voxels, {max(grid.shape):,} along one axis; at most {MOST_VOXELS:,} and '
            f'{MOST_ALONG:,} can be labelled: choose larger voxels or a smaller extent'
        )
    corner, height_m = np.abs([grid.minimum, grid.maximum]).max(axis=0), kept.height_m - 1
    far_m = float(np.hypot(*corner[:2]))
    if far_m > kept.reach_m or corner[2] > height_m:
        raise UserError(
            f'{option}: reaches {far_m:.0f} m far and {corner[2]:.0f} m high; points are kept up to {kept.reach_m:g} m '
            f'around the car and {height_m:g} m above and below it'
        )
    return grid
