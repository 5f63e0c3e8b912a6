"""The voxels that lidar observed in the window, as occupied or as free.

The space along a ray is free up to its return. The static world is the same at all times, so a ray of any time of the
window shows that nothing static is in the voxels that it crosses. Objects are judged in their box frames. At the time
of the keyframe a voxel is free if it is free of the static world and, inside a box, also of the box's object.
"""

from dataclasses import dataclass

import numpy as np

from project.formats import OccupancyLabels
from project.geometry.bitgrid import bit_grid_of, layers_of, layers_of_bit_grid, spread, voxels_of
from project.geometry.rigid import inverse
from project.grid import VoxelGrid
from project.labels.aggregation.point_groups import runs_within
from project.labels.config import DEFAULT, LabelConfig, VisibilityConfig
from project.labels.visibility.box_rays import BoxRays, find_box_rays
from project.labels.visibility.carving import carve_box_rays, carve_rays, mark_boxes
from project.labels.visibility.lidar_rays import Rays
from project.sources.base import Scene


@dataclass(frozen=True)
class ObservedRays:
    """Free space along the lidar rays of a scene.

    Attributes:
        rays: all rays.
        box_rays: their parts inside boxes.
        scene_from_global: (4, 4) float64, the frame of the rays.
        margin_m: of the boxes.
    """

    rays: Rays
    box_rays: BoxRays
    scene_from_global: np.ndarray
    margin_m: float = DEFAULT.boxes.margin_m

    def within(self, scene: Scene, steps: range, tracks: np.ndarray) -> 'ObservedRays':
        """Only what was seen at some consecutive time steps of the scene, and in boxes of (N,) tracks; steps and tracks
        are counted from 0 then, sweeps as before."""
        sweeps = (scene.time_steps >= steps.start) & (scene.time_steps < steps.stop)
        kept, starts = runs_within(self.box_rays.starts, steps, tracks)
        box_rays = BoxRays(self.box_rays.lines[kept], self.box_rays.ended[kept], starts)
        return ObservedRays(self.rays.of_sweeps(sweeps), box_rays, self.scene_from_global, self.margin_m)


def observed_rays(
    scene: Scene, rays: Rays, scene_from_global: np.ndarray, config: LabelConfig = DEFAULT
) -> ObservedRays:
    """The rays of a scene that carve free space."""
    box_rays = find_box_rays(scene, rays, scene_from_global, config)
    return ObservedRays(rays, box_rays, scene_from_global, config.boxes.margin_m)


def free_space(scene: Scene, seen: ObservedRays, k: int, num_sweeps: int, grid: VoxelGrid) -> np.ndarray:
    """Cast the rays of the window around a keyframe.

    Args:
        scene: the scene.
        seen: its rays.
        k: the keyframe.
        num_sweeps: keyframes before and after it that are in the window.
        grid: the voxels, around the lidar or the car at this keyframe; at most 64 layers.

    Returns:
        (X, Y, Z) bool, voxels that a ray passes through and, where their centre is in a box of the keyframe, one that
        passes through in the box frame as well. Occupied voxels may be among them, since a ray can pass beside the
        thing in a voxel.
    """
    first, last = scene.window(k, num_sweeps)
    sweeps = np.flatnonzero((scene.time_steps >= first) & (scene.time_steps <= last))
    grid_from_global = scene.grid_from_global(k, grid.frame)
    voxels_from_scene = grid.voxels_from_frame @ grid_from_global @ inverse(seen.scene_from_global)
    rays, box_rays = seen.rays, seen.box_rays
    unseen = bit_grid_of(layers_of(np.ones(grid.shape, bool)), grid.shape[2])
    carve_rays(unseen, sweeps, rays.ends, rays.shares, rays.starts, rays.origins, voxels_from_scene)

    tracks = np.flatnonzero(scene.tracks.present[k])
    grid_from_box = grid_from_global @ scene.tracks.global_from_box[k, tracks]
    box_from_voxels = inverse(grid_from_box) @ np.linalg.inv(grid.voxels_from_frame)
    voxels_from_box = grid.voxels_from_frame @ grid_from_box
    unseen_in_box = bit_grid_of(layers_of(np.zeros(grid.shape, bool)), grid.shape[2])
    mark_boxes(unseen_in_box, box_from_voxels, voxels_from_box, scene.tracks.sizes[k, tracks] / 2 + seen.margin_m)
    starts, stops = box_rays.starts[tracks, first], box_rays.starts[tracks, last + 1]
    carve_box_rays(unseen_in_box, box_rays.lines, box_rays.ended, starts, stops, voxels_from_box)
    return voxels_of(~(layers_of_bit_grid(unseen) | layers_of_bit_grid(unseen_in_box)), grid.shape[2])


def observed(
    free: np.ndarray, labels: OccupancyLabels, ground: np.ndarray, config: VisibilityConfig = DEFAULT.visibility
) -> np.ndarray:
    """Voxels whose state is known from lidar: voxels with a label, and voxels that are free without doubt.

    No ray ends between the rings of a lidar on the road. Rays to the farther ring pass through voxels of the road at a
    grazing angle: above the road, but inside its voxels. So in a column without ground, voxels level with ground nearby
    are unknown.

    Args:
        free: (X, Y, Z) bool, as :func:`free_space` returns it.
        labels: what is occupied.
        ground: labels that are ground.
        config: thresholds.

    Returns:
        (X, Y, Z) bool.
    """
    of_ground = layers_of(labels.grid.dense(labels.indices, np.isin(labels.classes, ground), False))
    reach = np.ceil(config.ground_gap_m / np.array(labels.grid.voxel_size[:2])).astype(int)
    level = spread(spread(of_ground, reach[0]).T, reach[1]).T
    known = free & ~voxels_of(np.where(of_ground, np.uint64(0), level), free.shape[2])
    known[tuple(labels.indices.T)] = True
    return known
