"""A histogram of votes for each voxel: which voxels are occupied, and by which class.

Lidar puts a hundred times as many points on near, facing surfaces as on others, so if points were votes, the nearest
sweep would decide. Each voxel is divided into 4 x 4 x 4 sub-cells, and a class has one vote for each sub-cell with a
point of it: that is about its surface area. Ground is flat and counted as seen from above, by the 4 x 4 columns with a
point of it: noise would double its area where it lies between two layers of sub-cells. More votes win, then more
points, then the lower label. Noise loses against every class.

Where a vehicle and the ground share a voxel, lidar sees the outer side of the wheels but not the inner side, which has
as much surface. Left and right sides of vehicles are alike, so points on one side also count on the other side, in
voxels that hold the vehicle already. Ground counts only by a share there, and the vehicle must have a least number of
sub-cells.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from project.grid import VoxelGrid
from project.labels.aggregation.point_groups import PointGroups
from project.labels.config import DEFAULT, VotingConfig

SPLIT = 4
PARTS = 1000
"""Positions inside a voxel are summed in whole thousandths of its edge: a sum of integers does not depend on the
order."""

NO_KIND, YIELDS, GROUND, SYMMETRIC = range(4)
"""Kinds of labels: noise loses against all others; ground and symmetric vehicles have their own rule."""


class Histogram(NamedTuple):
    """Votes of a grid: for each voxel a chain of entries, one a label. A named tuple of arrays, as numba takes it.

    Attributes:
        heads: (voxels,) uint32 first entry of each voxel, 0 where there is none.
        nexts: (capacity,) uint32 the next entry of the same voxel, 0 at the end.
        labels: (capacity,) uint8 label of the entry.
        cells: (capacity,) uint64 one bit for each sub-cell that holds a point; ground is in the lowest layer.
        mirrored: (capacity,) uint64 the same of points on the other side of their object.
        counts: (capacity,) int32 number of points.
        sums: (capacity, 4) int64 sums of position inside the voxel (thousandths) and intensity; (0, 4) if not wanted.
        used: (2,) int64 number of voxels and of entries so far.
    """

    heads: np.ndarray
    nexts: np.ndarray
    labels: np.ndarray
    cells: np.ndarray
    mirrored: np.ndarray
    counts: np.ndarray
    sums: np.ndarray
    used: np.ndarray


def new_histogram(grid: VoxelGrid, capacity: int, with_sums: bool = False) -> Histogram:
    """A histogram without votes, for at most `capacity` points."""
    # The system provides memory only when it is used, so the capacity may be large.
    nexts, labels, cells, mirrored, counts = (
        np.empty(capacity + 1, dtype) for dtype in (np.uint32, np.uint8, np.uint64, np.uint64, np.int32)
    )
    sums = np.empty((capacity + 1 if with_sums else 0, 4), np.int64)
    heads = np.zeros(grid.size, np.uint32)
    return Histogram(heads, nexts, labels, cells, mirrored, counts, sums, np.zeros(2, np.int64))


def cast(
    histogram: Histogram, grid: VoxelGrid, cloud: PointGroups, window: tuple[int, int], groups: np.ndarray,
    transforms: np.ndarray,
    label_of: np.ndarray, ground: range,
) -> None:  # fmt: skip
    """Cast the votes of some groups of a cloud.

    Args:
        histogram: takes the votes.
        grid: the histogram's grid.
        cloud: the points.
        window: first and last time step, both included.
        groups: (G,) int64 groups of the cloud.
        transforms: (G, 4, 4) float64, grid frame from the frame of each of these groups.
        label_of: (256,) uint8 label of each category.
        ground: categories of ground.
    """
    starts, stops = cloud.starts[groups, window[0]], cloud.starts[groups, window[1] + 1]
    points = cloud.points
    cells_from_group = np.diag([SPLIT, SPLIT, SPLIT, 1.0]) @ grid.voxels_from_frame @ transforms
    _cast(
        histogram,
        points.xyz,
        points.raw,
        points.intensity,
        starts,
        stops,
        cells_from_group,
        grid.shape,
        label_of,
        ground.start,
        ground.stop,
    )


def cast_mirrored(
    histogram: Histogram, grid: VoxelGrid, cloud: PointGroups, window: tuple[int, int], groups: np.ndarray,
    transforms: np.ndarray, label_of: np.ndarray,
) -> None:  # fmt: skip
    """Cast the votes of symmetric objects for the parts of their other side that lidar did not see.

    Args:
        histogram: takes the votes, after all others.
        grid, cloud, window, label_of: as for :func:`cast`.
        groups: (G,) int64 groups, each in the frame of a box whose y points to a side.
        transforms: (G, 4, 4) float64, grid frame from the frame of each.
    """
    starts, stops = cloud.starts[groups, window[0]], cloud.starts[groups, window[1] + 1]
    to_other_side = np.diag([1.0, -1.0, 1.0, 1.0])
    cells_from_group = np.diag([SPLIT, SPLIT, SPLIT, 1.0]) @ grid.voxels_from_frame @ transforms @ to_other_side
    _cast_mirrored(histogram, cloud.points.xyz, cloud.points.raw, starts, stops, cells_from_group, grid.shape, label_of)


def count(
    histogram: Histogram, kinds: np.ndarray, config: VotingConfig = DEFAULT.voting
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the votes and empty the histogram.

    Args:
        histogram: the votes.
        kinds: (256,) uint8 kind of each label.
        config: thresholds.

    Returns:
        (N,) int64 positions of the occupied voxels in ``grid.ravel`` order, ascending; the (N,) uint8 label of each;
        the (N,) int32 entry of the histogram that won, whose sums stay until the next vote.
    """
    n_voxels = histogram.used[0]
    positions, labels = np.empty(n_voxels, np.int64), np.empty(n_voxels, np.uint8)
    entries = np.empty(n_voxels, np.int32)
    _count(histogram, kinds, positions, labels, entries, config.ground_share, config.min_cells)
    return positions, labels, entries


