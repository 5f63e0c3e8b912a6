"""Quality of the masks of labels, against everything visible in a synthetic world."""

from pathlib import Path

from rich.console import Console
from rich.progress import track

from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.aggregation.dynamic_removal import read_sample_rays, without_dynamic_points
from project.labels.visibility.free_space import free_space, observed_rays
from project.labels.visibility.lidar_rays import read_rays
from project.labels.visibility.masks import masks_of
from project.labels.voxelization.voting import vote_keyframe
from project.sources.base import Scene
from project.synthetic.truth import keyframe_truth, load_scene
from tools.benchmarks._label_sight import Beamed, MaskQuality, seen_through_pixels


def mask_quality(
    console: Console, root: Path, scenes: list[Scene], grids: dict[str, VoxelGrid], every: int, num_sweeps: int
) -> dict[str, dict[str, float]]:
    """Percentages for each grid; a keyframe takes half a minute a grid, for the exhaustive side."""
    judged = {name: MaskQuality() for name in grids}
    for scene in scenes:
        world, beamed = aggregate(scene), Beamed(load_scene(root, scene.name))
        rays = observed_rays(scene, read_rays(scene, world.scene_from_global), world.scene_from_global)
        sample_rays = read_sample_rays(scene, world.scene_from_global)
        world = without_dynamic_points(world, sample_rays, scene.time_steps)
        keyframes = range(every // 2, len(scene.keyframes), every)
        for k in track(keyframes, f'looking around in {scene.name}', console=console):
            for name, grid in grids.items():
                truth = keyframe_truth(root, scene.name, k, grid, num_sweeps)
                labels = vote_keyframe(scene, world, k, num_sweeps, grid)
                free = free_space(scene, rays, k, num_sweeps, grid)
                labels.mask_lidar, labels.mask_camera = masks_of(labels, scene, k, free)
                seen = seen_through_pixels(scene.cameras[k], scene.grid_from_global(k, grid.frame), grid, ~truth.free)
                judged[name].add(labels, truth, beamed.at(k, grid, num_sweeps), seen)
    return {name: quality.summary() for name, quality in judged.items()}
