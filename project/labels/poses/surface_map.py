"""A map of surfaces in cells, and the motion that aligns a sweep with them.

The ground constrains height, roll and pitch; things that stand on it constrain x, y and yaw. A cell of ground holds the
plane of its points. Single rings of a lidar are lines and determine no plane, so a weak prior keeps planes level. A
cell of other points holds their ellipse seen from above. It constrains the pose only in directions in which the ellipse
is thin: a wall in one direction, a pole in two, a bush in none. (This follows the normal distributions transform of
Biber and Strasser, IROS 2003, stored as sums so that a sweep can be removed again.)
"""

import numpy as np
from numba import njit

from project.geometry.traversal import transformed
from project.labels.config import PoseConfig
from project.labels.poses.surfaces import Surfaces

_EMPTY = -1
_FIRST_CAPACITY = 1 << 15

_MIN_WEIGHT = 2.0
"""Cells with a smaller weight, counted in points, constrain nothing."""

_LEVEL_WEIGHT = 0.05
"""Weight of the prior that a plane of ground is level: that of so many points one metre from its middle."""

_THIN_M2 = 0.05
"""A cell constrains nothing in a direction with a larger variance of points; that of a full cell is 0.083."""

_GROUND_PRIOR_M, _WALL_PRIOR_M = 0.05, 0.1
"""Spread that a cell starts with, like that of one point: few points look flatter than they are."""


