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

SPLIT_BITS = 2
SPLIT = 1 << SPLIT_BITS
PARTS = 1000
"""Positions inside a voxel are summed in whole thousandths of its edge: a sum of integers does not depend on the
order."""

WORD = 64
"""Voxels that share a word of bits: of the ten million voxels of a grid, a hundred thousand are occupied."""

CHUNK = 1024
"""Points that are transformed together, so that the processor works on several at once."""

NO_KIND, YIELDS, GROUND, SYMMETRIC = range(4)
"""Kinds of labels: noise loses against all others; ground and symmetric vehicles have their own rule."""


ENTRY = np.dtype([('cells', 'u8'), ('mirrored', 'u8'), ('next', 'u4'), ('points', 'i4'), ('label', 'u1')], align=True)
"""Votes for one label in one voxel; side by side, since they are used together:

- cells: one bit for each sub-cell that holds a point; ground is in the lowest layer.
- mirrored: the same of points on the other side of their object.
- next: the next entry of the same voxel, 0 at the end.
- points: number of points.
- label: the label.
"""


class Histogram(NamedTuple):
    """Votes of a grid: for each voxel a chain of entries, one a label. A named tuple of arrays, as numba takes it.

    Attributes:
        heads: (voxels,) uint32 first entry of each voxel, 0 where there is none.
        occupied: (words,) uint64 one bit for each voxel that has an entry.
        entries: (capacity,) :data:`ENTRY`.
        sums: (capacity, 4) int64 sums of position inside the voxel (thousandths) and intensity; (0, 4) if not wanted.
        used: (2,) int64 number of voxels and of entries so far.
    """

    heads: np.ndarray
    occupied: np.ndarray
    entries: np.ndarray
    sums: np.ndarray
    used: np.ndarray


