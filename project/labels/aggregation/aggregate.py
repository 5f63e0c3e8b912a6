"""Reads every sweep of a scene once and assigns each point to the static world or to an object."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from project.labels.aggregation.box_agreement import check_agreement, points_agreeing
from project.labels.aggregation.boxes import OUTSIDE, Boxes, box_of_points, boxes_of_sweeps, extended, in_box_frames
from project.labels.aggregation.denoising import clean_objects, clean_static
from project.labels.aggregation.floating_ground import GroundLevels, ground_levels
from project.labels.aggregation.ground_points import categories_without_labels
from project.labels.aggregation.label_propagation import OBJECT, LabelMap, label_map, mark_movers, propagate
from project.labels.aggregation.object_shape import ObjectShapes
from project.labels.aggregation.point_groups import NO_GROUP, PointCollector, ScenePoints
from project.labels.aggregation.sweeps import Points, read_sweep
from project.labels.aggregation.tiles import TileMap, tile_map_around, tile_of_points
from project.labels.config import DEFAULT, LabelConfig
from project.sources.base import Scene
from project.taxonomy import NOISE


def aggregate(scene: Scene, config: LabelConfig = DEFAULT) -> ScenePoints:
    """Read a scene's sweeps and sort their points into the static world and objects.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    sweeps = Sweeps(scene, config)
    tile_map = tile_map_around(sweeps.scene_from_lidar[scene.keyframe_sweeps, :3, 3], config.tiles)
    steps = scene.num_steps
    sorted_points = _Sorted(tile_map, *(PointCollector(steps) for _ in range(3)))
    _sort_labelled(sweeps, sorted_points)
    labelled = sorted_points.static.points_and_groups(range(0, steps, 2))[0]
    labels = label_map(tile_map, labelled, scene.taxonomy, config)
    largest = scene.tracks.sizes.max(axis=0)
    of_objects = sorted_points.objects.points_and_groups(range(0, steps, 2))
    object_shapes = ObjectShapes(*of_objects, largest, config)
    for step in range(steps):
        _sort_unlabelled(sweeps, step, labels, object_shapes, sorted_points)
    static = sorted_points.static.cloud(len(tile_map.centres))
    objects = sorted_points.objects.cloud(scene.tracks.present.shape[1])
    clean_static(static, tile_map, scene.taxonomy, config)
    clean_objects(objects, largest, scene.taxonomy, config)
    return ScenePoints(
        static=static,
        objects=objects,
        unboxed=sorted_points.unboxed.cloud(1),
        scene_from_global=sweeps.scene_from_global,
        tile_centres=tile_map.centres,
        taxonomy=scene.taxonomy,
    )


@dataclass(frozen=True)
class _Sorted:
    """Points sorted so far; static ones by tile, those of objects by track, the rest of keyframes in one group."""

    tile_map: TileMap
    static: PointCollector
    objects: PointCollector
    unboxed: PointCollector

    def add_static(self, step: int, points: Points, static: np.ndarray) -> None:
        tiles = tile_of_points(self.tile_map, points.xyz)
        tiles[~static] = NO_GROUP
        self.static.add(step, points, tiles)


class Sweeps:
    """Reads the sweeps of a scene, each with the boxes at its time."""

    def __init__(self, scene: Scene, config: LabelConfig = DEFAULT):
        self.scene = scene
        self.config = config
        # The scene's frame is the global one, moved to where the car starts.
        self.scene_from_global = np.eye(4)
        self.scene_from_global[:3, 3] = -scene.global_from_ego[0, :3, 3]
        self.scene_from_lidar = self.scene_from_global @ scene.global_from_ego @ scene.ego_from_lidar

    @cached_property
    def boxes(self) -> dict[int, Boxes]:
        """The boxes at the time of each sweep from the first keyframe to the last."""
        scene = self.scene
        annotated = scene.annotated
        tracks = extended(annotated.tracks, (annotated.times_us - scene.timestamps_us[0]) / 1e6)
        return boxes_of_sweeps(scene, tracks, self.scene_from_global, self.config.boxes)

    @cached_property
    def labelled(self) -> np.ndarray:
        """(S,) bool, the sweeps whose points have categories.

        These are the sweeps at keyframes that have a file of categories. In a scene without any such file they are all
        sweeps at keyframes: their categories come from the boxes and the ground.
        """
        with_file = np.array([file is not None for file in self.scene.label_files])
        at_keyframe = (self.scene.time_steps >= 0) & (self.scene.time_steps % 2 == 0)
        return at_keyframe & (with_file if with_file.any() else True)

    def read(self, sweep: int) -> tuple[Points, Boxes]:
        """Points of a sweep in the scene's frame, with categories if it is labelled, and the boxes at its time."""
        scene, boxes = self.scene, self.boxes[sweep]
        points = read_sweep(scene, sweep, self.scene_from_lidar[sweep], self.config.sweeps)
        if self.labelled[sweep] and scene.label_files[sweep] is None:
            car = self.scene_from_global @ scene.global_from_ego[sweep, :, 3]
            points.raw = categories_without_labels(points.xyz, car, boxes, scene.taxonomy, self.config)
        return points, boxes