class SurfaceMap:
    """Cells of a fixed frame whose z axis points upwards."""

    def __init__(self, config: PoseConfig):
        self._config = config
        self._keys, self._sums = _new_cells(_FIRST_CAPACITY)
        self._used = 0

    def add(self, surfaces: Surfaces, pose: np.ndarray, times: int = 1) -> None:
        """Add the points of a sweep at a (4, 4) pose; -1 times removes them again."""
        while 2 * (self._used + len(surfaces.xyz)) > len(self._keys):
            keys, sums = _new_cells(2 * len(self._keys))
            _rehash(self._keys, self._sums, keys, sums)
            self._keys, self._sums = keys, sums
        self._used += _add(self._keys, self._sums, surfaces.xyz, surfaces.is_ground, pose, float(times), self._config)

    def normal_equations(
        self, surfaces: Surfaces, pose: np.ndarray, fits_m: float
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Least squares problem of the alignment of a sweep with the map.

        Args:
            surfaces: the sweep.
            pose: (4, 4) float64 pose of the sweep.
            fits_m: distance beyond which points count little.

        Returns:
            The (6, 6) matrix and (6,) right-hand side of the least squares of a small motion (rotation about the car,
            then translation, the map's axes) away from surfaces, and the number of points that match a surface.
        """
        matrix, side, met, _ = self._sum_up(surfaces, pose, fits_m)
        return matrix + np.triu(matrix, 1).T, side, met

    def fit(self, surfaces: Surfaces, pose: np.ndarray, fits_m: float) -> float:
        """Share of the points of a sweep that lie on a surface; those `fits_m` away count a quarter."""
        return self._sum_up(surfaces, pose, fits_m)[3] / max(len(surfaces.xyz), 1)

    def _sum_up(self, surfaces: Surfaces, pose: np.ndarray, fits_m: float) -> tuple[np.ndarray, np.ndarray, int, float]:
        matrix, side = np.zeros((6, 6)), np.zeros(6)
        xyz, is_ground = surfaces.xyz, surfaces.is_ground
        sums = _sum_up(self._keys, self._sums, xyz, is_ground, pose, fits_m, self._config, matrix, side)
        return matrix, side, *sums


def _new_cells(capacity: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash table with open addressing: the key of each place, and the weighted sums n, x, y, z, xx, xy, yy, xz, yz, zz.

    x and y are relative to the cell's corner.
    """
    return np.full(capacity, _EMPTY, np.int64), np.zeros((capacity, 10))


@njit(inline='always', error_model='numpy')
def _key(x, y, z, is_ground, config):
    """Number of the cell of a point: 21 bits of x, 22 of y, 20 of height."""
    a = np.int64(np.floor(x / config.map_cell_m)) + (1 << 20)
    b = np.int64(np.floor(y / config.map_cell_m)) + (1 << 20)
    # Levels of ground meet halfway, away from where the car starts.
    level = np.int64(np.floor(z / config.level_m + 0.5)) + (1 << 16)
    layer = np.int64(np.floor(z / config.map_cell_m)) + (1 << 18)
    return (a << 42) | (b << 20) | (level if is_ground else layer)


@njit(inline='always', error_model='numpy')
def _place(keys, key):
    """The place of a key, or the empty place where it belongs."""
    mask = len(keys) - 1
    mixed = key * -7046029254386353131
    place = (mixed ^ (mixed >> 29)) & mask
    while keys[place] != key and keys[place] != _EMPTY:
        place = (place + 1) & mask
    return place


@njit(cache=True)
def _rehash(keys, sums, new_keys, new_sums):
    for i in range(len(keys)):
        if keys[i] != _EMPTY:
            place = _place(new_keys, keys[i])
            new_keys[place] = keys[i]
            new_sums[place] = sums[i]


@njit(inline='always', error_model='numpy')
def _weight(x, y, config):
    return 1 / (1 + (x * x + y * y) / config.fading_m**2)


@njit(cache=True, error_model='numpy')
def _add(keys, sums, xyz, is_ground, pose, times, config):
    """Add points to their cells; returns the number of new cells."""
    new, cell = 0, config.map_cell_m
    for i in range(len(xyz)):
        x, y, z = transformed(pose, xyz[i])
        key = _key(x, y, z, is_ground[i], config)
        place = _place(keys, key)
        new += keys[place] == _EMPTY
        keys[place] = key
        s, weight = sums[place], times * _weight(xyz[i, 0], xyz[i, 1], config)
        a, b = x - np.floor(x / cell) * cell, y - np.floor(y / cell) * cell
        s[0] += weight
        s[1] += weight * a
        s[2] += weight * b
        s[3] += weight * z
        s[4] += weight * a * a
        s[5] += weight * a * b
        s[6] += weight * b * b
        s[7] += weight * a * z
        s[8] += weight * b * z
        s[9] += weight * z * z
    return new


@njit(inline='always', error_model='numpy')
def _plane(s, config):
    """Plane of a cell of ground: its middle, its slopes along x and y, and the variance of points around it."""
    n = s[0]
    a, b, z = s[1] / n, s[2] / n, s[3] / n
    xx, xy, yy = s[4] / n - a * a + _LEVEL_WEIGHT / n, s[5] / n - a * b, s[6] / n - b * b + _LEVEL_WEIGHT / n
    xz, yz, zz = s[7] / n - a * z, s[8] / n - b * z, s[9] / n - z * z
    determinant = xx * yy - xy * xy
    along_x, along_y = (xz * yy - yz * xy) / determinant, (yz * xx - xz * xy) / determinant
    spread = max(zz - along_x * xz - along_y * yz, 0.0)
    variance = (spread * n + _GROUND_PRIOR_M**2) / (n + 1) + config.ground_noise_m**2 * (1 + 1 / n)
    return a, b, z, along_x, along_y, variance


@njit(inline='always', error_model='numpy')
def _ellipse(s):
    """Ellipse of a cell as seen from above: its middle, its thin direction, variances along this and across it."""
    n = s[0]
    a, b = s[1] / n, s[2] / n
    xx, xy, yy = s[4] / n - a * a, s[5] / n - a * b, s[6] / n - b * b
    root = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    thin, wide = max((xx + yy - root) / 2, 0.0), (xx + yy + root) / 2
    # Of the two formulas for the eigenvector, the one without cancellation.
    x, y = (xy, thin - xx) if xx > yy else (thin - yy, xy)
    length = np.hypot(x, y)
    if length < 1e-12:
        return a, b, 1.0, 0.0, thin, wide
    return a, b, x / length, y / length, thin, wide


@njit(inline='always', error_model='numpy')
def _trust(residual, fits_m):
    """Geman and McClure's weight: a point far from the surface counts little."""
    ratio = residual / fits_m
    return 1 / ((1 + ratio * ratio) * (1 + ratio * ratio))


@njit(inline='always', error_model='numpy')
def _add_row(matrix, side, weight, residual, point, direction):
    """Add a residual along a direction; the point is relative to the car."""
    x, y, z = point
    u, v, w = direction
    row = (y * w - z * v, z * u - x * w, x * v - y * u, u, v, w)
    for i in range(6):
        side[i] += weight * row[i] * residual
        for j in range(i, 6):
            matrix[i, j] += weight * row[i] * row[j]


@njit(cache=True, error_model='numpy')
def _sum_up(keys, sums, xyz, is_ground, pose, fits_m, config, matrix, side):
    """Fill the upper triangle of the normal equations; returns how many points match a surface, and the sum of their
    fits."""
    met, fit, cell = 0, 0.0, config.map_cell_m
    for i in range(len(xyz)):
        x, y, z = transformed(pose, xyz[i])
        place = _place(keys, _key(x, y, z, is_ground[i], config))
        s = sums[place]
        if keys[place] == _EMPTY or s[0] < _MIN_WEIGHT:
            continue
        u, v = x - np.floor(x / cell) * cell, y - np.floor(y / cell) * cell
        x, y, weight = x - pose[0, 3], y - pose[1, 3], _weight(xyz[i, 0], xyz[i, 1], config)
        if is_ground[i]:
            a, b, height, along_x, along_y, variance = _plane(s, config)
            up = 1 / np.sqrt(1 + along_x * along_x + along_y * along_y)
            off = (z - height - along_x * (u - a) - along_y * (v - b)) * up
            trust = _trust(off, fits_m)
            direction = -along_x * up, -along_y * up, up
            _add_row(matrix, side, weight * trust / variance, off, (x, y, z - pose[2, 3]), direction)
            met, fit = met + 1, fit + trust
            continue
        a, b, thin_x, thin_y, thin, wide = _ellipse(s)
        along = (u - a) * thin_x + (v - b) * thin_y
        across = (v - b) * thin_x - (u - a) * thin_y
        matched = False
        for off, e_x, e_y, spread in ((along, thin_x, thin_y, thin), (across, -thin_y, thin_x, wide)):
            spread = (spread * s[0] + _WALL_PRIOR_M**2) / (s[0] + 1)
            share = 1 - spread / _THIN_M2
            if share <= 0:
                continue
            trust = _trust(off, fits_m)
            variance = spread + config.wall_noise_m**2 * (1 + 1 / s[0])
            direction = e_x, e_y, 0.0
            _add_row(matrix, side, weight * share * trust / variance, off, (x, y, z - pose[2, 3]), direction)
            if not matched:
                met, fit, matched = met + 1, fit + trust, True
    return met, fit