def new_histogram(grid: VoxelGrid, capacity: int, with_sums: bool = False) -> Histogram:
    """A histogram without votes, for at most `capacity` points."""
    # The system provides memory only when it is used, so the capacity may be large.
    entries = np.empty(capacity + 1, ENTRY)
    sums = np.empty((capacity + 1 if with_sums else 0, 4), np.int64)
    heads, occupied = np.zeros(grid.size, np.uint32), np.zeros(-(-grid.size // WORD), np.uint64)
    return Histogram(heads, occupied, entries, sums, np.zeros(2, np.int64))


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


class _Chunk(NamedTuple):
    """Points of a group in sub-cells of the grid: x, y, z (CHUNK,) float64, and their whole parts u, v, w int32; u is
    -1 for a point outside."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    u: np.ndarray
    v: np.ndarray
    w: np.ndarray


@njit(error_model='numpy')
def _new_chunk():
    return _Chunk(
        np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK),
        np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32),
    )  # fmt: skip


@njit(error_model='numpy')
def _fill_chunk(chunk, xyz, start, stop, transform, shape):
    """Transform the points from start to stop; two loops without branches, which compilers turn into vector code."""
    x, y, z, u, v, w = chunk
    m = transform
    xx, xy, xz, xo = m[0, 0], m[0, 1], m[0, 2], m[0, 3]
    yx, yy, yz, yo = m[1, 0], m[1, 1], m[1, 2], m[1, 3]
    zx, zy, zz, zo = m[2, 0], m[2, 1], m[2, 2], m[2, 3]
    width, depth, height = float(SPLIT * shape[0]), float(SPLIT * shape[1]), float(SPLIT * shape[2])
    for j in range(stop - start):
        # Unsigned: numba checks all other indices for negative values.
        i = np.uint64(start) + np.uint64(j)
        x[j], y[j], z[j] = xyz[i, 0], xyz[i, 1], xyz[i, 2]
    for j in range(stop - start):
        a, b, c = x[j], y[j], z[j]
        x[j] = xx * a + xy * b + xz * c + xo
        y[j] = yx * a + yy * b + yz * c + yo
        z[j] = zx * a + zy * b + zz * c + zo
        inside = (x[j] >= 0) & (x[j] < width) & (y[j] >= 0) & (y[j] < depth) & (z[j] >= 0) & (z[j] < height)
        # Not negative inside, so truncation is the floor.
        u[j], v[j], w[j] = np.int32(x[j]) if inside else np.int32(-1), np.int32(y[j]), np.int32(z[j])


@njit(inline='always', error_model='numpy')
def _voxel(u, v, w, shape):
    return np.uint64((np.int64(u >> SPLIT_BITS) * shape[1] + (v >> SPLIT_BITS)) * shape[2] + (w >> SPLIT_BITS))


@njit(inline='always', error_model='numpy')
def _sub_cell(u, v, layer):
    last = SPLIT - 1
    return np.uint64(1) << np.uint64(((u & last) * SPLIT + (v & last)) * SPLIT + (layer & last))


@njit(cache=True, error_model='numpy')
def _cast(histogram, xyz, raw, intensity, starts, stops, transforms, shape, label_of, ground_start, ground_stop):
    heads, occupied, entries, sums, used = histogram
    n_voxels, n_entries = used
    with_sums = len(sums) > 0
    chunk = _new_chunk()
    x, y, z, iu, iv, iw = chunk
    for group in range(len(starts)):
        for start in range(starts[group], stops[group], CHUNK):
            stop = min(start + CHUNK, stops[group])
            _fill_chunk(chunk, xyz, start, stop, transforms[group], shape)
            for j in range(stop - start):
                if iu[j] < 0:
                    continue
                i, u, v, w = np.uint64(start) + np.uint64(j), iu[j], iv[j], iw[j]
                voxel, label = _voxel(u, v, w, shape), label_of[raw[i]]
                entry = heads[voxel]
                if entry == 0:
                    n_voxels += 1
                    occupied[voxel // np.uint64(WORD)] |= np.uint64(1) << (voxel % np.uint64(WORD))
                while entry != 0 and entries[entry].label != label:
                    entry = entries[entry].next
                if entry == 0:
                    n_entries += 1
                    entry = np.uint32(n_entries)
                    new = entries[entry]
                    new.label, new.cells, new.mirrored, new.points, new.next = label, 0, 0, 0, heads[voxel]
                    heads[voxel] = entry
                    if with_sums:
                        sums[entry] = 0
                votes = entries[entry]
                votes.cells |= _sub_cell(u, v, 0 if ground_start <= raw[i] < ground_stop else w)
                votes.points += 1
                if with_sums:
                    sums[entry, 0] += int((x[j] / SPLIT - (u >> SPLIT_BITS)) * PARTS)
                    sums[entry, 1] += int((y[j] / SPLIT - (v >> SPLIT_BITS)) * PARTS)
                    sums[entry, 2] += int((z[j] / SPLIT - (w >> SPLIT_BITS)) * PARTS)
                    sums[entry, 3] += intensity[i]
    used[0], used[1] = n_voxels, n_entries


@njit(cache=True, error_model='numpy')
def _cast_mirrored(histogram, xyz, raw, starts, stops, transforms, shape, label_of):
    heads, entries = histogram.heads, histogram.entries
    chunk = _new_chunk()
    iu, iv, iw = chunk.u, chunk.v, chunk.w
    for group in range(len(starts)):
        for start in range(starts[group], stops[group], CHUNK):
            stop = min(start + CHUNK, stops[group])
            _fill_chunk(chunk, xyz, start, stop, transforms[group], shape)
            for j in range(stop - start):
                if iu[j] < 0:
                    continue
                entry = heads[_voxel(iu[j], iv[j], iw[j], shape)]
                # A label that is alone in a voxel wins.
                if entry == 0 or entries[entry].next == 0:
                    continue
                label = label_of[raw[np.uint64(start) + np.uint64(j)]]
                while entry != 0 and entries[entry].label != label:
                    entry = entries[entry].next
                if entry != 0:
                    votes = entries[entry]
                    votes.mirrored |= _sub_cell(iu[j], iv[j], iw[j])


@njit(cache=True, error_model='numpy')
def _count(histogram, kinds, positions, winners, chosen, ground_share, min_cells):
    heads, occupied, entries, used = histogram.heads, histogram.occupied, histogram.entries, histogram.used
    n = 0
    for word in range(len(occupied)):
        left = occupied[word]
        while left:
            lowest = left & (~left + np.uint64(1))
            voxel = word * WORD + _bits(lowest - np.uint64(1))
            positions[n], chosen[n] = voxel, heads[voxel]
            n += 1
            heads[voxel] = 0
            left ^= lowest
        occupied[word] = 0
    # A loop of its own: the processor fetches the heads of many voxels at once, as no winner has to be waited for.
    for i in range(n):
        chosen[i] = _winner(entries, chosen[i], kinds, ground_share, min_cells)
        winners[i] = entries[chosen[i]].label
    used[:] = 0


@njit(error_model='numpy')
def _winner(entries, entry, kinds, ground_share, min_cells):
    """The entry that wins among those of a voxel, of which `entry` is the first."""
    best, best_area, best_points = entry, -1, 0
    ground, ground_area, vehicle, vehicle_area = 0, -1, 0, -1
    while entry != 0:
        votes = entries[entry]
        kind, points = kinds[votes.label], votes.points
        area = 0 if kind == YIELDS else _bits(votes.cells)
        equal = area == best_area and points == best_points
        lower = equal and votes.label < entries[best].label
        if area > best_area or (area == best_area and points > best_points) or lower:
            best, best_area, best_points = entry, area, points
        if kind == GROUND and (area > ground_area or (area == ground_area and points > entries[ground].points)):
            ground, ground_area = entry, area
        if kind == SYMMETRIC:
            both_sides = _bits(votes.cells | votes.mirrored)
            if both_sides > vehicle_area:
                vehicle, vehicle_area = entry, both_sides
        entry = votes.next
    if ground and vehicle and kinds[entries[best].label] >= GROUND:
        best = vehicle if vehicle_area >= ground_share * ground_area + min_cells else ground
    return best


@njit(inline='always', error_model='numpy')
def _bits(cells):
    """Number of bits that are set (Warren, Hacker's Delight, section 5-1)."""
    c = np.uint64(cells)
    c = c - ((c >> np.uint64(1)) & np.uint64(0x5555555555555555))
    c = (c & np.uint64(0x3333333333333333)) + ((c >> np.uint64(2)) & np.uint64(0x3333333333333333))
    c = (c + (c >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((c * np.uint64(0x0101010101010101)) >> np.uint64(56))
