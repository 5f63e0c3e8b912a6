"""Fills holes that lidar leaves in surfaces, where the voxels around them determine the label.

Lidar leaves holes in far ground between its rings, and in walls behind posts. Two kinds of holes are filled:

- *ground*: a column without ground takes the ground of two columns on opposite sides, if these have ground of one class
  on one level. At least two of four directions must agree, and none may disagree. A direction ends at an obstacle.
- *flat surfaces*: a free voxel between four voxels of one class, two on opposite sides along each axis of a plane.

No voxel that holds a label is removed or changed.
"""

from dataclasses import replace

import numpy as np
from numba import njit

from project.formats import OccupancyLabels
from project.labels.config import DEFAULT, LabelConfig
from project.taxonomy import FREE, Taxonomy

_NONE = -1
_DIRECTIONS = np.array([(1, 0), (0, 1), (1, 1), (1, -1)])
_STATIC_KINDS = 256

UNSURE = 1 / 6
"""Within this distance of the middle between two levels, the level of the ground is unknown."""


def complete(labels: OccupancyLabels, taxonomy: Taxonomy, config: LabelConfig = DEFAULT) -> OccupancyLabels:
    """Fill holes in the ground and in flat surfaces.

    Args:
        labels: N occupied voxels.
        taxonomy: which labels are ground, static and without flat surfaces.
        config: how wide a hole may be.

    Returns:
        The labels and M more voxels, with ``filled`` (N + M,) bool. Masks do not change: filled voxels were not
        observed. Flow is left out, since it belongs to the voxels before filling.
    """
    grid, limits = labels.grid, config.completion
    ground, flat = _kinds(taxonomy)
    dense = labels.dense()
    filled = np.full_like(dense, FREE)
    standing = np.zeros(_STATIC_KINDS, bool)
    standing[taxonomy.label_of[list(taxonomy.static)]] = True
    standing &= ~ground
    layers_above = int(np.ceil(limits.standing_m / grid.voxel_size[2]))
    longest = limits.ground_gap_m / min(grid.voxel_size[:2])
    levels = _ground_levels(dense, ground)
    _fill_ground(dense, levels, standing, longest, layers_above, limits.max_step, limits.min_directions, filled)
    _fill_flat(dense, flat, limits.flat_gap, filled)
    extra = np.flatnonzero(filled.ravel() != FREE)
    positions = np.concatenate([grid.ravel(labels.indices), extra])
    classes = np.concatenate([labels.classes, filled.ravel()[extra]])
    order = np.argsort(positions)
    is_filled = order >= len(labels.classes)
    return replace(labels, indices=grid.unravel(positions[order]), classes=classes[order], flow=None, filled=is_filled)


def _kinds(taxonomy: Taxonomy) -> tuple[np.ndarray, np.ndarray]:
    """Which labels are ground, and which have flat surfaces: two (256,) bool."""
    ground, flat = np.zeros(_STATIC_KINDS, bool), np.zeros(_STATIC_KINDS, bool)
    ground[taxonomy.label_of[list(taxonomy.ground)]] = True
    solid = set(taxonomy.static) - set(taxonomy.ground) - taxonomy.porous
    flat[taxonomy.label_of[sorted(solid)]] = True
    # A label shared with porous things is not flat; noise has no surface.
    flat[taxonomy.label_of[sorted(taxonomy.porous)]] = False
    ground[0] = flat[0] = False
    return ground, flat


@njit(cache=True, error_model='numpy')
def _ground_levels(dense, ground):
    """(X, Y) int16 lowest layer of ground in each column, -1 where there is none."""
    levels = np.full(dense.shape[:2], _NONE, np.int16)
    for x in range(dense.shape[0]):
        for y in range(dense.shape[1]):
            for z in range(dense.shape[2]):
                if ground[dense[x, y, z]]:
                    levels[x, y] = z
                    break
    return levels


