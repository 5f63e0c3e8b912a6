"""Dense labels of a scene: the algorithm, one call a step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from project.formats import FORMATS, OccupancyLabels
from project.formats import points as points_format
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.aggregation.dynamic_removal import read_sample_rays, without_dynamic_points
from project.labels.aggregation.own_vehicle import with_own_parts
from project.labels.aggregation.point_groups import ScenePoints
from project.labels.poses.refinement import refined
from project.labels.run.pose_files import pose_file, write_poses
from project.labels.run.settings import Settings
from project.labels.visibility.free_space import ObservedRays, free_space, observed_rays
from project.labels.visibility.lidar_rays import read_rays
from project.labels.visibility.masks import masks_of
from project.labels.voxelization.completion import complete
from project.labels.voxelization.flow import flow_of
from project.labels.voxelization.histogram import Histogram, new_histogram
from project.labels.voxelization.instances import instances_of, track_of_voxels
from project.labels.voxelization.voting import thinned_points, vote_keyframe
from project.sources.base import Scene
from project.sources.selection import with_keyframes


def label_scene(scene: Scene, settings: Settings, on_keyframe: Callable[[], None] = lambda: None) -> int:
    """Write the labels of a scene's keyframes; they depend only on the arguments and on the files of the recording.

    Args:
        scene: the scene to label.
        settings: formats, options and thresholds.
        on_keyframe: called after each keyframe that was labelled.

    Returns:
        Number of keyframes that were labelled; the others had all their files already.

    Raises:
        FileNotFoundError, ValueError: a file of the recording is missing or damaged; the message names it.
        OSError: a label could not be written; the message names it.
    """
    aggregated = aggregated_scene(scene, settings)
    return 0 if aggregated is None else label_keyframes(aggregated, settings, on_keyframe)


@dataclass(frozen=True)
class AggregatedScene:
    """What the labels of keyframes are made of.

    Attributes:
        scene: with poses to use.
        points: the points of its sweeps.
        rays: places that lidar saw to be free; None if no masks are wanted.
        keyframes: which ones are to be labelled.
    """

    scene: Scene
    points: ScenePoints
    rays: ObservedRays | None
    keyframes: range

    @property
    def nbytes(self) -> int:
        """Bytes of the points, and of the rays without those in boxes."""
        clouds = [cloud.points for cloud in (self.points.static, self.points.objects, self.points.unboxed)]
        arrays = [array for cloud in clouds for array in (cloud.xyz, cloud.raw, cloud.intensity)]
        arrays += [] if self.rays is None else [self.rays.rays.ends, self.rays.rays.shares]
        return sum(array.nbytes for array in arrays)

    def cut(self, keyframes: range, num_sweeps: int) -> 'AggregatedScene':
        """What the labels of some consecutive keyframes are made of: what is in their windows, however long the scene.

        Raises:
            ValueError: the scene is labelled at more times than those at which it is annotated.
        """
        if self.scene.annotated_sweeps is not None:
            raise ValueError('a scene with labels at every sweep cannot be cut')
        # One more on both sides: velocities come from the keyframes beside one, and a sweep of another lidar that is
        # the first of a window may be from before its keyframe.
        margin = num_sweeps + 1
        kept = range(max(keyframes.start - margin, 0), min(keyframes.stop + margin, len(self.scene.keyframes)))
        steps = range(2 * kept[0], 2 * kept[-1] + 1)
        tracks = np.flatnonzero(self.scene.tracks.present[kept].any(axis=0))
        rays = None if self.rays is None else self.rays.within(self.scene, steps, tracks)
        return AggregatedScene(
            with_keyframes(self.scene, kept, tracks), self.points.within(steps, tracks), rays,
            range(keyframes.start - kept[0], keyframes.stop - kept[0]),
        )  # fmt: skip


def aggregated_scene(scene: Scene, settings: Settings) -> AggregatedScene | None:
    """Do all that concerns the scene as a whole; None if all its keyframes have all their files already.

    Raises:
        FileNotFoundError, ValueError, OSError: as :func:`label_scene`.
    """
    needed, config = any(map(settings.missing, scene.keyframes)), settings.config
    # Own car: parts of it stay at one place in the lidar's frame while the world moves.
    if needed:
        scene = with_own_parts(scene, config)
    # Poses: the sweeps are registered to each other where the given ego poses do not align them.
    scene = _with_poses_to_use(scene, settings, needed)
    if not needed:
        return None
    # Aggregation: every sweep is read once; each point goes to the static world or, in its box frame, to an object.
    points = aggregate(scene, config)
    # Dynamic removal: rays of other times pass through the points of movers without a box; these points are removed.
    if settings.remove_ghosts:
        sample_rays = read_sample_rays(scene, points.scene_from_global, config)
        points = without_dynamic_points(points, sample_rays, scene.time_steps, config.dynamic_removal)
    # Rays: the places that lidar saw to be free, for the masks.
    rays = None
    if any(map(settings.with_masks, settings.formats)):
        swept = read_rays(scene, points.scene_from_global, config)
        rays = observed_rays(scene, swept, points.scene_from_global, config)
    return AggregatedScene(scene, points, rays, range(len(scene.keyframes)))


def label_keyframes(
    aggregated: AggregatedScene, settings: Settings, on_keyframe: Callable[[], None] = lambda: None
) -> int:
    """Write the labels of keyframes, each of which depends only on its own window.

    Returns:
        Number of keyframes that were labelled.

    Raises:
        OSError: a label could not be written; the message names it.
    """
    scene, points, labelled = aggregated.scene, aggregated.points, 0
    histograms: dict[VoxelGrid, Histogram] = {}
    for k in aggregated.keyframes:
        names = settings.missing(scene.keyframes[k])
        for grid, of_grid in _by_grid(names, settings):
            if grid not in histograms:
                histograms[grid] = new_histogram(grid, points.size, with_sums=grid == points_format.GRID)
            _label_keyframe(scene, k, points, aggregated.rays, histograms[grid], grid, of_grid, settings)
        if names:
            labelled += 1
            on_keyframe()
    return labelled


def _with_poses_to_use(scene: Scene, settings: Settings, needed: bool) -> Scene:
    """The scene, with corrected poses if the settings ask for them; writes beside the labels what was done."""
    path = pose_file(settings.save_path, scene.name)
    if not settings.refine_poses:
        path.unlink(missing_ok=True)
    elif needed or not path.is_file():
        scene, report = refined(scene, settings.config)
        write_poses(settings.save_path, scene, report)
    return scene


def _label_keyframe(
    scene: Scene, k: int, points: ScenePoints, rays: ObservedRays | None, histogram: Histogram, grid: VoxelGrid,
    names: list[str], settings: Settings,
) -> None:  # fmt: skip
    """Write the labels of a keyframe in all formats of one grid."""
    window = settings.num_sweeps
    if grid == points_format.GRID:
        thinned = thinned_points(scene, points, k, window, grid, histogram, settings.config)
        return _write(scene, k, points_format.NAME, thinned, settings)
    # Voxelization: all points of the window vote, each at its place at this keyframe.
    labels = vote_keyframe(scene, points, k, window, grid, histogram, settings.config)
    mask_lidar = mask_camera = flow = instances = None
    # Visibility: free space carving by all lidar rays of the window; rays from the cameras of this keyframe.
    if rays is not None and any(map(settings.with_masks, names)):
        free = free_space(scene, rays, k, window, grid)
        mask_lidar, mask_camera = masks_of(labels, scene, k, free, settings.config)
    # Completion: after the masks, since what is filled in was not observed.
    if settings.complete:
        labels = complete(labels, scene.taxonomy, settings.config)
    # Instances and flow: voxels belong to the box that reaches into them, and move with it.
    if any(settings.with_flow(name) or settings.with_instances(name) for name in names):
        track = track_of_voxels(labels, scene, k)
        flow, instances = flow_of(labels, track, scene, k), instances_of(track, scene.tracks)
    for name in names:
        content = replace(labels, flow=flow if settings.with_flow(name) else None)
        content = replace(content, instances=instances if settings.with_instances(name) else None)
        if settings.with_masks(name):
            content = replace(content, mask_lidar=mask_lidar, mask_camera=mask_camera)
        _write(scene, k, name, content, settings)


def _by_grid(names: list[str], settings: Settings) -> Iterator[tuple[VoxelGrid, list[str]]]:
    """Formats by grid: those of one grid share all work but the writing."""
    for grid in dict.fromkeys(map(settings.grid_of, names)):
        yield grid, [name for name in names if grid == settings.grid_of(name)]


def _write(scene: Scene, k: int, name: str, content: OccupancyLabels | np.ndarray, settings: Settings) -> None:
    path = settings.save_path / FORMATS[name].path(scene.keyframes[k])
    try:
        FORMATS[name].write(path, content)
    except OSError as error:
        raise OSError(f'{path}: cannot be written: {error.strerror or error}') from error
