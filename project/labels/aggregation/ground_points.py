"""Categories for recordings without point labels: movable points come from boxes, ground is detected, the rest is
static.

A point is ground if it is close to the surface that the car drives on.

The surface is a height for each cell of a grid seen from above. The lowest point of each cell pulls the surface towards
itself; a higher point pulls less, since it may be on a roof or a bonnet. The surface is fitted to coarse cells first
and then to finer ones, where points high above it count less and less (graduated non-convexity: Blake and Zisserman
1987). It bridges places that the lidar does not see, and follows slopes and kerbs. docs/own_data.md compares it to
Patchwork++.
"""

import numpy as np
from numba import njit, vectorize

from project.labels.aggregation.boxes import Boxes, box_of_points
from project.labels.aggregation.sweeps import UNLABELLED
from project.labels.config import GroundPointConfig, LabelConfig
from project.taxonomy import NOISE, Taxonomy


def categories_without_labels(
    xyz: np.ndarray, car: np.ndarray, boxes: Boxes, taxonomy: Taxonomy, config: LabelConfig
) -> np.ndarray:
    """Category of each point of a sweep, from the boxes and the ground.

    Args:
        xyz: (N, 3) float32, scene frame.
        car: (2,) or more, x and y of the car, scene frame.
        boxes: those at the time of the sweep.
        taxonomy: all ground gets its first category of ground, all the rest its first other static category.
        config: thresholds.

    Returns:
        (N,) uint8; noise in extrapolated boxes, since a point there may belong to the object or to the world.
    """
    height = height_above_ground(xyz, car, config.ground_points)
    box = box_of_points(xyz, np.full(len(xyz), UNLABELLED, np.uint8), boxes)
    in_box = box >= 0
    # Points below the ground are ground inside a box, too: objects stand on it.
    thickness = config.ground_points.thickness_m
    on_ground = np.where(in_box, height < config.ground_points.thickness_in_box_m, np.abs(height) < thickness)
    result = np.full(len(xyz), taxonomy.ground.stop, np.uint8)
    result[in_box] = np.where(boxes.guessed, NOISE, boxes.categories)[box[in_box]]
    result[on_ground] = taxonomy.ground.start
    return result


def height_above_ground(xyz: np.ndarray, centre: np.ndarray, config: GroundPointConfig) -> np.ndarray:
    """Height of points above the ground that is detected below them.

    Args:
        xyz: (N, 3) float32 points of one sweep in a frame whose z axis points upwards, metres.
        centre: (2,) or more, x and y of the car in that frame.
        config: thresholds.

    Returns:
        (N,) float32, negative below the ground; infinity outside the region in which the ground is fitted, and
        everywhere if no point is within it.
    """
    size = 1 << config.levels
    half = -(-int(config.reach_m / config.cell_m) // size) * size
    corner = np.asarray(centre[:2], np.float64) - half * config.cell_m
    lowest = _lowest(xyz, corner, config.cell_m, 2 * half)
    if np.isinf(lowest).all():
        return np.full(len(xyz), np.inf, np.float32)
    sheet = _sheet(lowest, config)
    return _heights(xyz, corner, config.cell_m, sheet)


def _sheet(lowest: np.ndarray, config: GroundPointConfig) -> np.ndarray:
    """(X, X) float64 height of the ground in each cell, of the (X, X) lowest points; infinity in cells without any."""
    plane = _plane(lowest, config)
    lowest = lowest - plane
    sheet = np.zeros_like(plane)
    for level in range(config.levels, -1, -1):
        scale = 1 << level
        for _ in range(config.rounds):
            weight, pull = _pull(lowest, sheet, scale, config.tolerance_m * 2 ** (level / 2))
            mean = sheet.reshape(len(weight), scale, len(weight), scale).mean(axis=(1, 3))
            settled = mean.copy()
            _relax(settled, weight, pull + weight * mean, config.stiffness, config.relaxations)
            sheet += _refined(settled - mean, scale)
    return plane + sheet


def _plane(lowest: np.ndarray, config: GroundPointConfig) -> np.ndarray:
    """(X, X) float64 heights of a plane with the slope of the ground around the car."""
    middle, near = len(lowest) // 2, int(config.start_m / config.cell_m)
    around = lowest[middle - near : middle + near, middle - near : middle + near]
    around = around[np.isfinite(around)] if np.isfinite(around).any() else lowest[np.isfinite(lowest)]
    cells = (np.arange(len(lowest)) + 0.5 - middle) * config.cell_m
    at = np.stack([np.ones_like(lowest), *np.meshgrid(cells, cells, indexing='ij')], axis=-1)
    known = np.isfinite(lowest) & (np.hypot(at[..., 1], at[..., 2]) < config.plane_m)
    places, heights = at[known], lowest[known]
    plane = np.array([np.percentile(around, config.start_percent), 0, 0])
    for tolerance in config.tolerance_m * np.geomspace(2 ** (config.levels / 2), 1, config.plane_rounds):
        strength = _strength(heights - places @ plane, tolerance)[:, None]
        # A few points in a line determine no slope: a weak prior for a level plane decides then.
        ties = np.diag([1e-6, 1.0, 1.0])
        plane = plane + np.linalg.solve(
            places.T @ (strength * places) + ties,
            places.T @ (strength[:, 0] * (heights - places @ plane)) - ties @ [0, *plane[1:]],
        )
    return at @ plane


def _refined(coarse: np.ndarray, scale: int) -> np.ndarray:
    """Values on a grid `scale` times as fine, bilinear between the centres of coarse cells."""
    if scale == 1:
        return coarse
    at = (np.arange(len(coarse) * scale) + 0.5) / scale - 0.5
    low = np.clip(np.floor(at).astype(np.int64), 0, max(len(coarse) - 2, 0))
    high = np.minimum(low + 1, len(coarse) - 1)
    share = np.clip(at - low, 0, 1)
    rows = coarse[low] * (1 - share)[:, None] + coarse[high] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, high] * share


