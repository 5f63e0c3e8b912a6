"""Voxel grids: the only index arithmetic of the project.

A voxel array is indexed ``[x, y, z]``. A point lies in voxel ``floor((point - minimum) / voxel_size)``; ranges are
half-open, and points outside are dropped, never clipped into the border.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class VoxelGrid:
    """A box of equal cubic voxels in one frame.

    Attributes:
        frame: frame the grid is fixed to, ``'lidar'`` or ``'ego'`` (of a keyframe).
        minimum: lowest corner (x, y, z), metres.
        voxel_size: edge of a voxel along (x, y, z), metres.
        shape: number of voxels along (x, y, z).
    """

    frame: str
    minimum: tuple[float, float, float]
    voxel_size: tuple[float, float, float]
    shape: tuple[int, int, int]

    @classmethod
    def from_range(
        cls, frame: str, extent: tuple[float, ...], voxel_size: float | tuple[float, float, float]
    ) -> 'VoxelGrid':
        """Build a grid from ``(x_min, y_min, z_min, x_max, y_max, z_max)`` and a voxel size, all in metres.

        Raises:
            ValueError: a number is not finite, or the extent is empty or not a whole number of voxels along some axis.
        """
        minimum, maximum = np.asarray(extent[:3], float), np.asarray(extent[3:], float)
        size = np.broadcast_to(np.asarray(voxel_size, float), 3)
        if not (np.isfinite([*extent, *size]).all() and (size > 0).all()):
            raise ValueError(
                f'range {tuple(extent)} and voxels of {tuple(size.tolist())} m must be finite, voxels larger than 0'
            )
        cells = (maximum - minimum) / size
        shape = np.rint(cells).astype(int)
        if (shape < 1).any() or np.abs(cells - shape).max() > 1e-6:
            raise ValueError(f'range {tuple(extent)} is not a whole number of {tuple(size.tolist())} m voxels')
        return cls(frame, tuple(minimum.tolist()), tuple(size.tolist()), tuple(shape.tolist()))

    @classmethod
    def of(cls, grid: 'VoxelGrid | dict') -> 'VoxelGrid':
        """A grid as it is, or from the arguments of :meth:`from_range`."""
        return grid if isinstance(grid, VoxelGrid) else cls.from_range(**grid)

    @property
    def maximum(self) -> tuple[float, float, float]:
        """Highest corner (x, y, z), metres; not part of the grid."""
        # A voxel size such as 102.4 / 12 is not exact in binary; the range it came from is.
        x, y, z = (round(self.minimum[i] + self.shape[i] * self.voxel_size[i], 9) for i in range(3))
        return x, y, z

    @property
    def extent(self) -> tuple[float, ...]:
        """``(x_min, y_min, z_min, x_max, y_max, z_max)``, metres."""
        return self.minimum + self.maximum

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def voxels_from_frame(self) -> np.ndarray:
        """(4, 4) float64 from the grid's frame, metres, to units of voxels from the lowest corner."""
        transform = np.diag([*(1 / np.array(self.voxel_size)), 1.0])
        transform[:3, 3] = -np.array(self.minimum) / self.voxel_size
        return transform

    def voxel_indices(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Voxels that points fall into.

        Args:
            points: (N, 3) or wider float, this grid's frame, metres; further columns are ignored.

        Returns:
            (M, 3) int32 voxel indices of the M points that lie inside, and the (N,) bool mask that selects them.
            A point with a coordinate that is not finite lies outside.
        """
        with np.errstate(invalid='ignore'):
            cells = np.floor((points[:, :3].astype(np.float64) - self.minimum) / self.voxel_size)
            inside = ((cells >= 0) & (cells < self.shape)).all(axis=1)
        return cells[inside].astype(np.int32), inside

    def centres(self, indices: np.ndarray | None = None) -> np.ndarray:
        """Centres of voxels, metres: (N, 3) float64 for (N, 3) indices, (X, Y, Z, 3) for the whole grid."""
        if indices is None:
            indices = np.moveaxis(np.indices(self.shape), 0, -1)
        return np.asarray(self.minimum) + (indices + 0.5) * self.voxel_size

    def layers_of(self, finer: 'VoxelGrid') -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Along each axis the layer of this grid that holds the centre of each layer of a finer one, -1 for none.

        Returns:
            Three int64 arrays x, y, z of lengths ``finer.shape``: voxel ``(i, j, k)`` of the finer grid is in voxel
            ``(x[i], y[j], z[k])`` of this one.
        """

        def along(axis: int) -> np.ndarray:
            centres = finer.minimum[axis] + (np.arange(finer.shape[axis]) + 0.5) * finer.voxel_size[axis]
            # A centre on a border belongs above it, also if rounding puts it slightly below.
            layer = np.floor((centres - self.minimum[axis]) / self.voxel_size[axis] + 1e-9).astype(np.int64)
            return np.where((layer >= 0) & (layer < self.shape[axis]), layer, -1)

        return along(0), along(1), along(2)

    def within(self, other: 'VoxelGrid') -> np.ndarray:
        """(X, Y, Z) bool, which voxels lie wholly in the range of another grid of the same frame."""
        inside = []
        for axis in range(3):
            borders = self.minimum[axis] + np.arange(self.shape[axis] + 1) * self.voxel_size[axis]
            fits = (borders > other.minimum[axis] - 1e-6) & (borders < other.maximum[axis] + 1e-6)
            inside.append(fits[:-1] & fits[1:])
        return inside[0][:, None, None] & inside[1][:, None] & inside[2]

    def ravel(self, indices: np.ndarray) -> np.ndarray:
        """(N, 3) voxel indices as (N,) int64 positions in the flattened ``[x, y, z]`` array."""
        x, y, z = (indices[:, axis].astype(np.int64) for axis in range(3))
        return (x * self.shape[1] + y) * self.shape[2] + z

    def unravel(self, positions: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`ravel`: (N,) positions as (N, 3) int32 voxel indices."""
        # Divisions by one number take a fraction of those of np.unravel_index.
        columns = positions // self.shape[2]
        x = columns // self.shape[1]
        indices = np.empty((len(positions), 3), np.int32)
        indices[:, 0], indices[:, 1], indices[:, 2] = (
            x,
            columns - x * self.shape[1],
            positions - columns * self.shape[2],
        )
        return indices

    def dense(self, indices: np.ndarray, values: np.ndarray, fill: int) -> np.ndarray:
        """Array of shape ``self.shape + values.shape[1:]`` that holds values at voxels and `fill` elsewhere.

        Args:
            indices: (N, 3) voxel indices, each at most once.
            values: (N, ...) one value a voxel; its dtype is kept.
            fill: value of all other voxels.
        """
        array = np.full(self.shape + values.shape[1:], fill, values.dtype)
        array[tuple(indices.T)] = values
        return array
