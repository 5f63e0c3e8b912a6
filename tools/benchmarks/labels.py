"""Labels: quality of labels and masks against the exact truth of a synthetic world, and their cost."""

import argparse
import copy
import cProfile
import os
import pstats
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from project.cli import usable_cores
from project.execution.processes import Processes
from project.formats import FORMATS, occ3d, voxels
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.aggregation.dynamic_removal import read_sample_rays, without_dynamic_points
from project.labels.aggregation.point_groups import ScenePoints
from project.labels.pipeline import label_scene
from project.labels.poses.refinement import refined
from project.labels.run.convert import convert
from project.labels.run.settings import Settings
from project.labels.voxelization.voting import vote_keyframe
from project.sources.base import Scene, Scenes
from project.sources.opening import open_source
from project.synthetic import Difficulties, WorldSettings, make_world
from project.synthetic.rig import RIGS
from project.synthetic.truth import Truth, keyframe_truth
from project.synthetic.world_settings import LAYOUTS
from project.visualization.frame import Frame
from project.visualization.render.files import few_colours
from project.visualization.render.picture import frame_picture
from tools.benchmarks._label_baseline import plain_labels, plain_world
from tools.benchmarks._label_masks import mask_quality
from tools.benchmarks._label_quality import Quality
from tools.benchmarks._label_trails import mislabelled

NUM_SWEEPS = 10
GRIDS = {
    'lidar, 0.4 m': VoxelGrid.from_range('lidar', (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), 0.4),
    'Occ3D': occ3d.GRID,
    'voxels, 0.2 m': voxels.GRID,
}
MASK_GRIDS = {name: grid for name, grid in GRIDS.items() if grid != voxels.GRID}
"""Masks are judged on these: with small voxels, to step along every ray and through every half pixel takes minutes."""
METHODS = ('this project', 'movers kept', 'wrong lidarseg', 'wrong lidarseg, movers kept', 'plain majority vote')
"""Worlds whose labels are judged; in some, lidarseg of unboxed movers is wrong on purpose."""
PICTURES = {'this project': 'labels', 'plain majority vote': 'labels_plain'}

STEPS = {
    'poses': ('refined',),
    'read': ('read_sweep',),
    'align': ('boxes_of_sweeps', 'box_of_points', 'in_box_frames'),
    'propagate': ('label_map', 'mark_movers', 'propagate'),
    'sort': ('add_static', 'cloud'),
    'clean': ('clean_static', 'clean_objects'),
    'own vehicle': ('with_own_parts',),
    'dynamic removal': ('read_sample_rays', 'without_dynamic_points'),
    'vote': ('cast', 'count'),
    'write': ('write',),
}
"""Functions whose time makes up each step."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--world', type=Path, help='a world of tools/make_synthetic.py (one is made for this run)')
    parser.add_argument('--seed', type=int, default=0, help='of the world that is made (%(default)s)')
    parser.add_argument(
        '--keyframes', type=int, default=20, metavar='N', help='of each of its two scenes (%(default)s)'
    )
    parser.add_argument('--rig', choices=tuple(RIGS), default='nuscenes', help='sensors of its car (%(default)s)')
    parser.add_argument('--layout', choices=LAYOUTS, default='nuscenes', help='what its files are (%(default)s)')
    parser.add_argument(
        '--followers', type=int, default=0, metavar='N', help='movers without boxes that follow the car'
    )
    parser.add_argument('--all-difficulties', action='store_true', help='wrong ego poses and missing heights as well')
    parser.add_argument(
        '--refine-poses', action=argparse.BooleanOptionalAction, default=True, help='correct the poses first (yes)'
    )
    parser.add_argument('--every', type=int, default=1, metavar='N', help='judge every N-th keyframe (%(default)s)')
    parser.add_argument('--pictures', type=Path, metavar='FOLDER', help='draw truth, labels and what differs')
    parser.add_argument(
        '--masks-every', type=int, default=10, metavar='N', help='judge the masks of every N-th keyframe (%(default)s)'
    )
    parser.add_argument(
        '--skip', nargs='+', choices=('quality', 'masks', 'speed'), default=(), help='leave out a part or two'
    )


def run(arguments: argparse.Namespace) -> dict:
    """Print and return the figures."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.world or _make_world(Path(folder) / 'world', arguments)
        scenes = list(Scenes(open_source(root)))
        figures, posed = {}, [refined(scene)[0] for scene in scenes] if arguments.refine_poses else scenes
        if 'quality' not in arguments.skip:
            figures['quality'] = _quality(console, root, posed, arguments.every, arguments.pictures)
        if 'masks' not in arguments.skip:
            figures['masks'] = mask_quality(console, root, posed, MASK_GRIDS, arguments.masks_every, NUM_SWEEPS)
            _print_table(console, 'masks, %', figures['masks'], '{:.2f}')
        if 'speed' not in arguments.skip:
            figures['speed'] = _speed(console, scenes, Path(folder) / 'labels', arguments.refine_poses)
    return figures


def _make_world(root: Path, arguments: argparse.Namespace) -> Path:
    difficulties = Difficulties.all() if arguments.all_difficulties else Difficulties()
    settings = WorldSettings(
        seed=arguments.seed,
        keyframes=arguments.keyframes,
        images=False,
        difficulties=difficulties,
        followers=arguments.followers,
        rig=arguments.rig,
        layout=arguments.layout,
    )
    make_world(root, settings, usable_cores())
    return root