def _sort_labelled(sweeps: Sweeps, sorted_points: _Sorted) -> None:
    """Points of all keyframes: their categories say what is static, unless they call something ground that floats."""
    chosen = np.flatnonzero(sweeps.labelled)
    read = [sweeps.read(sweep) for sweep in chosen]
    levels = ground_levels([points for points, _ in read], sweeps.scene.taxonomy.ground, sweeps.config.label_mistakes)
    counts = [
        _sort_keyframe(sweeps.scene, sweep, points, boxes, levels, sorted_points)
        for sweep, (points, boxes) in zip(chosen, read, strict=True)
    ]
    if any(sweeps.scene.label_files[sweep] is not None for sweep in chosen):
        check_agreement(sweeps.scene, counts)


def _sort_keyframe(
    scene: Scene, sweep: int, points: Points, boxes: Boxes, levels: GroundLevels, sorted_points: _Sorted
) -> np.ndarray:
    """Labelled points of a sweep: a movable point belongs to its box, or to nothing. Returns `points_agreeing`."""
    kinds, step = scene.taxonomy, int(scene.time_steps[sweep])
    box = box_of_points(points.xyz, points.raw, boxes)
    box[boxes.guessed_at(box)] = OUTSIDE
    agreeing = points_agreeing(scene, points, boxes, box)
    floating = levels.floats(points, box >= 0)
    points.raw[floating] = np.append(boxes.categories, NOISE)[box[floating]]
    known = points.raw != NOISE
    points, box = points[known], box[known]
    static = (points.raw >= kinds.static.start) & (points.raw < kinds.static.stop)
    box[static] = OUTSIDE
    sorted_points.add_static(step, points, static)
    sorted_points.objects.add(step, in_box_frames(points[box >= 0], boxes, box[box >= 0]), boxes.tracks[box[box >= 0]])
    unboxed = points[~static & (box < 0)]
    sorted_points.unboxed.add(step, unboxed, np.zeros(len(unboxed.raw), np.int32))
    return agreeing


def _sort_unlabelled(
    sweeps: Sweeps, step: int, labels: LabelMap, object_shapes: ObjectShapes, sorted_points: _Sorted
) -> None:
    """Unlabelled points: the labels of keyframes and the boxes say what is static."""
    unlabelled = np.flatnonzero((sweeps.scene.time_steps == step) & ~sweeps.labelled)
    if not len(unlabelled):
        return
    # The keyframes before and after, and the one of this time.
    steps = range(0, sweeps.scene.num_steps, 2)
    around = [at for at in steps if abs(at - step) <= 2 - step % 2]
    movers = sorted_points.unboxed.points_and_groups(around)[0].xyz
    mark_movers(labels, movers, True)
    for sweep in unlabelled:
        points, boxes = sweeps.read(sweep)
        box = box_of_points(points.xyz, points.raw, boxes)
        in_box = box >= 0
        local = in_box_frames(points[in_box], boxes, box[in_box])
        tracks = boxes.tracks[box[in_box]]
        labelled_object = np.zeros(len(box), bool)
        labelled_object[in_box] = object_shapes.at(local.xyz, tracks)
        points.raw = propagate(labels, points.xyz, in_box, labelled_object, boxes.guessed_at(box))
        of_object = points.raw[in_box] == OBJECT
        local.raw = boxes.categories[box[in_box]]
        sorted_points.objects.add(step, local[of_object], tracks[of_object])
        sorted_points.add_static(step, points, points.raw < OBJECT)
    mark_movers(labels, movers, False)
