"""Masks and ghosts: what labels say was seen, against everything that could be seen in a made world."""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.labels.cloud import World
from project.labels.dataset import make_dataset
from project.labels.gather import gather
from project.labels.generate import vote_keyframe
from project.labels.geometry import inverse
from project.labels.ghosts import without_ghosts
from project.labels.masks import add_masks
from project.labels.scene import Scene
from project.labels.see import Sight, count_beams, sight_of
from project.labels.tables import find_version, read_tables
from project.synthetic import WorldSettings, make_world
from project.synthetic.truth import keyframe_truth, load_scene
from project.taxonomy import FREE, LABEL_NAMES, LabelMapping
from tools.benchmarks._label_quality import Quality
from tools.benchmarks._label_sight import Beamed, MaskQuality, seen_through_pixels
from tools.benchmarks.labels import GRIDS, NUM_SWEEPS

GHOSTS = ('ghosts kept', 'ghosts removed', 'with trails: kept', 'with trails: removed')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--world', type=Path, help='a world of tools/make_synthetic.py (one is made for this run)')
    parser.add_argument('--every', type=int, default=4, metavar='N', help='judge every N-th keyframe (%(default)s)')


def run(arguments: argparse.Namespace) -> dict:
    """Print and return the figures; a keyframe takes half a minute a grid, for the exhaustive side."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.world or Path(folder) / 'world'
        if arguments.world is None:
            make_world(root, WorldSettings(images=False), os.cpu_count())
        scenes = make_dataset(read_tables(root, find_version(root)), root).scenes
        masks = {name: MaskQuality() for name in GRIDS}
        labels = {(name, state): Quality() for name in GRIDS for state in GHOSTS}
        for scene in scenes:
            world, beamed = gather(scene), Beamed(load_scene(root, scene.name))
            sight = sight_of(scene, world.scene_from_global)
            keyframes = range(arguments.every // 2, len(scene.keyframes), arguments.every)
            for k in track(keyframes, f'judging {scene.name}', console=console):
                for name, grid in GRIDS.items():
                    judged = [labels[name, state] for state in GHOSTS]
                    _judge(root, scene, world, sight, beamed, k, grid, masks[name], judged)
    figures = {
        'masks, %': {name: quality.summary() for name, quality in masks.items()},
        'ghosts, %': {f'{name}, {state}': quality.summary() for (name, state), quality in labels.items()},
    }
    for title, rows in figures.items():
        _print_table(console, title, rows)
    return figures


def _judge(
    root: Path, scene: Scene, world: World, sight: Sight, beamed: Beamed, k: int, grid: VoxelGrid,
    masks: MaskQuality, judged: list[Quality],
) -> None:  # fmt: skip
    """Count a keyframe: its masks, and its labels in each state of :data:`GHOSTS`."""
    mapping = LabelMapping.default()
    truth = keyframe_truth(root, scene.name, k, grid, NUM_SWEEPS)
    beams = count_beams(scene, sight, k, NUM_SWEEPS, grid)
    kept = vote_keyframe(scene, world, k, NUM_SWEEPS, grid)
    with_trails = _with_trails(kept, scene, world, k)
    removed = without_ghosts(kept, beams, mapping)
    for quality, labels in zip(
        judged, (kept, removed, with_trails, without_ghosts(with_trails, beams, mapping)), strict=True
    ):
        quality.add(labels.dense(), truth)
    add_masks(removed, scene, k, beams, mapping)
    seen = seen_through_pixels(scene.cameras[k], scene.grid_from_global(k, grid.frame), grid, ~truth.free)
    masks.add(removed, truth, beamed.at(k, grid, NUM_SWEEPS), seen)


def _with_trails(labels: OccupancyLabels, scene: Scene, world: World, k: int) -> OccupancyLabels:
    """Labels with movers that have no box left where keyframes of the window saw them, taken for static."""
    grid_from_scene = scene.grid_from_global(k, labels.grid.frame) @ inverse(world.scene_from_global)
    first, last = 2 * max(k - NUM_SWEEPS, 0), 2 * min(k + NUM_SWEEPS, len(scene.keyframes) - 1)
    start, stop = world.loose.starts[0, [first, last + 1]]
    xyz = world.loose.points.xyz[start:stop].astype(np.float64)
    indices, _ = labels.grid.voxel_indices(xyz @ grid_from_scene[:3, :3].T + grid_from_scene[:3, 3])
    dense = labels.dense()
    trail = indices[dense[tuple(indices.T)] == FREE]
    dense[tuple(trail.T)] = LABEL_NAMES.index('manmade')
    return OccupancyLabels.from_dense(labels.grid, dense)


def _print_table(console: Console, title: str, rows: dict[str, dict[str, float]]) -> None:
    table = Table(title=title, title_style='')
    for column in ('', *next(iter(rows.values()))):
        table.add_column(column, justify='right' if column else 'left')
    for name, values in rows.items():
        table.add_row(name, *(f'{value:.2f}' for value in values.values()))
    console.print(table)