@njit(cache=True, error_model='numpy')
def _cast(histogram, xyz, raw, intensity, starts, stops, transforms, shape, label_of, ground_start, ground_stop):
    heads, nexts, labels, cells, mirrored, counts, sums, used = histogram
    n_voxels, n_entries = used
    with_sums = len(sums) > 0
    nx, ny, nz = shape
    for group in range(len(starts)):
        # Numbers, not elements of arrays, so that they stay in registers.
        m = transforms[group]
        xx, xy, xz, xo = m[0, 0], m[0, 1], m[0, 2], m[0, 3]
        yx, yy, yz, yo = m[1, 0], m[1, 1], m[1, 2], m[1, 3]
        zx, zy, zz, zo = m[2, 0], m[2, 1], m[2, 2], m[2, 3]
        # Unsigned, like entries: numba checks all other indices for negative values.
        for i in range(np.uint64(starts[group]), np.uint64(stops[group])):
            x, y, z = np.float64(xyz[i, 0]), np.float64(xyz[i, 1]), np.float64(xyz[i, 2])
            u = xx * x + xy * y + xz * z + xo
            v = yx * x + yy * y + yz * z + yo
            w = zx * x + zy * y + zz * z + zo
            if not (0 <= u < SPLIT * nx and 0 <= v < SPLIT * ny and 0 <= w < SPLIT * nz):
                continue
            # Not negative here, so truncation is the floor.
            iu, iv, iw = int(u), int(v), int(w)
            voxel = np.uint64((iu // SPLIT * ny + iv // SPLIT) * nz + iw // SPLIT)
            layer = 0 if ground_start <= raw[i] < ground_stop else iw % SPLIT
            bit = (iu % SPLIT * SPLIT + iv % SPLIT) * SPLIT + layer
            label = label_of[raw[i]]
            entry = heads[voxel]
            if entry == 0:
                n_voxels += 1
            while entry != 0 and labels[entry] != label:
                entry = nexts[entry]
            if entry == 0:
                n_entries += 1
                entry = np.uint32(n_entries)
                nexts[entry] = heads[voxel]
                heads[voxel] = entry
                labels[entry], cells[entry], mirrored[entry], counts[entry] = label, 0, 0, 0
                if with_sums:
                    sums[entry] = 0
            cells[entry] |= np.uint64(1) << np.uint64(bit)
            counts[entry] += 1
            if with_sums:
                sums[entry, 0] += int((u / SPLIT - iu // SPLIT) * PARTS)
                sums[entry, 1] += int((v / SPLIT - iv // SPLIT) * PARTS)
                sums[entry, 2] += int((w / SPLIT - iw // SPLIT) * PARTS)
                sums[entry, 3] += intensity[i]
    used[0], used[1] = n_voxels, n_entries


@njit(cache=True, error_model='numpy')
def _cast_mirrored(histogram, xyz, raw, starts, stops, transforms, shape, label_of):
    heads, nexts, labels, mirrored = histogram.heads, histogram.nexts, histogram.labels, histogram.mirrored
    nx, ny, nz = shape
    for group in range(len(starts)):
        m = transforms[group]
        xx, xy, xz, xo = m[0, 0], m[0, 1], m[0, 2], m[0, 3]
        yx, yy, yz, yo = m[1, 0], m[1, 1], m[1, 2], m[1, 3]
        zx, zy, zz, zo = m[2, 0], m[2, 1], m[2, 2], m[2, 3]
        for i in range(np.uint64(starts[group]), np.uint64(stops[group])):
            x, y, z = np.float64(xyz[i, 0]), np.float64(xyz[i, 1]), np.float64(xyz[i, 2])
            u = xx * x + xy * y + xz * z + xo
            v = yx * x + yy * y + yz * z + yo
            w = zx * x + zy * y + zz * z + zo
            if not (0 <= u < SPLIT * nx and 0 <= v < SPLIT * ny and 0 <= w < SPLIT * nz):
                continue
            iu, iv, iw = int(u), int(v), int(w)
            entry = heads[np.uint64((iu // SPLIT * ny + iv // SPLIT) * nz + iw // SPLIT)]
            # A label that is alone in a voxel wins.
            if entry == 0 or nexts[entry] == 0:
                continue
            label = label_of[raw[i]]
            while entry != 0 and labels[entry] != label:
                entry = nexts[entry]
            if entry != 0:
                bit = (iu % SPLIT * SPLIT + iv % SPLIT) * SPLIT + iw % SPLIT
                mirrored[entry] |= np.uint64(1) << np.uint64(bit)


@njit(cache=True, error_model='numpy')
def _count(histogram, kinds, positions, winners, entries, ground_share, min_cells):
    heads, nexts, labels, cells, mirrored, counts, _, used = histogram
    n = 0
    for voxel in range(len(heads)):
        entry = heads[voxel]
        if entry == 0:
            continue
        best, best_area, best_count = entry, -1, 0
        ground, ground_area, vehicle, vehicle_area = 0, -1, 0, -1
        while entry != 0:
            label, points = labels[entry], counts[entry]
            kind = kinds[label]
            area = 0 if kind == YIELDS else _bits(cells[entry])
            equal = area == best_area and points == best_count
            if area > best_area or (area == best_area and points > best_count) or (equal and label < labels[best]):
                best, best_area, best_count = entry, area, points
            if kind == GROUND and (area > ground_area or (area == ground_area and points > counts[ground])):
                ground, ground_area = entry, area
            if kind == SYMMETRIC:
                both_sides = _bits(cells[entry] | mirrored[entry])
                if both_sides > vehicle_area:
                    vehicle, vehicle_area = entry, both_sides
            entry = nexts[entry]
        if ground and vehicle and kinds[labels[best]] >= GROUND:
            best = vehicle if vehicle_area >= ground_share * ground_area + min_cells else ground
        positions[n], winners[n], entries[n] = voxel, labels[best], best
        n += 1
        heads[voxel] = 0
    used[:] = 0


@njit(inline='always', error_model='numpy')
def _bits(cells):
    """Number of bits that are set (Warren, Hacker's Delight, section 5-1)."""
    c = np.uint64(cells)
    c = c - ((c >> np.uint64(1)) & np.uint64(0x5555555555555555))
    c = (c & np.uint64(0x3333333333333333)) + ((c >> np.uint64(2)) & np.uint64(0x3333333333333333))
    c = (c + (c >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((c * np.uint64(0x0101010101010101)) >> np.uint64(56))
