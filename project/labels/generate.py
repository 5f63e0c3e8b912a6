"""Dense labels of a scene: the main of label generation."""

from collections.abc import Callable

import numpy as np

from project.formats import FORMATS, OccupancyLabels, points
from project.grid import VoxelGrid
from project.labels.cloud import World
from project.labels.flow import flow_of
from project.labels.gather import gather
from project.labels.geometry import inverse
from project.labels.ghosts import without_ghosts
from project.labels.masks import add_masks
from project.labels.refine import refined
from project.labels.scene import Scene
from project.labels.see import Sight, count_beams, sight_of
from project.labels.settings import Settings
from project.labels.vote import PARTS, Ballot, cast, count, new_ballot
from project.taxonomy import NOISE, LabelMapping


def label_scene(scene: Scene, settings: Settings, on_keyframe: Callable[[], None] = lambda: None) -> int:
    """Write the labels of a scene's keyframes; a pure function of its arguments and the files of the dataset.

    Args:
        scene: what to label.
        settings: how.
        on_keyframe: called after each keyframe.

    Returns:
        Number of keyframes that were labelled; the others had all their files already.

    Raises:
        FileNotFoundError, ValueError: a file of the dataset is missing or damaged; the message names it.
        OSError: a label could not be written; the message names it.
        ImportError: poses are to be refined and small_gicp is not installed.
    """
    todo = [_missing_formats(scene, k, settings) for k in range(len(scene.keyframes))]
    if any(todo):
        if settings.refine_poses:
            scene = refined(scene)
        world = gather(scene)
        sight = None
        if any(settings.needs_beams(name) for name in settings.formats):
            sight = sight_of(scene, world.scene_from_global)
        ballots: dict[str, Ballot] = {}
        for k, names in enumerate(todo):
            for name in names:
                _write(scene, world, sight, k, name, settings, ballots)
            on_keyframe()
    return sum(bool(names) for names in todo)


def _missing_formats(scene: Scene, k: int, settings: Settings) -> list[str]:
    paths = {name: settings.save_path / FORMATS[name].path(scene.keyframes[k]) for name in settings.formats}
    return [name for name, path in paths.items() if settings.overwrite or not path.is_file()]


def _write(
    scene: Scene, world: World, sight: Sight | None, k: int, name: str, settings: Settings, ballots: dict[str, Ballot]
) -> None:
    module = FORMATS[name]
    if name not in ballots:
        ballots[name] = new_ballot(module.GRID, world.size, with_sums=name == points.NAME)
    if name == points.NAME:
        content = thinned_points(scene, world, k, settings.num_sweeps, module.GRID, settings.mapping, ballots[name])
    else:
        content = vote_keyframe(scene, world, k, settings.num_sweeps, module.GRID, settings.mapping, ballots[name])
        if settings.needs_beams(name):
            beams = count_beams(scene, sight, k, settings.num_sweeps, module.GRID)
            if settings.without_ghosts(name):
                content = without_ghosts(content, beams, settings.mapping)
            if settings.with_masks(name):
                add_masks(content, scene, k, beams, settings.mapping)
        if settings.with_flow(name):
            content.flow = flow_of(content, scene, k, settings.mapping)
    path = settings.save_path / module.path(scene.keyframes[k])
    try:
        module.write(path, content)
    except OSError as error:
        raise OSError(f'{path}: cannot be written: {error.strerror or error}') from error


def vote_keyframe(
    scene: Scene, world: World, k: int, num_sweeps: int, grid: VoxelGrid, mapping: LabelMapping | None = None,
    ballot: Ballot | None = None,
) -> OccupancyLabels:  # fmt: skip
    """Labels of a keyframe on a grid.

    Args:
        scene: the scene.
        world: its points.
        k: the keyframe.
        num_sweeps: keyframes before and after it that are in the window.
        grid: a grid around the lidar or the car.
        mapping: label of each lidarseg index; the 16 classes by default.
        ballot: one of this grid to use again; a new one by default.
    """
    mapping = mapping or LabelMapping.default()
    ballot = ballot or new_ballot(grid, world.size)
    cast_keyframe(ballot, grid, scene, world, k, num_sweeps, np.resize(mapping.learning_map, 256))
    positions, labels, _ = count(ballot, np.arange(256) == NOISE)
    return OccupancyLabels(grid, grid.unravel(positions), labels)


def cast_keyframe(
    ballot: Ballot, grid: VoxelGrid, scene: Scene, world: World, k: int, num_sweeps: int, label_of: np.ndarray
) -> None:
    """Cast the votes of everything that is there at a keyframe, as seen in the window around it."""
    last = len(scene.keyframes) - 1
    window = 2 * max(k - num_sweeps, 0), 2 * min(k + num_sweeps, last)
    from_global = scene.grid_from_global(k, grid.frame)
    from_scene = from_global @ inverse(world.scene_from_global)
    tiles = world.tiles_in(grid, from_scene)
    cast(ballot, grid, world.static, window, tiles, np.broadcast_to(from_scene, (len(tiles), 4, 4)), label_of)
    tracks = np.flatnonzero(scene.tracks.present[k])
    from_box = from_global @ scene.tracks.global_from_box[k, tracks]
    cast(ballot, grid, world.objects, window, tracks, from_box, label_of)
    # What moves without a box was where it was seen at this keyframe only.
    cast(ballot, grid, world.loose, (2 * k, 2 * k), np.zeros(1, np.int64), from_scene[None], label_of)


def thinned_points(
    scene: Scene, world: World, k: int, num_sweeps: int, grid: VoxelGrid, mapping: LabelMapping, ballot: Ballot
) -> np.ndarray:
    """One point a voxel: the mean of the points of the lidarseg index that wins the vote.

    Args:
        scene, world, k, num_sweeps, grid: as for :func:`vote_keyframe`.
        mapping: lidarseg indices that it makes noise yield to all others.
        ballot: one of this grid, with sums.

    Returns:
        (N, 5) float64 x, y, z (the grid's frame, metres), intensity, lidarseg index.
    """
    cast_keyframe(ballot, grid, scene, world, k, num_sweeps, np.arange(256, dtype=np.uint8))
    positions, raw, entries = count(ballot, np.resize(mapping.learning_map, 256) == NOISE)
    means = ballot.sums[entries] / ballot.counts[entries, None]
    # Sums are of positions cut to whole parts, which is half a part too low on average.
    inside = (means[:, :3] + 0.5) / PARTS
    xyz = np.array(grid.minimum) + (grid.unravel(positions) + inside) * grid.voxel_size
    return np.column_stack([xyz, means[:, 3], raw])
