"""The plain method to make dense labels, for comparison: what one would write first.

Points in a tracked box move with it and, in sweeps, take its category; other points of sweeps take the label of the
nearest labelled point within half a metre; each voxel takes the label that most of its points have.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from project.formats.vote import majority
from project.geometry.rigid import inverse
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import Sweeps
from project.labels.aggregation.boxes import box_of_points, in_box_frames
from project.sources.base import Scene
from project.taxonomy import FREE, NOISE, RAW_STATIC

NEAR_M = 0.5
STATIC = -1


@dataclass
class PlainWorld:
    """N points: place (scene frame, or frame of the track's box), lidarseg index, track (-1 static) and time step."""

    xyz: np.ndarray
    raw: np.ndarray
    tracks: np.ndarray
    steps: np.ndarray


def plain_world(scene: Scene) -> PlainWorld:
    """Gather a scene's points the plain way."""
    sweeps = Sweeps(scene)
    parts, labelled = [], []
    for k in range(len(scene.keyframes)):
        for sweep in np.flatnonzero(scene.time_steps == 2 * k):
            points, boxes = sweeps.read(sweep)
            static = (points.raw >= RAW_STATIC.start) & (points.raw < RAW_STATIC.stop)
            box = box_of_points(points.xyz, points.raw, boxes)
            inside = ~static & (points.raw != NOISE) & (box >= 0) & ~boxes.guessed_at(box)
            labelled.append(points[static])
            parts.append((points.xyz[static], points.raw[static], STATIC, 2 * k))
            local = in_box_frames(points[inside], boxes, box[inside]).xyz
            parts.append((local, points.raw[inside], boxes.tracks[box[inside]], 2 * k))
    tree = cKDTree(np.concatenate([points.xyz for points in labelled]))
    raw_of_tree = np.concatenate([points.raw for points in labelled])
    for step in range(1, 2 * len(scene.keyframes) - 1, 2):
        for sweep in np.flatnonzero(scene.time_steps == step):
            points, boxes = sweeps.read(sweep)
            box = box_of_points(points.xyz, points.raw, boxes)
            box[boxes.guessed_at(box)] = -1
            inside = box >= 0
            local = in_box_frames(points[inside], boxes, box[inside]).xyz
            parts.append((local, boxes.categories[box[inside]], boxes.tracks[box[inside]], step))
            distance, nearest = tree.query(points.xyz[~inside], distance_upper_bound=NEAR_M)
            near = np.isfinite(distance)
            parts.append((points.xyz[~inside][near], raw_of_tree[nearest[near]], STATIC, step))
    columns = [
        (xyz, raw, np.broadcast_to(tracks, len(raw)), np.full(len(raw), step)) for xyz, raw, tracks, step in parts
    ]
    return PlainWorld(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def plain_labels(world: PlainWorld, scene: Scene, k: int, num_sweeps: int, grid: VoxelGrid) -> np.ndarray:
    """(X, Y, Z) uint8 labels of a keyframe by the majority of points."""
    from_global = scene.grid_from_global(k, grid.frame)
    from_scene = from_global @ inverse(Sweeps(scene).scene_from_global)
    window = np.abs(world.steps - 2 * k) <= 2 * num_sweeps
    positions, labels = [], []
    learned = scene.taxonomy.label_of
    for track in (STATIC, *np.flatnonzero(scene.tracks.present[k])):
        mine = window & (world.tracks == track)
        pose = from_scene if track == STATIC else from_global @ scene.tracks.global_from_box[k, track]
        indices, inside = grid.voxel_indices(world.xyz[mine] @ pose[:3, :3].T + pose[:3, 3])
        positions.append(grid.ravel(indices))
        labels.append(learned[world.raw[mine][inside]])
    occupied, winners = majority(np.concatenate(positions), np.concatenate(labels))
    return grid.dense(grid.unravel(occupied), winners, FREE)
