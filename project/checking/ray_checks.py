"""Casts lidar rays through labels: do they end where they ended in the world?"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.checking.config import RayConfig
from project.checking.placing import PlacedRays
from project.geometry.traversal import advance, begin, clip_to_grid, transformed
from project.grid import VoxelGrid

AGREES, EARLY, HOLE = range(3)
OUTCOMES = ('agrees', 'stopped early', 'hole')
"""Outcomes of a ray: it ends where it should; it is stopped before; or there is nothing where it should end."""

WINDOW = 2
"""Number of voxels to each side that are used to find the surface around a voxel."""


@dataclass(frozen=True)
class Verdicts:
    """Outcomes of N rays.

    Attributes:
        outcomes: (N,) uint8 :data:`AGREES`, :data:`EARLY` or :data:`HOLE`.
        errors: (N,) float32 metres by which the ray went too far (too short if negative); NaN where it met nothing.
        stops: (N,) int64 position in the flattened grid of the voxel that stopped the ray, up to some metres behind its
            end, or else of one that it ended beside; -1 without either.
        ends: (N,) int64 position of the voxel in which the ray ended in the world.
    """

    outcomes: np.ndarray
    errors: np.ndarray
    stops: np.ndarray
    ends: np.ndarray


def cast(
    grid: VoxelGrid, occupied: np.ndarray, hits: np.ndarray, passes: np.ndarray, rays: PlacedRays, config: RayConfig
) -> Verdicts:
    """Cast rays through occupied voxels.

    An occupied voxel stops a ray if the ray passes through its core and no ray ended in it. Voxels of the surface that
    the ray ends on do not stop it: at a grazing angle it enters them long before its end.

    Args:
        grid: the voxels.
        occupied: (grid.size,) bool, flattened ``[x, y, z]``.
        hits: (grid.size,) bool, voxels in which a ray ended.
        passes: (grid.size,) uint8, counts rays through the cores of occupied voxels; increased in place, up to 255.
        rays: N rays in the grid's frame that end in it.
        config: how far from its end a ray may stop.
    """
    n = len(rays.ends)
    result = Verdicts(np.zeros(n, np.uint8), np.full(n, np.nan, np.float32), np.full(n, -1), np.full(n, -1))
    size = np.array(grid.voxel_size)
    limits = (
        max(config.depth_m, size.max()), config.beyond_m, config.gap_m, config.core, config.noise_m, config.slope
    )  # fmt: skip
    _cast(
        rays.origins, rays.ends, rays.starts, occupied, hits, passes, grid.voxels_from_frame, size, grid.shape, limits,
        result.outcomes, result.errors, result.stops, result.ends,
    )  # fmt: skip
    return result


@njit(cache=True, error_model='numpy')
def _cast(
    origins, ends, starts, occupied, hits, passes, voxels_from_frame, size, shape, limits,
    outcomes, errors, stops, end_voxels,
):  # fmt: skip
    depth, beyond, gap, core, noise, slope = limits
    for i in range(len(ends)):
        origin, end = transformed(voxels_from_frame, origins[i]), transformed(voxels_from_frame, ends[i])
        x, y, z = _cell(end[0], shape[0]), _cell(end[1], shape[1]), _cell(end[2], shape[2])
        end_voxels[i] = (x * shape[1] + y) * shape[2] + z
        near = _near(occupied, shape, size, end, gap)
        outcomes[i] = AGREES if near >= 0 else HOLE
        direction = end[0] - origin[0], end[1] - origin[1], end[2] - origin[2]
        length = np.sqrt((direction[0] * size[0]) ** 2 + (direction[1] * size[1]) ** 2 + (direction[2] * size[2]) ** 2)
        start, stop = _at(origin, direction, starts[i] / length), _at(origin, direction, 1 + beyond / length)
        enter, leave = clip_to_grid(start, stop, shape)
        if enter >= leave:
            continue
        whole = stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]
        position, steps, on = begin(_at(start, whole, enter), _at(start, whole, leave), shape)
        share = 0.0
        for step in range(steps + 1):
            if step:
                change, _, share, on = advance(on)
                position += change
            if not occupied[position]:
                continue
            # Where the ray enters the voxel.
            error = starts[i] + (enter + share * (leave - enter)) * (length + beyond - starts[i]) - length
            if error >= -depth:
                if stops[i] < 0:
                    errors[i], stops[i] = error, position
                break
            x, rest = divmod(position, shape[1] * shape[2])
            y, z = divmod(rest, shape[2])
            if not _through_core(origin, direction, (x, y, z), core):
                continue
            if passes[position] < 255:
                passes[position] += 1
            if (
                stops[i] >= 0
                or hits[position]
                or _on_surface(occupied, shape, size, (x, y, z), end, -error, noise, slope)
            ):
                continue
            outcomes[i], errors[i], stops[i] = EARLY, error, position
        if stops[i] < 0:
            stops[i] = near


@njit(inline='always', error_model='numpy')
def _cell(coordinate, n):
    return min(max(int(np.floor(coordinate)), 0), n - 1)


@njit(inline='always', error_model='numpy')
def _at(origin, direction, share):
    return origin[0] + share * direction[0], origin[1] + share * direction[1], origin[2] + share * direction[2]


@njit(inline='always', error_model='numpy')
def _through_core(origin, direction, cell, margin):
    """Whether a line passes through a voxel that is smaller by a margin on each side."""
    enter, leave = -np.inf, np.inf
    for axis in range(3):
        place = origin[axis] - cell[axis]
        if direction[axis] == 0.0:
            if not margin <= place <= 1 - margin:
                return False
            continue
        first, second = (margin - place) / direction[axis], (1 - margin - place) / direction[axis]
        enter, leave = max(enter, min(first, second)), min(leave, max(first, second))
    return enter < leave


@njit(cache=True, error_model='numpy')
def _near(occupied, shape, size, point, gap):
    """Position of an occupied voxel within a distance of a point, -1 where there is none."""
    for x in range(_cell(point[0] - gap / size[0], shape[0]), _cell(point[0] + gap / size[0], shape[0]) + 1):
        for y in range(_cell(point[1] - gap / size[1], shape[1]), _cell(point[1] + gap / size[1], shape[1]) + 1):
            for z in range(_cell(point[2] - gap / size[2], shape[2]), _cell(point[2] + gap / size[2], shape[2]) + 1):
                if occupied[(x * shape[1] + y) * shape[2] + z]:
                    return (x * shape[1] + y) * shape[2] + z
    return -1


@njit(cache=True, error_model='numpy')
def _on_surface(occupied, shape, size, cell, point, distance, noise, slope):
    """Whether a point lies on the plane of the occupied voxels around a voxel, extended to the point.

    At a grazing angle, a ray rightly enters the voxels of a surface long before it meets the surface.
    """
    n = 0
    sx, sy, sz, sxx, syy, szz, sxy, sxz, syz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for x in range(max(cell[0] - WINDOW, 0), min(cell[0] + WINDOW + 1, shape[0])):
        for y in range(max(cell[1] - WINDOW, 0), min(cell[1] + WINDOW + 1, shape[1])):
            for z in range(max(cell[2] - WINDOW, 0), min(cell[2] + WINDOW + 1, shape[2])):
                if occupied[(x * shape[1] + y) * shape[2] + z]:
                    u, v, w = (x - cell[0]) * size[0], (y - cell[1]) * size[1], (z - cell[2]) * size[2]
                    n += 1
                    sx, sy, sz = sx + u, sy + v, sz + w
                    sxx, syy, szz = sxx + u * u, syy + v * v, szz + w * w
                    sxy, sxz, syz = sxy + u * v, sxz + u * w, syz + v * w
    if n < 4:
        return False
    mx, my, mz = sx / n, sy / n, sz / n
    a, b, c = sxx / n - mx * mx, syy / n - my * my, szz / n - mz * mz
    d, e, f = sxy / n - mx * my, sxz / n - mx * mz, syz / n - my * mz
    least, middle = _two_smallest(a, b, c, d, e, f)
    if middle < 0.3 * size.min() ** 2 or least > 0.25 * middle:
        return False
    nx, ny, nz = _normal(a - least, b - least, c - least, d, e, f)
    px = (point[0] - cell[0] - 0.5) * size[0] - mx
    py = (point[1] - cell[1] - 0.5) * size[1] - my
    pz = (point[2] - cell[2] - 0.5) * size[2] - mz
    reach = (abs(nx) * size[0] + abs(ny) * size[1] + abs(nz) * size[2]) / 2
    return abs(px * nx + py * ny + pz * nz) <= reach + noise + slope * distance


@njit(cache=True, error_model='numpy')
def _two_smallest(a, b, c, d, e, f):
    """The two smaller eigenvalues of the symmetric matrix [[a, d, e], [d, b, f], [e, f, c]]."""
    mean = (a + b + c) / 3
    p2 = (a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2 + 2 * (d * d + e * e + f * f)
    p = np.sqrt(p2 / 6)
    if p < 1e-12:
        return mean, mean
    a, b, c, d, e, f = (a - mean) / p, (b - mean) / p, (c - mean) / p, d / p, e / p, f / p
    half = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) / 2
    angle = np.arccos(min(max(half, -1.0), 1.0)) / 3
    largest = mean + 2 * p * np.cos(angle)
    least = mean + 2 * p * np.cos(angle + 2 * np.pi / 3)
    return least, 3 * mean - largest - least


@njit(cache=True, error_model='numpy')
def _normal(a, b, c, d, e, f):
    """Unit vector that a symmetric matrix of rank two or less maps to zero: the longest product of two of its rows."""
    best, bx, by, bz = 0.0, 0.0, 0.0, 1.0
    for x, y, z in (
        (d * f - e * b, e * d - a * f, a * b - d * d),
        (d * c - e * f, e * e - a * c, a * f - d * e),
        (b * c - f * f, f * e - d * c, d * f - b * e),
    ):
        square = x * x + y * y + z * z
        if square > best:
            best, bx, by, bz = square, x, y, z
    length = np.sqrt(best) if best > 0 else 1.0
    return bx / length, by / length, bz / length