@njit(cache=True, error_model='numpy')
def _lowest(xyz, corner, cell_m, cells):
    lowest = np.full((cells, cells), np.inf)
    for i in range(len(xyz)):
        x, y = (xyz[i, 0] - corner[0]) / cell_m, (xyz[i, 1] - corner[1]) / cell_m
        if 0 <= x < cells and 0 <= y < cells and xyz[i, 2] < lowest[int(x), int(y)]:
            lowest[int(x), int(y)] = xyz[i, 2]
    return lowest


@vectorize(cache=True)
def _strength(above, tolerance_m):
    """Weight of a point by its height above the surface; a point far below is a mirror image, or on another level."""
    relative = above / tolerance_m if above > 0 else above / (4 * tolerance_m)
    return 1 / (1 + relative * relative) ** 2


@njit(cache=True, error_model='numpy')
def _pull(lowest, sheet, scale, tolerance_m):
    """Weight of the lowest points in each coarse cell, and their weighted heights above the surface."""
    cells = len(lowest) // scale
    weight, pull = np.zeros((cells, cells)), np.zeros((cells, cells))
    for x in range(cells * scale):
        for y in range(cells * scale):
            above = lowest[x, y] - sheet[x, y]
            if above == np.inf:
                continue
            strength = _strength(above, tolerance_m)
            weight[x // scale, y // scale] += strength
            pull[x // scale, y // scale] += strength * above
    return weight, pull


@njit(cache=True, error_model='numpy')
def _relax(height, weight, pull, stiffness, times):
    """Relax the surface (Gauss-Seidel, in both directions) towards its neighbours and points; `pull` is their weighted
    height."""
    cells = len(height)
    for turn in range(2 * times):
        for i in range(cells):
            x = i if turn % 2 == 0 else cells - 1 - i
            for j in range(cells):
                y = j if turn % 2 == 0 else cells - 1 - j
                total, held = pull[x, y], weight[x, y]
                if x > 0:
                    total += stiffness * height[x - 1, y]
                    held += stiffness
                if x < cells - 1:
                    total += stiffness * height[x + 1, y]
                    held += stiffness
                if y > 0:
                    total += stiffness * height[x, y - 1]
                    held += stiffness
                if y < cells - 1:
                    total += stiffness * height[x, y + 1]
                    held += stiffness
                height[x, y] = total / held


@njit(cache=True, error_model='numpy')
def _heights(xyz, corner, cell_m, sheet):
    result = np.full(len(xyz), np.inf, np.float32)
    cells = len(sheet)
    for i in range(len(xyz)):
        x, y = (xyz[i, 0] - corner[0]) / cell_m - 0.5, (xyz[i, 1] - corner[1]) / cell_m - 0.5
        if not (0 <= x < cells - 1 and 0 <= y < cells - 1):
            continue
        ix, iy = int(x), int(y)
        u, v = x - ix, y - iy
        near = sheet[ix, iy] * (1 - v) + sheet[ix, iy + 1] * v
        far = sheet[ix + 1, iy] * (1 - v) + sheet[ix + 1, iy + 1] * v
        result[i] = xyz[i, 2] - (near * (1 - u) + far * u)
    return result
