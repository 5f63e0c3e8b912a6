"""Removes range noise from flat surfaces.

The mean of a wall's points is exact to a few millimetres, but single points are off by centimetres. Each point that
noise moves across the face of a voxel occupies a voxel too many. So the points of one class in each cell of half a
metre are projected onto the plane through them, if they form a plane. Kerbs, poles and leaves do not, and are not
changed.
"""

import numpy as np
from numba import njit

from project.labels.aggregation.point_groups import PointGroups
from project.labels.aggregation.tiles import CELL_M as DOMAIN_CELL_M
from project.labels.aggregation.tiles import TILE_M, TileMap
from project.labels.config import DenoisingConfig, LabelConfig
from project.taxonomy import Taxonomy


def clean_static(cloud: PointGroups, tile_map: TileMap, taxonomy: Taxonomy, config: LabelConfig) -> None:
    """Remove range noise from the static world, in place; its groups are the tiles of the tile map."""
    corners = np.column_stack([tile_map.centres - TILE_M / 2, np.full(len(tile_map.centres), tile_map.origin[2])])
    extent = np.array([TILE_M, TILE_M, tile_map.height * DOMAIN_CELL_M])
    _clean(cloud, np.arange(len(corners)), corners, extent, taxonomy, config.denoising)


def clean_objects(cloud: PointGroups, sizes: np.ndarray, taxonomy: Taxonomy, config: LabelConfig) -> None:
    """Remove range noise from objects, in place; its groups are tracks with boxes of at most (T, 3) sizes."""
    large = np.flatnonzero(sizes[:, :2].max(axis=1, initial=0) > config.denoising.min_object_m)
    sizes = sizes[large] + 2 * config.boxes.margin_m
    _clean(cloud, large, -sizes / 2, sizes.max(axis=0, initial=0), taxonomy, config.denoising)


def _clean(
    cloud: PointGroups, groups: np.ndarray, corners: np.ndarray, extent: np.ndarray, taxonomy: Taxonomy,
    config: DenoisingConfig,
) -> None:  # fmt: skip
    starts, stops = cloud.starts[groups, 0], cloud.starts[groups, -1]
    if (stops - starts).max(initial=0):
        shape = np.ceil(extent / config.cell_m).astype(np.int64)
        porous = np.isin(np.arange(256), list(taxonomy.porous))
        # This many of the lowest bits distinguish the static categories; an object has only one category.
        codes = 1 << (len(taxonomy.static) - 1).bit_length()
        points = cloud.points
        _lay_onto_planes(points.xyz, points.raw, starts, stops, corners, shape, porous, codes, config)


@njit(cache=True, error_model='numpy')
def _lay_onto_planes(xyz, raw, starts, stops, corners, shape, porous, codes, config):
    cell_m, min_points, max_thickness_m = config.cell_m, config.min_points, config.max_thickness_m
    slots = np.full((shape[0] * shape[1] * shape[2], codes), -1, np.int32)
    largest = (stops - starts).max()
    slot_of_point = np.empty(largest, np.int32)
    used = np.empty((largest, 2), np.int32)
    sums = np.empty((largest, 10), np.int64)
    planes = np.empty((largest, 4))
    for group in range(len(starts)):
        n = 0
        for i in range(starts[group], stops[group]):
            cell, x, y, z = _cell(xyz[i], corners[group], shape, cell_m)
            code = raw[i] & (codes - 1)
            slot = slots[cell, code]
            if slot < 0:
                slot = slots[cell, code] = n
                used[n, 0], used[n, 1] = cell, code
                sums[n] = 0
                n += 1
            slot_of_point[i - starts[group]] = -1 if porous[raw[i]] else slot
            _add(sums[slot], x, y, z)
        for slot in range(n):
            slots[used[slot, 0], used[slot, 1]] = -1
            _fit(sums[slot], planes[slot], min_points, max_thickness_m)
        for i in range(starts[group], stops[group]):
            slot = slot_of_point[i - starts[group]]
            if slot < 0:
                continue
            plane = planes[slot]
            _, x, y, z = _cell(xyz[i], corners[group], shape, cell_m)
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
def _cell(point, corner, shape, cell_m):
    """Cell of a point within its group, and its whole millimetres from the cell's corner."""
    x, y, z = point[0] - corner[0], point[1] - corner[1], point[2] - corner[2]
    # Points of an object may lie slightly outside its largest box.
    cx = min(max(int(x / cell_m), 0), shape[0] - 1)
    cy = min(max(int(y / cell_m), 0), shape[1] - 1)
    cz = min(max(int(z / cell_m), 0), shape[2] - 1)
    mx, my, mz = 1000 * (x - cx * cell_m), 1000 * (y - cy * cell_m), 1000 * (z - cz * cell_m)
    return (cx * shape[1] + cy) * shape[2] + cz, int(np.rint(mx)), int(np.rint(my)), int(np.rint(mz))


@njit(inline='always', error_model='numpy')
def _fit(s, plane, min_points, max_thickness_m):
    """Plane (unit normal and distance from the cell's corner, millimetres) through summed points; normal 0 if none."""
    plane[:] = 0
    n = s[9]
    if n < min_points:
        return
    mx, my, mz = s[0] / n, s[1] / n, s[2] / n
    xx, xy, xz = s[3] / n - mx * mx, s[4] / n - mx * my, s[5] / n - mx * mz
    yy, yz, zz = s[6] / n - my * my, s[7] / n - my * mz, s[8] / n - mz * mz
    covariance = np.array(((xx, xy, xz), (xy, yy, yz), (xz, yz, zz)))
    values, vectors = np.linalg.eigh(covariance)
    # A plane is thin, and wider than thick in both of its directions.
    if values[0] > (1000 * max_thickness_m) ** 2 or values[1] < 4 * values[0]:
        return
    for axis in range(3):
        plane[axis] = vectors[axis, 0]
    plane[3] = plane[0] * mx + plane[1] * my + plane[2] * mz
