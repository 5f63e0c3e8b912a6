"""Dense labels of a scene: the main of label generation."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from project.formats import FORMATS, OccupancyLabels, points
from project.geometry.rigid import inverse
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.aggregation.dynamic_removal import read_sample_rays, without_dynamic_points
from project.labels.aggregation.point_groups import ScenePoints
from project.labels.poses.refinement import refined
from project.labels.run.settings import Settings
from project.labels.visibility.free_space import ObservedRays, free_space, observed_rays
from project.labels.visibility.masks import masks_of
from project.labels.visibility.rays import read_rays
from project.labels.voxelization.flow import flow_of
from project.labels.voxelization.histogram import PARTS, Histogram, cast, count, new_histogram
from project.sources.base import Scene
from project.taxonomy import NOISE


def label_scene(scene: Scene, settings: Settings, on_keyframe: Callable[[], None] = lambda: None) -> int:
    """Write the labels of a scene's keyframes; a pure function of its arguments and the files of the dataset.

    Args:
        scene: what to label.
        settings: how.
        on_keyframe: called after each keyframe that was labelled.

    Returns:
        Number of keyframes that were labelled; the others had all their files already.

    Raises:
        FileNotFoundError, ValueError: a file of the dataset is missing or damaged; the message names it.
        OSError: a label could not be written; the message names it.
        ImportError: poses are to be refined and small_gicp is not installed.
    """
    todo = [settings.missing(keyframe) for keyframe in scene.keyframes]
    if any(todo):
        if settings.refine_poses:
            scene = refined(scene, settings.config)
        world, seen = _look_through(scene, aggregate(scene, settings.config), settings)
        histograms: dict[VoxelGrid, Histogram] = {}
        for k, names in enumerate(todo):
            for grid in dict.fromkeys(FORMATS[name].GRID for name in names):
                _label(scene, world, seen, k, [n for n in names if grid == FORMATS[n].GRID], settings, histograms)
            if names:
                on_keyframe()
    return sum(bool(names) for names in todo)


def _look_through(scene: Scene, world: ScenePoints, settings: Settings) -> tuple[ScenePoints, ObservedRays | None]:
    """The world without what rays contradict, and what masks are made of, as far as either is wanted."""
    if settings.remove_ghosts:
        world = without_dynamic_points(world, read_sample_rays(scene, world.scene_from_global, settings.config))
    if not any(settings.with_masks(name) for name in settings.formats):
        return world, None
    rays = read_rays(scene, world.scene_from_global, settings.config)
    return world, observed_rays(scene, rays, world.scene_from_global, settings.config)


def _label(
    scene: Scene, world: ScenePoints, seen: ObservedRays | None, k: int, names: list[str], settings: Settings,
    histograms: dict[VoxelGrid, Histogram],
) -> None:  # fmt: skip
    """Write the labels of a keyframe in all formats of one grid: voted, seen and looked at once."""
    grid = FORMATS[names[0]].GRID
    if grid not in histograms:
        histograms[grid] = new_histogram(grid, world.size, with_sums=grid == points.GRID)
    voted = scene, world, k, settings.num_sweeps, grid, histograms[grid]
    if grid == points.GRID:
        return _write(scene, k, points.NAME, thinned_points(*voted), settings)
    labels = vote_keyframe(*voted)
    masks = flow = None
    if any(settings.with_masks(name) for name in names):
        free = free_space(scene, seen, k, settings.num_sweeps, grid)
        masks = masks_of(labels, scene, k, free, settings.config)
    if any(settings.with_flow(name) for name in names):
        flow = flow_of(labels, scene, k)
    for name in names:
        mask_lidar, mask_camera = masks if settings.with_masks(name) else (None, None)
        flow_here = flow if settings.with_flow(name) else None
        content = replace(labels, mask_lidar=mask_lidar, mask_camera=mask_camera, flow=flow_here)
        _write(scene, k, name, content, settings)


def _write(scene: Scene, k: int, name: str, content: OccupancyLabels | np.ndarray, settings: Settings) -> None:
    path = settings.save_path / FORMATS[name].path(scene.keyframes[k])
    try:
        FORMATS[name].write(path, content)
    except OSError as error:
        raise OSError(f'{path}: cannot be written: {error.strerror or error}') from error


def vote_keyframe(
    scene: Scene, world: ScenePoints, k: int, num_sweeps: int, grid: VoxelGrid, histogram: Histogram | None = None
) -> OccupancyLabels:  # fmt: skip
    """Labels of a keyframe on a grid.

    Args:
        scene: the scene.
        world: its points.
        k: the keyframe.
        num_sweeps: keyframes before and after it that are in the window.
        grid: a grid around the lidar or the car.
        histogram: one of this grid to use again; a new one by default.
    """
    histogram = histogram or new_histogram(grid, world.size)
    fill_histogram(histogram, grid, scene, world, k, num_sweeps, scene.taxonomy.label_of)
    positions, labels, _ = count(histogram, np.arange(256) == NOISE)
    return OccupancyLabels(grid, grid.unravel(positions), labels)


def fill_histogram(
    histogram: Histogram,
    grid: VoxelGrid,
    scene: Scene,
    world: ScenePoints,
    k: int,
    num_sweeps: int,
    label_of: np.ndarray,
) -> None:
    """Cast the votes of everything that is there at a keyframe, as seen in the window around it."""
    last = len(scene.keyframes) - 1
    window = 2 * max(k - num_sweeps, 0), 2 * min(k + num_sweeps, last)
    from_global = scene.grid_from_global(k, grid.frame)
    from_scene = from_global @ inverse(world.scene_from_global)
    tiles, labelling = world.tiles_in(grid, from_scene), (label_of, scene.taxonomy.ground)
    cast(histogram, grid, world.static, window, tiles, np.broadcast_to(from_scene, (len(tiles), 4, 4)), *labelling)
    tracks = np.flatnonzero(scene.tracks.present[k])
    from_box = from_global @ scene.tracks.global_from_box[k, tracks]
    cast(histogram, grid, world.objects, window, tracks, from_box, *labelling)
    # What moves without a box was where it was seen at this keyframe only.
    cast(histogram, grid, world.unboxed, (2 * k, 2 * k), np.zeros(1, np.int64), from_scene[None], *labelling)


def thinned_points(
    scene: Scene,
    world: ScenePoints,
    k: int,
    num_sweeps: int,
    grid: VoxelGrid,
    histogram: Histogram,
) -> np.ndarray:
    """One point a voxel: the mean of the points of the lidarseg index that wins the vote.

    Args:
        scene, world, k, num_sweeps, grid: as for :func:`vote_keyframe`.
        histogram: one of this grid, with sums.

    Returns:
        (N, 5) float64 x, y, z (the grid's frame, metres), intensity, lidarseg index.
    """
    fill_histogram(histogram, grid, scene, world, k, num_sweeps, np.arange(256, dtype=np.uint8))
    positions, raw, entries = count(histogram, scene.taxonomy.label_of == NOISE)
    means = histogram.sums[entries] / histogram.counts[entries, None]
    # Sums are of positions cut to whole parts, which is half a part too low on average.
    inside = (means[:, :3] + 0.5) / PARTS
    xyz = np.array(grid.minimum) + (grid.unravel(positions) + inside) * grid.voxel_size
    return np.column_stack([xyz, means[:, 3], raw])