def _quality(console: Console, root: Path, scenes: list[Scene], every: int, pictures: Path | None) -> dict:
    judged = {(method, grid): Quality() for grid in GRIDS for method in METHODS}
    middle = len(scenes[0].keyframes) // 2 // every * every
    for scene in scenes:
        worlds, plain = _worlds(scene), plain_world(scene)
        for k in track(range(0, len(scene.keyframes), every), f'judging {scene.name}', console=console):
            for name, grid in GRIDS.items():
                truth = keyframe_truth(root, scene.name, k, grid, NUM_SWEEPS)
                labels = {method: vote_keyframe(scene, world, k, NUM_SWEEPS, grid) for method, world in worlds.items()}
                labels = {method: voted.dense() for method, voted in labels.items()}
                labels['plain majority vote'] = plain_labels(plain, scene, k, NUM_SWEEPS, grid)
                for method in METHODS:
                    judged[method, name].add(labels[method], truth)
                if pictures and scene is scenes[0] and k == middle and grid is occ3d.GRID:
                    for method, picture in PICTURES.items():
                        _draw(pictures / f'{picture}.png', scene, k, truth, labels[method])
    summaries = {f'{method}, {grid}': quality.summary() for (method, grid), quality in judged.items()}
    _print_table(console, 'quality, %', summaries, '{:.2f}')
    classes = {f'{method}, {grid}': judged[method, grid].iou() for method in PICTURES for grid in GRIDS}
    by_class = {name: {title: iou[name] for title, iou in classes.items()} for name in next(iter(classes.values()))}
    _print_table(console, 'IoU, %', by_class, '{:.1f}')
    return {'summary': summaries, 'IoU': classes}


def _worlds(scene: Scene) -> dict[str, ScenePoints]:
    """The world by the :data:`METHODS` that differ in it."""
    worlds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, labelled in (('', scene), ('wrong lidarseg, ', mislabelled(scene, Path(folder)))):
            kept = worlds[f'{name}movers kept'] = aggregate(labelled)
            sample_rays = read_sample_rays(scene, kept.scene_from_global)
            removed = without_dynamic_points(copy.deepcopy(kept), sample_rays, scene.time_steps)
            worlds[name.removesuffix(', ') or 'this project'] = removed
    return worlds


def _draw(path: Path, scene: Scene, k: int, truth: Truth, labels: np.ndarray) -> None:
    """Truth, labels and difference where a surface could be seen or there is none."""
    masks = {'lidar': truth.observable | truth.free}
    keyframe = scene.keyframes[k]
    frame = Frame(scene.name, k, keyframe.sample_token, truth.grid, truth.semantics, labels, masks)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(frame_picture(frame, 'lidar', width_px=1200))
    image.quantize(palette=few_colours(image), dither=Image.Dither.NONE).save(path, optimize=True)


def _speed(console: Console, scenes: list[Scene], folder: Path, refine_poses: bool) -> dict:
    keyframes = sum(len(scene.keyframes) for scene in scenes)
    settings = Settings(folder, overwrite=True, refine_poses=refine_poses)
    _label_all(scenes[:1], replace(settings, formats=tuple(FORMATS)))  # compiles what is not compiled yet
    figures = {'s a keyframe, one thread': _timed(lambda: _label_all(scenes, settings)) / keyframes}
    with _profiled() as steps:
        _label_all(scenes, settings)
    figures |= {f'  {step}': seconds / keyframes for step, seconds in steps.items()}
    for name in FORMATS:
        if name not in settings.formats:
            both = replace(settings, formats=(*settings.formats, name))
            seconds = _timed(lambda both=both: _label_all(scenes, both)) / keyframes
            figures[f'{name} as well: more'] = seconds - figures['s a keyframe, one thread']
    for workers in (1, 2):
        start = time.perf_counter()
        convert(scenes, settings, Processes(workers))
        figures[f'wall clock, workers: {workers}'] = (time.perf_counter() - start) / keyframes
    figures['GB of memory, one worker'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    _print_table(
        console, f'speed over {keyframes} keyframes, s a keyframe', {k: {'': v} for k, v in figures.items()}, '{:.3f}'
    )
    return figures


def _label_all(scenes: list[Scene], settings: Settings) -> None:
    for scene in scenes:
        label_scene(scene, settings)


def _timed(work: Callable[[], None]) -> float:
    """Seconds of processor time, which other programs on the machine disturb least."""
    start = time.process_time()
    work()
    return time.process_time() - start


@contextmanager
def _profiled() -> Iterator[dict[str, float]]:
    """Seconds of each of the :data:`STEPS` while the body runs."""
    seconds = {}
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    yield seconds
    profile.disable()
    functions = pstats.Stats(profile).stats
    for step, names in STEPS.items():
        of_step = [
            entry[3] for (file, _, name), entry in functions.items() if name in names and f'project{os.sep}' in file
        ]
        seconds[step] = sum(of_step)


def _print_table(console: Console, title: str, rows: dict[str, dict[str, float]], style: str) -> None:
    table = Table(title=title, title_style='')
    table.add_column('')
    for column in next(iter(rows.values())):
        table.add_column(column, justify='right')
    for name, values in rows.items():
        table.add_row(name, *(style.format(value) for value in values.values()))
    console.print(table)
