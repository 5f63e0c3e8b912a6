"""Returns on the own vehicle outside the box of the rig: mirrors, bonnet, a roof rack.

They stay at the same place in the lidar frame while the world moves. So do the road, and rails and walls along it. The
difference shows where the car was a moment ago: the road, rails and walls are still hit there, but rays pass through
the place of the car.
"""

from dataclasses import replace

import numpy as np
from numba import njit
from scipy.ndimage import binary_dilation, minimum_filter

from project.geometry.rigid import inverse
from project.labels.aggregation.sweeps import hits_world
from project.labels.config import DEFAULT, LabelConfig, OwnVehicleConfig
from project.sources.base import OwnParts, Scene
from project.sources.returns import returns_of

_AROUND = np.ones((3, 3, 3), bool)
_PIXEL_DEG = 2.0
"""Number of directions in the image that says whether rays pass through a place."""
_SECTORS = 36
"""Number of directions in which the lowest return gives the height of the ground."""


def with_own_parts(scene: Scene, config: LabelConfig = DEFAULT) -> Scene:
    """The scene with the parts of the own vehicle that its lidars see; unchanged if the vehicle moves too little.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    found = [_cells_of_lidar(scene, lidar, config) for lidar in range(len(scene.rig.lidars))]
    if not any(cells.any() for cells in found):
        return scene
    thresholds = config.own_vehicle
    return replace(scene, own_parts=OwnParts(np.array(found), -thresholds.reach_m, thresholds.cell_m))


def _cells_of_lidar(scene: Scene, lidar: int, config: LabelConfig) -> np.ndarray:
    """(N, N, N) bool cells around a lidar, in its frame."""
    thresholds = config.own_vehicle
    side = round(2 * thresholds.reach_m / thresholds.cell_m)
    counts = np.zeros((side,) * 3, np.int64)
    chosen = _moved_sweeps(scene, lidar, thresholds)
    if len(chosen) < thresholds.min_sweeps:
        return counts > 0
    ground = []
    for sweep in chosen:
        returns = returns_of(scene, sweep).points
        seen, lowest = np.zeros(counts.shape, bool), np.full(_SECTORS, np.inf)
        parts = scene.ego_from_lidar[sweep], scene.rig.own_box, config.sweeps.near_m
        _mark(returns, *parts, thresholds.reach_m, thresholds.cell_m, seen, lowest)
        counts += seen
        ground.append(np.median(lowest[np.isfinite(lowest)]) if np.isfinite(lowest).any() else np.inf)
    high = _heights(counts.shape, scene.ego_from_lidar[chosen[0]], thresholds) > np.median(ground) + thresholds.above_m
    still = high & (counts >= thresholds.share * len(chosen))
    if not still.any():
        return still
    own = np.zeros_like(still)
    where = np.argwhere(still)
    own[tuple(where[_left_behind(scene, chosen, where, thresholds)].T)] = True
    # Its outermost parts are hit less often, and at places that vary.
    own |= binary_dilation(own, _AROUND) & high & (counts > 0)
    return binary_dilation(own, _AROUND) & high if own.any() else own


def _moved_sweeps(scene: Scene, lidar: int, thresholds: OwnVehicleConfig) -> np.ndarray:
    """Sweeps of a lidar between which the car has moved."""
    chosen: list[int] = []
    positions, sweeps = scene.global_from_ego[:, :3, 3], scene.sweeps_of_lidars()[lidar]
    for sweep in sweeps[scene.time_steps[sweeps] >= 0]:
        if not chosen or np.linalg.norm(positions[sweep] - positions[chosen[-1]]) >= thresholds.moved_m:
            chosen.append(sweep)
    moved = np.array(chosen, int)
    if len(moved) > thresholds.max_sweeps:
        moved = moved[np.linspace(0, len(moved) - 1, thresholds.max_sweeps).round().astype(int)]
    return moved


def _heights(shape: tuple[int, ...], ego_from_lidar: np.ndarray, thresholds: OwnVehicleConfig) -> np.ndarray:
    """Height of the middle of each cell in the ego frame."""
    middle = (np.stack([*np.indices(shape)], axis=-1) + 0.5) * thresholds.cell_m - thresholds.reach_m
    return middle @ ego_from_lidar[2, :3] + ego_from_lidar[2, 3]


def _left_behind(scene: Scene, chosen: np.ndarray, where: np.ndarray, thresholds: OwnVehicleConfig) -> np.ndarray:
    """(N,) bool, whether rays pass the places of cells (N, 3) more often than they hit them once the car has moved
    on."""
    places = (where + 0.5) * thresholds.cell_m - thresholds.reach_m
    global_from_lidar = scene.global_from_ego[chosen] @ scene.ego_from_lidar[chosen]
    balance = np.zeros(len(where), int)
    for after, sweep in enumerate(chosen):
        away = np.linalg.norm(global_from_lidar[:, :3, 3] - global_from_lidar[after, :3, 3], axis=1)
        pairs = np.flatnonzero((away > thresholds.reach_m) & (away < thresholds.seen_m))
        if not len(pairs):
            continue
        returns = returns_of(scene, sweep).points[:, :3].astype(np.float64)
        ranges = np.linalg.norm(returns, axis=1)
        kept = ranges > thresholds.reach_m / 2  # not the car itself
        image = np.full((round(180 / _PIXEL_DEG), round(360 / _PIXEL_DEG)), np.inf)
        np.minimum.at(image, _pixels(returns[kept]), ranges[kept])
        image = minimum_filter(image, 3, mode=('nearest', 'wrap'))
        for before in pairs:
            moved = inverse(global_from_lidar[after]) @ global_from_lidar[before]
            there = places @ moved[:3, :3].T + moved[:3, 3]
            seen, expected = image[_pixels(there)], np.linalg.norm(there, axis=1)
            judged = np.isfinite(seen) & (expected > thresholds.reach_m)
            balance += judged & (seen > expected + thresholds.beyond_m)
            balance -= judged & (np.abs(seen - expected) <= thresholds.beyond_m)
    return balance > 0


def _pixels(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of (N, 3) points in an image of directions."""
    up = np.degrees(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))) + 90
    around = np.degrees(np.arctan2(points[:, 1], points[:, 0])) + 180
    rows, columns = round(180 / _PIXEL_DEG), round(360 / _PIXEL_DEG)
    return np.minimum((up / _PIXEL_DEG).astype(int), rows - 1), (around / _PIXEL_DEG).astype(int) % columns


@njit(cache=True, error_model='numpy')
def _mark(returns, ego_from_lidar, own_box, near_m, reach_m, cell_m, seen, lowest):
    """Mark the cells of a sweep's returns, and find the lowest return in each direction, ego frame."""
    no_cells = np.zeros((1, 1, 1), np.bool_)
    for i in range(len(returns)):
        x, y, z = np.float64(returns[i, 0]), np.float64(returns[i, 1]), np.float64(returns[i, 2])
        if not hits_world((x, y, z), ego_from_lidar, own_box, near_m, no_cells, 0.0, cell_m):
            continue
        away = np.sqrt(x * x + y * y)
        if reach_m < away < 2 * reach_m:
            sector = int((np.arctan2(y, x) / (2 * np.pi) + 0.5) * len(lowest)) % len(lowest)
            height = ego_from_lidar[2, 0] * x + ego_from_lidar[2, 1] * y + ego_from_lidar[2, 2] * z
            lowest[sector] = min(lowest[sector], height + ego_from_lidar[2, 3])
        elif away < reach_m and abs(z) < reach_m:
            seen[int((x + reach_m) / cell_m), int((y + reach_m) / cell_m), int((z + reach_m) / cell_m)] = True
