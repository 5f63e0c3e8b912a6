"""The labels of a keyframe: every point in the window votes, moved to its place at the keyframe."""

import numpy as np

from project.formats import OccupancyLabels
from project.geometry.rigid import inverse
from project.grid import VoxelGrid
from project.labels.aggregation.point_groups import ScenePoints
from project.labels.config import DEFAULT, LabelConfig
from project.labels.voxelization.histogram import (
    GROUND,
    PARTS,
    SYMMETRIC,
    YIELDS,
    Histogram,
    cast,
    cast_mirrored,
    count,
    new_histogram,
)
from project.sources.base import Scene
from project.taxonomy import NOISE, Taxonomy


def vote_keyframe(
    scene: Scene, points: ScenePoints, k: int, num_sweeps: int, grid: VoxelGrid, histogram: Histogram | None = None,
    config: LabelConfig = DEFAULT,
) -> OccupancyLabels:  # fmt: skip
    """Labels of a keyframe on a grid.

    Args:
        scene: the scene.
        points: its points.
        k: the keyframe.
        num_sweeps: keyframes before and after it that are in the window.
        grid: a grid around the lidar or the car.
        histogram: an empty one of this grid to use again; a new one by default.
        config: thresholds.
    """
    histogram = histogram or new_histogram(grid, points.size)
    fill_histogram(histogram, grid, scene, points, k, num_sweeps, scene.taxonomy.label_of)
    kinds = _kinds(scene.taxonomy, scene.taxonomy.label_of, np.arange(256) == NOISE)
    positions, labels, _ = count(histogram, kinds, config.voting)
    return OccupancyLabels(grid, grid.unravel(positions), labels)


def fill_histogram(
    histogram: Histogram,
    grid: VoxelGrid,
    scene: Scene,
    points: ScenePoints,
    k: int,
    num_sweeps: int,
    label_of: np.ndarray,
) -> None:
    """Cast the votes of all points in the window around a keyframe, placed where they are at the keyframe."""
    window = scene.window(k, num_sweeps)
    from_global = scene.grid_from_global(k, grid.frame)
    from_scene = from_global @ inverse(points.scene_from_global)
    tiles, labelling = points.tiles_in(grid, from_scene), (label_of, scene.taxonomy.ground)
    cast(histogram, grid, points.static, window, tiles, np.broadcast_to(from_scene, (len(tiles), 4, 4)), *labelling)
    tracks = np.flatnonzero(scene.tracks.present[k])
    from_box = from_global @ scene.tracks.global_from_box[k, tracks]
    cast(histogram, grid, points.objects, window, tracks, from_box, *labelling)
    alike = np.isin(scene.tracks.categories[tracks], list(scene.taxonomy.symmetric))
    # Unboxed movable points are valid at their own keyframe only.
    cast(histogram, grid, points.unboxed, scene.window(k, 0), np.zeros(1, np.int64), from_scene[None], *labelling)
    cast_mirrored(histogram, grid, points.objects, window, tracks[alike], from_box[alike], label_of)


def thinned_points(
    scene: Scene,
    points: ScenePoints,
    k: int,
    num_sweeps: int,
    grid: VoxelGrid,
    histogram: Histogram,
    config: LabelConfig = DEFAULT,
) -> np.ndarray:
    """One point a voxel: the mean of the points of the category that wins the vote.

    Args:
        scene, points, k, num_sweeps, grid: as for :func:`vote_keyframe`.
        histogram: one of this grid, with sums.
        config: thresholds.

    Returns:
        (N, 5) float64 x, y, z (the grid's frame, metres), intensity, category.
    """
    fill_histogram(histogram, grid, scene, points, k, num_sweeps, np.arange(256, dtype=np.uint8))
    kinds = _kinds(scene.taxonomy, np.arange(256), scene.taxonomy.label_of == NOISE)
    positions, raw, entries = count(histogram, kinds, config.voting)
    means = histogram.sums[entries] / histogram.entries['points'][entries, None]
    # Positions were truncated to whole parts before summing, which is half a part too low on average.
    inside = (means[:, :3] + 0.5) / PARTS
    xyz = np.array(grid.minimum) + (grid.unravel(positions) + inside) * grid.voxel_size
    return np.column_stack([xyz, means[:, 3], raw])


def _kinds(taxonomy: Taxonomy, label_of: np.ndarray, is_noise: np.ndarray) -> np.ndarray:
    """(256,) uint8 kind of each label, by the (256,) label of each category and the labels that are noise."""
    kinds = np.zeros(256, np.uint8)
    kinds[label_of[sorted(taxonomy.symmetric)]] = SYMMETRIC
    kinds[label_of[list(taxonomy.ground)]] = GROUND
    kinds[is_noise] = YIELDS
    return kinds
