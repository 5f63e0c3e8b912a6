"""Checks the height of the ground: it must be the same at different keyframes, and one layer in the labels."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from project.checking.config import GroundCheckConfig
from project.checking.placing import moved
from project.formats import OccupancyLabels
from project.geometry.rigid import inverse
from project.labels.aggregation.aggregate import Sweeps
from project.labels.aggregation.boxes import OUTSIDE, box_of_points
from project.sources.base import Scene

_ROWS = 1 << 24

BELOW_M = 0.5
"""Ground lies at least this far below the lidar."""

NEAR_M = 1.0
"""Labels further above or below the ground belong to something else."""


@dataclass(frozen=True)
class FlatGround:
    """Flat cells of the ground in one sweep.

    Attributes:
        cells: (N,) int64 numbers of the cells, ascending; equal numbers are equal places in the scene.
        centres: (N, 3) float64 mean of the returns of each, scene frame, metres.
        returns: (M, 3) float64 the returns themselves, scene frame.
    """

    cells: np.ndarray
    centres: np.ndarray
    returns: np.ndarray


class Layers(NamedTuple):
    """How thick labels of flat ground are.

    Attributes:
        several: share of the columns of voxels whose ground labels span several layers.
        thickness_m: mean height that ground labels span; one voxel if the ground is level and labels are right.
    """

    several: float
    thickness_m: float


def ground_returns(sweeps: Sweeps, sweep: int, config: GroundCheckConfig) -> np.ndarray:
    """(N, 3) float64 returns below the lidar that are in no box, scene frame."""
    points, boxes = sweeps.read(sweep)
    lidar = sweeps.scene_from_lidar[sweep, :3, 3]
    xyz = points.xyz.astype(np.float64)
    near = (xyz[:, 2] < lidar[2] - BELOW_M) & (np.hypot(*(xyz - lidar)[:, :2].T) < config.reach_m)
    near[near] = box_of_points(points.xyz[near], points.raw[near], boxes) == OUTSIDE
    return xyz[near]


def flat_ground(returns: np.ndarray, config: GroundCheckConfig) -> FlatGround:
    """Cells in which all returns lie at about one height; `returns` is (N, 3), scene frame."""
    columns = np.floor(returns[:, :2] / config.cell_m).astype(np.int64)
    number = columns[:, 0] * _ROWS + columns[:, 1]
    order = np.lexsort((returns[:, 2], number))
    number, returns = number[order], returns[order]
    cells, first, counts = np.unique(number, return_index=True, return_counts=True)
    spread = returns[first + counts - 1 - counts // 10, 2] - returns[first + counts // 10, 2]
    flat = (counts >= config.returns) & (spread < config.flat_m)
    sums = np.add.reduceat(returns, first) if len(first) else np.zeros((0, 3))
    return FlatGround(cells[flat], (sums / counts[:, None])[flat], returns[np.repeat(flat, counts)])


def height_differences(grounds: list[FlatGround], config: GroundCheckConfig) -> np.ndarray:
    """(K,) median difference of the height of the ground between each keyframe and those around it, metres; NaN where
    too little ground is seen by both.

    The two heights of a cell are taken at the mean place of its returns, so that a slope causes only a small error.
    """
    differences: list[list[np.ndarray]] = [[] for _ in grounds]
    for first in range(len(grounds)):
        for second in range(first + 1, min(first + 1 + config.keyframes, len(grounds))):
            _, here, there = np.intersect1d(
                grounds[first].cells, grounds[second].cells, assume_unique=True, return_indices=True
            )
            if len(here) >= config.cells:
                apart = np.abs(grounds[first].centres[here, 2] - grounds[second].centres[there, 2])
                differences[first].append(apart)
                differences[second].append(apart)
    return np.array([np.median(np.concatenate(each)) if each else np.nan for each in differences])


def label_layers(
    ground: FlatGround, labels: OccupancyLabels, grid_from_scene: np.ndarray, config: GroundCheckConfig
) -> Layers:
    """How many layers of voxels labels span around the height of flat ground.

    Args:
        ground: of the keyframe's own sweep.
        labels: of the keyframe.
        grid_from_scene: (4, 4) float64.
        config: how many layers are too many.

    Returns:
        Both NaN where there is too little ground.
    """
    grid = labels.grid
    indices, _ = grid.voxel_indices(moved(grid_from_scene, ground.returns))
    columns, first = np.unique(indices[:, 0].astype(np.int64) * grid.shape[1] + indices[:, 1], return_index=True)
    if len(columns) < config.cells:
        return Layers(float('nan'), float('nan'))
    occupied = np.zeros((grid.shape[0] * grid.shape[1], grid.shape[2]), bool)
    occupied[labels.indices[:, 0].astype(np.int64) * grid.shape[1] + labels.indices[:, 1], labels.indices[:, 2]] = True
    height = np.arange(grid.shape[2]) - indices[first, 2][:, None]
    here = occupied[columns] & (np.abs(height) * grid.voxel_size[2] <= NEAR_M)
    lowest, highest = here.argmax(axis=1), grid.shape[2] - 1 - here[:, ::-1].argmax(axis=1)
    spans = (highest - lowest + 1)[here.any(axis=1)]
    mean = spans.mean() * grid.voxel_size[2] if len(spans) else np.nan
    return Layers(float((spans >= config.layers).sum() / len(columns)), float(mean))


def ground_of_keyframes(
    scene: Scene, given: Scene, config: GroundCheckConfig
) -> tuple[list[FlatGround], np.ndarray, np.ndarray]:
    """Flat ground of each keyframe; and how its heights differ by the poses of `scene`, and by those of `given`.

    Args:
        scene: with the poses that are used, perhaps corrected ones.
        given: the same with the poses of the recording.
        config: what is ground.
    """
    sweeps = Sweeps(scene)
    used, raw = [], []
    given_from_global = np.eye(4)
    given_from_global[:3, 3] = sweeps.scene_from_global[:3, 3]
    for sweep in scene.keyframe_sweeps:
        returns = ground_returns(sweeps, sweep, config)
        used.append(flat_ground(returns, config))
        given_from_scene = (
            given_from_global @ given.global_from_ego[sweep]
            @ inverse(scene.global_from_ego[sweep]) @ inverse(sweeps.scene_from_global)
        )  # fmt: skip
        raw.append(flat_ground(moved(given_from_scene, returns), config))
    differences = height_differences(used, config), height_differences(raw, config)
    return used, *differences
