"""Step 4, clean: range noise is taken off flat surfaces.

A wall or a road lies within a millimetre or two of the mean of its points, while single points stray by several
centimetres, and every one that strays across the face of a voxel occupies a voxel too many. So the points of one class in
each cell of half a metre are laid onto the plane through them, where they form one; kerbs, leaves and poles do not and stay
as they are.
"""

import numpy as np
from numba import njit

from project.labels.cloud import Cloud

CELL_M = 0.5
"""Edge of the cells in which a surface may pass for flat."""

MIN_POINTS = 8
"""Fewer points tell nothing about a plane."""

MAX_THICKNESS_M = 0.04
"""Root mean square distance from the plane up to which points are taken for noise around it; lidar has about 2 cm."""


def flatten(cloud: Cloud, corners: np.ndarray, size_m: float) -> None:
    """Lay the points of a cloud onto their planes, in place.

    Args:
        cloud: points in groups that each fill a box, such as tiles.
        corners: (G, 3) float64 lowest corner of each group, in the frame of the points.
        size_m: edge of the groups along x and y.
    """
    points = cloud.points
    heights = np.array([0.0])
    if len(points.raw):
        heights = points.xyz[:, 2].max(keepdims=True) - corners[:, 2].min(keepdims=True)
    shape = np.array([np.ceil(size_m / CELL_M), np.ceil(size_m / CELL_M), np.floor(heights[0] / CELL_M) + 1]).astype(np.int64)
    _flatten(points.xyz, points.raw, cloud.starts[:, 0], cloud.starts[:, -1], corners, shape)


@njit(cache=True, error_model='numpy')
def _flatten(xyz, raw, starts, stops, corners, shape):
    slots = np.full((shape[0] * shape[1] * shape[2], 8), -1, np.int32)
    largest = (stops - starts).max()
    slot_of_point = np.empty(largest, np.int32)
    # Of each cell and class: sums of x, y, z, xx, xy, xz, yy, yz, zz in whole millimetres from the cell's corner, count.
    sums = np.empty((largest, 10), np.int64)
    used = np.empty((largest, 2), np.int32)
    planes = np.empty((largest, 4))
    for group in range(len(starts)):
        start = starts[group]
        n = 0
        for i in range(start, stops[group]):
            cell, x, y, z = _cell(xyz[i], corners[group], shape)
            code = raw[i] & 7
            slot = slots[cell, code]
            if slot < 0:
                slot = slots[cell, code] = n
                used[n, 0], used[n, 1] = cell, code
                sums[n] = 0
                n += 1
            slot_of_point[i - start] = slot
            s = sums[slot]
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
        for slot in range(n):
            slots[used[slot, 0], used[slot, 1]] = -1
            planes[slot, :] = 0
            if used[slot, 1] != (30 & 7):
                _fit(sums[slot], planes[slot])
        for i in range(start, stops[group]):
            plane = planes[slot_of_point[i - start]]
            if plane[0] == 0 and plane[1] == 0 and plane[2] == 0:
                continue
            cell, x, y, z = _cell(xyz[i], corners[group], shape)
            off = (plane[0] * x + plane[1] * y + plane[2] * z - plane[3]) / 1000
            for axis in range(3):
                xyz[i, axis] -= off * plane[axis]


@njit(inline='always', error_model='numpy')
def _cell(point, corner, shape):
    """Cell of a point within its group, and its whole millimetres from the cell's corner."""
    x, y, z = point[0] - corner[0], point[1] - corner[1], point[2] - corner[2]
    cx, cy, cz = int(x / CELL_M), int(y / CELL_M), int(z / CELL_M)
    cell = (cx * shape[1] + cy) * shape[2] + cz
    mx, my, mz = int(np.rint(1000 * (x - cx * CELL_M))), int(np.rint(1000 * (y - cy * CELL_M))), int(np.rint(1000 * (z - cz * CELL_M)))
    return cell, mx, my, mz


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
    if values[0] > (1000 * MAX_THICKNESS_M) ** 2 or values[1] < 4 * values[0]:
        return
    for axis in range(3):
        plane[axis] = vectors[axis, 0]
    plane[3] = plane[0] * mx + plane[1] * my + plane[2] * mz