@njit(cache=True, error_model='numpy')
def _fill_ground(dense, levels, standing, longest, layers_above, max_step, min_directions, filled):
    nx, ny, _ = dense.shape
    for x in range(nx):
        for y in range(ny):
            if levels[x, y] != _NONE:
                continue
            agree, kind, level, shortest = 0, FREE, 0, np.inf
            for direction in range(len(_DIRECTIONS)):
                dx, dy = _DIRECTIONS[direction]
                step = np.hypot(dx, dy)
                reach = int(longest / step)
                after = _steps_to_ground(dense, levels, standing, layers_above, x, y, dx, dy, reach - 1)
                if after == 0:
                    continue
                before = _steps_to_ground(dense, levels, standing, layers_above, x, y, -dx, -dy, reach - after)
                if before == 0:
                    continue
                high = levels[x + after * dx, y + after * dy]
                low = levels[x - before * dx, y - before * dy]
                there = dense[x + after * dx, y + after * dy, high]
                share = before / (before + after)
                # Between two levels one voxel apart, the ground changes from one to the other somewhere in the middle.
                if abs(high - low) > max_step or (high != low and abs(share - 0.5) < UNSURE):
                    continue
                if there != dense[x - before * dx, y - before * dy, low] or (agree > 0 and there != kind):
                    agree = -len(_DIRECTIONS)
                    break
                agree += 1
                kind = there
                if (before + after) * step < shortest:
                    shortest = (before + after) * step
                    level = int(np.rint(low + (high - low) * share))
            if agree >= min_directions and dense[x, y, level] == FREE:
                filled[x, y, level] = kind


@njit(error_model='numpy')
def _steps_to_ground(dense, levels, standing, layers_above, x, y, dx, dy, reach):
    """Number of steps to the first column with ground; 0 if none is in reach, or an obstacle comes first."""
    nx, ny, nz = dense.shape
    for step in range(1, reach + 1):
        cx, cy = x + step * dx, y + step * dy
        if not (0 <= cx < nx and 0 <= cy < ny):
            return 0
        level = levels[cx, cy]
        if level == _NONE:
            continue
        for back in range(step):
            for z in range(level, min(level + layers_above, nz)):
                if standing[dense[x + back * dx, y + back * dy, z]]:
                    return 0
        return step
    return 0


@njit(cache=True, error_model='numpy')
def _fill_flat(dense, flat, gap, filled):
    shape = dense.shape
    for x in range(1, shape[0] - 1):
        for y in range(1, shape[1] - 1):
            for z in range(1, shape[2] - 1):
                if dense[x, y, z] != FREE or filled[x, y, z] != FREE:
                    continue
                # Most voxels have nothing on either side.
                first = _between(dense, flat, gap, x, y, z, 0)
                second = _between(dense, flat, gap, x, y, z, 1)
                if first == FREE and second == FREE:
                    continue
                third = _between(dense, flat, gap, x, y, z, 2)
                if first != FREE and (first in (second, third)):
                    filled[x, y, z] = first
                elif second != FREE and second == third:
                    filled[x, y, z] = second


@njit(inline='always', error_model='numpy')
def _between(dense, flat, gap, x, y, z, axis):
    """Label of the flat surfaces on both sides along an axis, if at most `gap` free voxels lie between them."""
    dx, dy, dz = axis == 0, axis == 1, axis == 2
    label, after = FREE, 0
    for step in range(1, gap + 1):
        i, j, k = x + step * dx, y + step * dy, z + step * dz
        if i >= dense.shape[0] or j >= dense.shape[1] or k >= dense.shape[2]:
            break
        if dense[i, j, k] != FREE:
            label, after = dense[i, j, k], step
            break
    if after == 0 or not flat[label]:
        return FREE
    for step in range(1, gap + 2 - after):
        i, j, k = x - step * dx, y - step * dy, z - step * dz
        if i < 0 or j < 0 or k < 0:
            break
        if dense[i, j, k] != FREE:
            return label if dense[i, j, k] == label else FREE
    return FREE
