"""Casts one ray a pixel into a voxel grid: pictures that need no display, no graphics card and no system library.

Shading is by the side of a voxel, by its edges and by how enclosed a corner is (ambient occlusion), so that shapes can
be read.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from project.geometry.traversal import first_occupied
from project.grid import VoxelGrid
from project.visualization.render.camera import Camera

MISS = -1
"""Value of a pixel whose ray leaves the grid without meeting a voxel."""

SOLID = -2
"""Value of a pixel whose ray meets the first solid box; the next one gives -3, and so on."""

SIDE_LIGHT = np.array([0.78, 0.78, 0.68, 0.68, 0.55, 1.0])
"""Brightness of the sides -x, +x, -y, +y, -z, +z."""


LUMINANCE = np.array([0.3, 0.6, 0.1])
DARK = 40
"""Colours of less luminance get bright edge lines."""


@dataclass(frozen=True)
class Hits:
    """The first hits of the rays of a picture.

    Attributes:
        positions: (H, W) int32 position of the voxel in ``grid.ravel`` order, or `MISS`, or `SOLID` and below.
        shade: (H, W) float32 brightness 0-1; 1 where nothing is met.
        lines: (H, W) float32 how much of an edge line covers the pixel, 0-1.
    """

    positions: np.ndarray
    shade: np.ndarray
    lines: np.ndarray


def cast(grid: VoxelGrid, occupied: np.ndarray, camera: Camera, solids: np.ndarray | None = None) -> Hits:
    """Follow the ray of each pixel to the first occupied voxel or solid box.

    Args:
        grid: where the voxels are.
        occupied: (X, Y, Z) bool.
        camera: view, in the grid's frame.
        solids: (K, 6) boxes x_min, y_min, z_min, x_max, y_max, z_max in the grid's frame, metres, that rays also meet.
    """
    solids = np.zeros((0, 6)) if solids is None else np.asarray(solids, float)
    low, size = np.array(grid.minimum), np.array(grid.voxel_size)
    origins = (camera.origins - np.outer(low, (0, 0, 1))) / size[:, None]
    directions = camera.directions / size[:, None]
    boxes = (solids - np.tile(low, 2)) / np.tile(size, 2)
    levels = np.flatnonzero(occupied.any(axis=(0, 1)))
    z_range = (levels[0], levels[-1] + 1) if len(levels) else (0, 0)
    bounds = np.array([[0, 0, z_range[0]], [*grid.shape[:2], z_range[1]]], float)
    return Hits(*_cast(occupied, bounds, origins, directions, camera.width_px, camera.height_px, boxes))


def shaded(palette: np.ndarray, codes: np.ndarray, hits: Hits) -> np.ndarray:
    """Colour hits: darker sides and edge lines; on dark colours the lines are bright.

    Args:
        palette: (K, 3) uint8 RGB.
        codes: (H, W) uint8 row of the palette of each hit.
        hits: (H, W) hits.

    Returns:
        (H, W, 3) float32 RGB.
    """
    line = np.where(palette @ LUMINANCE < DARK, 90, 0.45 * palette.T).T
    return _shaded(palette.astype(np.float32), line.astype(np.float32), codes, hits.shade, hits.lines)


@njit(parallel=True, cache=True)
def _shaded(palette, line, codes, shade, lines):
    picture = np.empty((*codes.shape, 3), np.float32)
    for row in prange(codes.shape[0]):
        for column in range(codes.shape[1]):
            code, amount = codes[row, column], lines[row, column]
            for channel in range(3):
                colour = palette[code, channel] * (1 - amount) + line[code, channel] * amount
                picture[row, column, channel] = colour * shade[row, column]
    return picture


@njit(parallel=True, cache=True)
def _cast(occupied, bounds, origins, directions, width_px, height_px, boxes):
    flat = occupied.ravel()
    positions = np.full((height_px, width_px), MISS, np.int32)
    shade = np.ones((height_px, width_px), np.float32)
    lines = np.zeros((height_px, width_px), np.float32)
    for row in prange(height_px):
        for column in range(width_px):
            origin = _ray(origins, column + 0.5, row + 0.5)
            direction = _ray(directions, column + 0.5, row + 0.5)
            position, side, distance = _first_voxel(flat, occupied.shape, bounds, origin, direction)
            for k in range(len(boxes)):
                entry, entry_side, leave = _slab(boxes[k, :3], boxes[k, 3:], origin, direction)
                if 0 < entry < leave and entry < distance:
                    position, side, distance = SOLID - k, entry_side, entry
            positions[row, column] = position
            if position == MISS:
                continue
            pixel = _norm(origins[:, 0]) + distance * _norm(directions[:, 0])
            axis = side // 2
            first, second = (axis + 1) % 3, (axis + 2) % 3
            a, b = origin[first] + distance * direction[first], origin[second] + distance * direction[second]
            shade[row, column] = SIDE_LIGHT[side]
            if position >= 0:
                layer = round(origin[axis] + distance * direction[axis]) - (side % 2 == 0)
                shade[row, column] *= _openness(occupied, axis, layer, a, b)
                lines[row, column] = _line(a % 1, b % 1, 1, 1, pixel)
            else:
                low, high = boxes[SOLID - position, :3], boxes[SOLID - position, 3:]
                span_a, span_b = high[first] - low[first], high[second] - low[second]
                lines[row, column] = _line(a - low[first], b - low[second], span_a, span_b, pixel)
    return positions, shade, lines


@njit(cache=True, inline='always')
def _ray(matrix, u, v):
    return (
        matrix[0, 0] * u + matrix[0, 1] * v + matrix[0, 2],
        matrix[1, 0] * u + matrix[1, 1] * v + matrix[1, 2],
        matrix[2, 0] * u + matrix[2, 1] * v + matrix[2, 2],
    )


@njit(cache=True, inline='always')
def _norm(vector):
    return math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)


@njit(cache=True)
def _slab(low, high, origin, direction):
    """Where a ray enters a box, through which side (0-5), and where it leaves; it misses when entry >= leave."""
    entry, leave, side = -np.inf, np.inf, 5
    for axis in range(3):
        if direction[axis] == 0:
            if not low[axis] <= origin[axis] < high[axis]:
                return np.inf, side, -np.inf
            continue
        near = (low[axis] - origin[axis]) / direction[axis]
        far = (high[axis] - origin[axis]) / direction[axis]
        near_side = 2 * axis
        if near > far:
            near, far, near_side = far, near, near_side + 1
        if near > entry:
            entry, side = near, near_side
        leave = min(leave, far)
    return entry, side, leave


@njit(cache=True)
def _first_voxel(occupied, shape, bounds, origin, direction):
    """Position, side and distance of the first occupied voxel; voxels are unit cubes here."""
    entry, side, leave = _slab(bounds[0], bounds[1], origin, direction)
    entry = max(entry, 0.0)
    if entry >= leave:
        return MISS, 0, np.inf
    start, stop = _at(origin, direction, entry), _at(origin, direction, leave)
    position, axis, share = first_occupied(start, stop, shape, occupied)
    if position < 0:
        return MISS, 0, np.inf
    if axis >= 0:
        side = 2 * axis + (direction[axis] < 0)
    return position, side, entry + share * (leave - entry) if axis >= 0 else entry


@njit(cache=True, inline='always')
def _at(origin, direction, distance):
    return (
        origin[0] + distance * direction[0],
        origin[1] + distance * direction[1],
        origin[2] + distance * direction[2],
    )


@njit(cache=True, inline='always')
def _line(a, b, span_a, span_b, pixel):
    """How much of an edge line covers a point (a, b) of a rectangle; lines fade where they would crowd a picture."""
    line = max(0.0, 1 - min(a, span_a - a, b, span_b - b) / (1.3 * pixel))
    return line * min(max((min(span_a, span_b) / pixel - 3) / 8, 0.0), 1.0)


@njit(cache=True)
def _openness(occupied, axis, layer, a, b):
    """Brightness 0.55-1 of a point on a voxel's side: how free the eight voxels around the one before it are."""
    i, j = math.floor(a), math.floor(b)
    a, b = a - i, b - j
    west, east = _filled(occupied, axis, layer, i - 1, j), _filled(occupied, axis, layer, i + 1, j)
    south, north = _filled(occupied, axis, layer, i, j - 1), _filled(occupied, axis, layer, i, j + 1)
    filled = (1 - a) * (1 - b) * (west + south + _filled(occupied, axis, layer, i - 1, j - 1))
    filled += a * (1 - b) * (east + south + _filled(occupied, axis, layer, i + 1, j - 1))
    filled += (1 - a) * b * (west + north + _filled(occupied, axis, layer, i - 1, j + 1))
    filled += a * b * (east + north + _filled(occupied, axis, layer, i + 1, j + 1))
    return 1 - 0.15 * filled


@njit(cache=True, inline='always')
def _filled(occupied, axis, layer, i, j):
    """1 where the voxel is occupied: `layer` along `axis`, i and j along the two axes that follow it."""
    x, y, z = (layer, i, j) if axis == 0 else ((j, layer, i) if axis == 1 else (i, j, layer))
    inside = 0 <= x < occupied.shape[0] and 0 <= y < occupied.shape[1] and 0 <= z < occupied.shape[2]
    return 1 if inside and occupied[x, y, z] else 0
