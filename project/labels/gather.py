"""Steps 1 to 3 over a whole scene: every sweep is read once, and each of its points is given to what it belongs to."""

from dataclasses import dataclass

import numpy as np

from project.labels.boxes import Boxes, box_of_points, boxes_at, extended
from project.labels.cloud import Cloud, sort_into_groups
from project.grid import VoxelGrid
from project.labels.domain import TILE_CELLS, TILE_M, Domain, domain_around
from project.labels.geometry import inverse
from project.labels.propagate import OBJECT, LabelMap, cell_numbers, label_map, mark_movers, propagate
from project.labels.read import Points, read_sweep
from project.labels.scene import Scene, Tracks
from project.taxonomy import RAW_STATIC


@dataclass(frozen=True)
class World:
    """What a scene consists of. Time steps of the clouds: 2k at keyframe k, 2k + 1 between k and k + 1.

    Attributes:
        static: the static world, scene frame, grouped by tile.
        objects: tracked objects, each in its box's frame, grouped by track.
        loose: movable points of keyframes outside every box, scene frame, one group; right at their own keyframe only.
        scene_from_global: (4, 4) float64.
        tile_centres: (tiles, 2) float64, scene frame.
    """

    static: Cloud
    objects: Cloud
    loose: Cloud
    scene_from_global: np.ndarray
    tile_centres: np.ndarray

    @property
    def size(self) -> int:
        """Number of points."""
        return sum(len(cloud.points.raw) for cloud in (self.static, self.objects, self.loose))

    def tiles_in(self, grid: VoxelGrid, grid_from_scene: np.ndarray) -> np.ndarray:
        """(N,) int64 tiles that may reach into a grid."""
        centres = self.tile_centres @ grid_from_scene[:2, :2].T + grid_from_scene[:2, 3]
        # Half a tile's diagonal, and a metre for the lean of the grid.
        reach = TILE_M / np.sqrt(2) + 1
        inside = (centres > np.array(grid.minimum[:2]) - reach) & (centres < np.array(grid.maximum[:2]) + reach)
        return np.flatnonzero(inside.all(axis=1))


class _Collector:
    """Points that belong together, by time step."""

    def __init__(self, steps: int):
        self.parts: list[list[tuple[Points, np.ndarray]]] = [[] for _ in range(steps)]

    def add(self, step: int, points: Points, groups: np.ndarray) -> None:
        self.parts[step].append((points, groups))

    def cloud(self, n_groups: int) -> Cloud:
        return sort_into_groups([_joined(parts) for parts in self.parts], n_groups)


def _joined(parts: list[tuple[Points, np.ndarray]]) -> tuple[Points, np.ndarray]:
    if not parts:
        return Points(np.empty((0, 3), np.float32), np.empty(0, np.uint8), np.empty(0, np.uint8)), np.empty(0, np.int32)
    xyz, raw, intensity = (np.concatenate([getattr(p, name) for p, _ in parts]) for name in ('xyz', 'raw', 'intensity'))
    return Points(xyz, raw, intensity), np.concatenate([groups for _, groups in parts])


def gather(scene: Scene) -> World:
    """Read a scene's sweeps and sort their points into static world and objects.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    scene_from_global = np.eye(4)
    scene_from_global[:3, 3] = -scene.global_from_ego[0, :3, 3]
    scene_from_lidar = scene_from_global @ scene.global_from_ego @ scene.ego_from_lidar
    times_s = (scene.timestamps_us - scene.timestamps_us[0])[scene.keyframe_sweeps] / 1e6
    tracks = extended(scene.tracks, times_s)
    domain = domain_around(scene_from_lidar[scene.keyframe_sweeps, :3, 3])
    steps = 2 * len(scene.keyframes) - 1
    static, objects, loose = _Collector(steps), _Collector(steps), _Collector(steps)

    movers = []
    for k, sweep in enumerate(scene.keyframe_sweeps):
        lidarseg = scene.dataroot / scene.lidarseg_files[k]
        points = read_sweep(
            scene.dataroot / scene.sweep_files[sweep], lidarseg, scene_from_lidar[sweep], scene.ego_from_lidar[sweep]
        )
        points = points[points.raw > 0]
        boxes = boxes_at(tracks, scene.tracks.present, k, 0, scene_from_global)
        is_static = (points.raw >= RAW_STATIC.start) & (points.raw < RAW_STATIC.stop)
        box = box_of_points(points.xyz, points.raw, boxes)
        in_box = (box >= 0) & ~is_static
        in_box[in_box] = ~boxes.guessed[box[in_box]]
        static.add(2 * k, *_in_tiles(domain, points[is_static]))
        objects.add(2 * k, *_in_boxes(boxes, points[in_box], box[in_box]))
        rest = points[~is_static & ~in_box]
        loose.add(2 * k, rest, np.zeros(len(rest.raw), np.int32))
        movers.append(rest.xyz)

    labelled = _joined([parts[0] for parts in static.parts[::2]])[0]
    labels = label_map(domain, labelled)
    for k in range(len(scene.keyframes) - 1):
        for xyz in movers[k : k + 2]:
            mark_movers(labels, xyz, True)
        for sweep in np.flatnonzero(scene.ticks == 2 * k + 1):
            points = read_sweep(
                scene.dataroot / scene.sweep_files[sweep], None, scene_from_lidar[sweep], scene.ego_from_lidar[sweep]
            )
            time_s = (scene.timestamps_us[sweep] - scene.timestamps_us[0]) / 1e6
            fraction = (time_s - times_s[k]) / (times_s[k + 1] - times_s[k])
            boxes = boxes_at(tracks, scene.tracks.present, k, fraction, scene_from_global)
            box = box_of_points(points.xyz, points.raw, boxes)
            kind = propagate(labels, points.xyz, box, boxes.guessed)
            in_box = kind == OBJECT
            points.raw[:] = kind
            points.raw[in_box] = boxes.categories[box[in_box]]
            static.add(2 * k + 1, *_in_tiles(domain, points[(kind < OBJECT)]))
            objects.add(2 * k + 1, *_in_boxes(boxes, points[in_box], box[in_box]))
        for xyz in movers[k : k + 2]:
            mark_movers(labels, xyz, False)
    return World(
        static=static.cloud(len(domain.centres)),
        objects=objects.cloud(scene.tracks.present.shape[1]),
        loose=loose.cloud(1),
        scene_from_global=scene_from_global,
        tile_centres=domain.centres,
    )


def _in_tiles(domain: Domain, points: Points) -> tuple[Points, np.ndarray]:
    columns, cells = cell_numbers(domain, points.xyz)
    inside = cells >= 0
    return points[inside], (columns[inside] // TILE_CELLS**2).astype(np.int32)


def _in_boxes(boxes: Boxes, points: Points, box: np.ndarray) -> tuple[Points, np.ndarray]:
    """Points of the scene frame carried into the frames of their boxes, and the track of each."""
    box_from_scene = inverse(boxes.scene_from_box)[box]
    xyz = np.einsum('nij,nj->ni', box_from_scene[:, :3, :3], points.xyz.astype(np.float64)) + box_from_scene[:, :3, 3]
    return Points(xyz.astype(np.float32), points.raw, points.intensity), boxes.tracks[box]
