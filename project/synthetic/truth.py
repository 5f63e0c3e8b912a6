"""Exact labels of a synthetic world, from its geometry alone; nothing here reads sensor data or labels.

A surface passes through a voxel when at least 1 mm^2 of it lies inside. Surfaces are the outsides of closed solids, cut
exactly at the voxels' faces; what lies inside another part of the same solid or below the ground is no surface. All
poses are the true ones, whatever errors the world's tables have been given.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from project.geometry.rigid import apply, inverse
from project.grid import VoxelGrid
from project.synthetic.lidar import STATIC, cast
from project.synthetic.scene import SyntheticScene, build_scene
from project.synthetic.scene_rows import keyframe_time, sweeps_between
from project.synthetic.terrain import MATERIALS as GROUND_MATERIALS
from project.synthetic.voxelise import surface_areas
from project.synthetic.world_settings import WorldSettings
from project.taxonomy import FREE, LEARNING_MAP, MOVABLE

LABELS = np.array(LEARNING_MAP, np.uint8)


@dataclass(frozen=True)
class Truth:
    """Exact labels of one keyframe.

    Attributes:
        grid: the voxels.
        semantics: (X, Y, Z) uint8; the label with the largest area in each voxel that a surface passes through (the
            lowest of equals), 0 for things without a class, and 17 elsewhere.
        observable: (X, Y, Z) bool, those of them that lidar could have seen: where a beam of some sweep of the window
            ends, without noise and losses. What moves is judged piece by piece, each at the places where it was.
        movable: (X, Y, Z) bool, voxels that a surface of something movable passes through, annotated or not, whatever
            else they hold.
    """

    grid: VoxelGrid
    semantics: np.ndarray
    observable: np.ndarray
    movable: np.ndarray

    @property
    def free(self) -> np.ndarray:
        """(X, Y, Z) bool, voxels that no surface passes through."""
        return self.semantics == FREE


def load_scene(root: str | Path, scene_name: str) -> SyntheticScene:
    """Geometry of a scene of a synthetic world.

    Raises:
        FileNotFoundError: the folder holds no synthetic world.
        ValueError: the world has no such scene.
    """
    settings = WorldSettings.load(Path(root))
    if scene_name not in settings.names:
        raise ValueError(f'{root} has no scene {scene_name}; it has {", ".join(settings.names)}')
    return build_scene(settings, settings.names.index(scene_name))


def keyframe_truth(root: str | Path, scene_name: str, keyframe: int, grid: VoxelGrid, window: int = 10) -> Truth:
    """Exact labels of a keyframe.

    Args:
        root: folder of a synthetic world.
        scene_name: e.g. ``scene-0061``.
        keyframe: number of the keyframe in its scene, from 0.
        grid: voxels fixed to the keyframe's lidar or ego frame, at the lidar's time.
        window: keyframes before and after whose sweeps count for `observable`.
    """
    scene = load_scene(root, scene_name)
    time = keyframe_time(keyframe)
    town_from_grid = _town_from(scene, grid.frame, time)
    grid_from_town = inverse(town_from_grid)
    static = apply(grid_from_town, scene.static.triangles)
    is_ground = np.isin(scene.static.raw, list(GROUND_MATERIALS))
    moving, moving_labels, _ = _actor_triangles(scene, time)
    solid = np.concatenate([static[~is_ground], apply(grid_from_town, moving)])
    solid_labels = np.concatenate([LABELS[scene.static.raw[~is_ground]], moving_labels])
    entries = zip(
        surface_areas(static[is_ground], LABELS[scene.static.raw[is_ground]], grid),
        surface_areas(solid, solid_labels, grid, scene.ground, town_from_grid),
        strict=True,
    )
    positions, labels, areas = (np.concatenate(parts) for parts in entries)
    semantics = np.full(grid.size, FREE, np.uint8)
    # The last entry of a voxel stays: the one with the largest area, the lowest label among equals.
    order = np.lexsort((-labels.astype(int), areas))
    semantics[positions[order]] = labels[order]
    movable = np.zeros(grid.size, bool)
    movable[positions[np.isin(labels, list(MOVABLE))]] = True
    semantics, movable = semantics.reshape(grid.shape), movable.reshape(grid.shape)
    observable = _seen(scene, keyframe, grid, grid_from_town, window) & (semantics != FREE)
    return Truth(grid, semantics, observable, movable)


def movable_surface(root: str | Path, scene_name: str, keyframe: int, frame: str) -> np.ndarray:
    """Surfaces of all movable things, annotated or not: (T, 3, 3) float64 triangles in the keyframe's `frame`."""
    scene = load_scene(root, scene_name)
    time = keyframe_time(keyframe)
    triangles, labels, _ = _actor_triangles(scene, time)
    return apply(inverse(_town_from(scene, frame, time)), triangles[np.isin(labels, list(MOVABLE))])


def _town_from(scene: SyntheticScene, frame: str, time: float) -> np.ndarray:
    frames = {'ego': np.eye(4), 'lidar': scene.rig.reference.ego_from_lidar}
    if frame not in frames:
        raise ValueError(f'a grid in the frame "{frame}" has no truth; the frames are "lidar" and "ego"')
    return scene.town_from_ego(time) @ frames[frame]


def _actor_triangles(scene: SyntheticScene, time: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles (T, 3, 3) of all actors in the town frame, their labels (T,) and their actors (T,)."""
    present = scene.present(time)
    meshes = [scene.shape(index).mesh for index in present]
    triangles = [
        apply(scene.town_from_actor(index, time), mesh.triangles) for index, mesh in zip(present, meshes, strict=True)
    ]
    labels = [LABELS[mesh.raw] for mesh in meshes]
    owners = np.repeat(present, [len(part) for part in triangles])
    return np.concatenate([np.zeros((0, 3, 3)), *triangles]), np.concatenate([np.zeros(0, np.uint8), *labels]), owners


@lru_cache(maxsize=500)
def _hits(settings: WorldSettings, index: int, channel: str, sweep: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the beams of a sweep end: (N, 3) float32 in the town frame or the frame of the actor that was hit, and
    (N,) int16 that actor or STATIC."""
    scene = build_scene(settings, index)
    lidar = scene.rig.lidars[channel]
    time = lidar.time(sweep)
    returns, _ = cast(scene, time, lidar)
    kept = returns.actors >= STATIC
    points, actors = returns.points[kept], returns.actors[kept]
    for actor in np.unique(actors[actors != STATIC]):
        mine = actors == actor
        points[mine] = apply(inverse(scene.town_from_actor(actor, time)), points[mine])
    return points.astype(np.float32), actors.astype(np.int16)


def _seen(scene: SyntheticScene, keyframe: int, grid: VoxelGrid, grid_from_town: np.ndarray, window: int) -> np.ndarray:
    """(X, Y, Z) bool, voxels in which a beam of the window ends."""
    time = keyframe_time(keyframe)
    first, last = max(0, keyframe - window), min(scene.settings.keyframes - 1, keyframe + window)
    hits = [_hits(scene.settings, scene.index, *sweep) for sweep in sweeps_between(scene, first, last)]
    points, actors = (np.concatenate(parts) for parts in zip(*hits, strict=True))
    seen = np.zeros(grid.shape, bool)
    for actor in (STATIC, *scene.present(time)):
        pose = grid_from_town if actor == STATIC else grid_from_town @ scene.town_from_actor(actor, time)
        indices, _ = grid.voxel_indices(apply(pose, points[actors == actor].astype(np.float64)))
        seen[tuple(indices.T)] = True
    return seen
