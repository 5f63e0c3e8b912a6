"""Range noise is taken off flat surfaces.

A wall lies within a few millimetres of the mean of its points, while single points stray by centimetres, and each that
strays across the face of a voxel occupies a voxel too many. So the points of one class in each cell of half a metre are
laid onto the plane through them, where they form one; kerbs, poles and leaves do not and stay as they are.
"""

import numpy as np
from numba import njit

from project.labels.aggregation.boxes import MARGIN_M
from project.labels.aggregation.point_groups import PointGroups
from project.labels.aggregation.tiles import CELL_M as DOMAIN_CELL_M
from project.labels.aggregation.tiles import TILE_M, TileMap
from project.taxonomy import RAW_NAMES

CELL_M = 0.5
"""Edge of the cells in which a surface may pass for flat."""

MIN_POINTS = 8
"""Fewer points tell nothing about a plane."""

MAX_THICKNESS_M = 0.04
"""Root mean square distance from the plane up to which points are taken for noise around it; lidar has about 2 cm."""

LEAST_OBJECT_M = 1.0
"""Objects no longer than this, such as pedestrians and cones, have no flat parts of the size of a cell."""

_RAW_LEAVES = RAW_NAMES.index('static.vegetation')


def clean_static(cloud: PointGroups, tile_map: TileMap) -> None:
    """Take range noise off the static world, in place; its groups are the tiles of the tile_map."""
    corners = np.column_stack([tile_map.centres - TILE_M / 2, np.full(len(tile_map.centres), tile_map.origin[2])])
    extent = np.array([TILE_M, TILE_M, tile_map.height * DOMAIN_CELL_M])
    _clean(cloud, np.arange(len(corners)), corners, extent)


def clean_objects(cloud: PointGroups, sizes: np.ndarray) -> None:
    """Take range noise off objects, in place; its groups are tracks with boxes of at most (T, 3) sizes."""
    large = np.flatnonzero(sizes[:, :2].max(axis=1, initial=0) > LEAST_OBJECT_M)
    sizes = sizes[large] + 2 * MARGIN_M
    _clean(cloud, large, -sizes / 2, sizes.max(axis=0, initial=0))


def _clean(cloud: PointGroups, groups: np.ndarray, corners: np.ndarray, extent: np.ndarray) -> None:
    starts, stops = cloud.starts[groups, 0], cloud.starts[groups, -1]
    if (stops - starts).max(initial=0):
        shape = np.ceil(extent / CELL_M).astype(np.int64)
        _lay_onto_planes(cloud.points.xyz, cloud.points.raw, starts, stops, corners, shape)


@njit(cache=True, error_model='numpy')
def _lay_onto_planes(xyz, raw, starts, stops, corners, shape):
    # Lidarseg indices 24-31, and those of any one object, differ in their lowest three bits.
    slots = np.full((shape[0] * shape[1] * shape[2], 8), -1, np.int32)
    largest = (stops - starts).max()
    slot_of_point = np.empty(largest, np.int32)
    used = np.empty((largest, 2), np.int32)
    sums = np.empty((largest, 10), np.int64)
    planes = np.empty((largest, 4))
    for group in range(len(starts)):
        n = 0
        for i in range(starts[group], stops[group]):
            cell, x, y, z = _cell(xyz[i], corners[group], shape)
            code = raw[i] & 7
            slot = slots[cell, code]
            if slot < 0:
                slot = slots[cell, code] = n
                used[n, 0], used[n, 1] = cell, code
                sums[n] = 0
                n += 1
            slot_of_point[i - starts[group]] = slot if raw[i] != _RAW_LEAVES else -1
            _add(sums[slot], x, y, z)
        for slot in range(n):
            slots[used[slot, 0], used[slot, 1]] = -1
            _fit(sums[slot], planes[slot])
        for i in range(starts[group], stops[group]):
            slot = slot_of_point[i - starts[group]]
            if slot < 0:
                continue
            plane = planes[slot]
            _, x, y, z = _cell(xyz[i], corners[group], shape)
            off = (plane[0] * x + plane[1] * y + plane[2] * z - plane[3]) / 1000
            for axis in range(3):
                xyz[i, axis] -= off * plane[axis]


@njit(inline='always', error_model='numpy')
def _add(s, x, y, z):
    """Add whole millimetres to sums of x, y, z, xx, xy, xz, yy, yz, zz and the count: the same in any order."""
    s[0] += x
    s[1] += y
    s[2] += z
    s[3] += x * x
    s[4] += x * y
    s[5] += x * z
    s[6] += y * y
    s[7] += y * z
    s[8] += z * z
    s[9] += 1


@njit(inline='always', error_model='numpy')
def _cell(point, corner, shape):
    """Cell of a point within its group, and its whole millimetres from the cell's corner."""
    x, y, z = point[0] - corner[0], point[1] - corner[1], point[2] - corner[2]
    # Points of an object may lie a hair outside of its largest box.
    cx = min(max(int(x / CELL_M), 0), shape[0] - 1)
    cy = min(max(int(y / CELL_M), 0), shape[1] - 1)
    cz = min(max(int(z / CELL_M), 0), shape[2] - 1)
    mx, my, mz = 1000 * (x - cx * CELL_M), 1000 * (y - cy * CELL_M), 1000 * (z - cz * CELL_M)
    return (cx * shape[1] + cy) * shape[2] + cz, int(np.rint(mx)), int(np.rint(my)), int(np.rint(mz))


@njit(inline='always', error_model='numpy')
def _fit(s, plane):
    """Plane (unit normal and distance from the cell's corner, millimetres) through summed points; normal 0 if none."""
    plane[:] = 0
    n = s[9]
    if n < MIN_POINTS:
        return
    mx, my, mz = s[0] / n, s[1] / n, s[2] / n
    xx, xy, xz = s[3] / n - mx * mx, s[4] / n - mx * my, s[5] / n - mx * mz
    yy, yz, zz = s[6] / n - my * my, s[7] / n - my * mz, s[8] / n - mz * mz
    covariance = np.array(((xx, xy, xz), (xy, yy, yz), (xz, yz, zz)))
    values, vectors = np.linalg.eigh(covariance)
    # A plane is thin, and wider than thick in both of its directions.
    if values[0] > (1000 * MAX_THICKNESS_M) ** 2 or values[1] < 4 * values[0]:
        return
    for axis in range(3):
        plane[axis] = vectors[axis, 0]
    plane[3] = plane[0] * mx + plane[1] * my + plane[2] * mz
