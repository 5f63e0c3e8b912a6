"""The check of labels: does its score follow true quality, and what do exact labels reach?"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr

from project.checking.config import CheckConfig
from project.checking.label_folder import LabelFolder
from project.checking.scene_check import SceneReport, Task, check_scene
from project.formats import FORMATS, OccupancyLabels
from project.labels.pipeline import label_scene
from project.labels.run.settings import Settings
from project.sources.base import Scene
from project.sources.nuscenes.source import NuScenesSource
from project.synthetic import WorldSettings, make_world
from project.synthetic.truth import Truth, keyframe_truth
from project.taxonomy import FREE
from tools.benchmarks._label_breaks import BREAKS
from tools.benchmarks._label_quality import Quality

RIGHT = 'right'
WINDOW = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Command line of this benchmark."""
    parser.add_argument('--world', type=Path, help='a world of tools/make_synthetic.py (one is made for this run)')
    parser.add_argument('--seed', type=int, default=5, help='of the world that is made (%(default)s)')
    parser.add_argument('--keyframes', type=int, default=13, metavar='N', help='of its scene (%(default)s)')
    parser.add_argument('--every', type=int, default=3, metavar='N', help='true quality of every N-th (%(default)s)')
    parser.add_argument('--format', choices=('voxels', 'occ3d', 'surroundocc'), default='voxels', help='of the labels')
    parser.add_argument('--breaks', nargs='+', choices=list(BREAKS), default=list(BREAKS), help='what is broken (all)')


def run(arguments: argparse.Namespace) -> dict:
    """Print and return the figures."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = arguments.world or folder / 'world'
        if not arguments.world:
            make_world(root, WorldSettings(seed=arguments.seed, scenes=1, keyframes=arguments.keyframes, images=False))
        scene = NuScenesSource(root).scenes[0]
        chosen = range(1, len(scene.keyframes), arguments.every)
        grid = FORMATS[arguments.format].GRID
        truths = {k: keyframe_truth(root, scene.name, k, grid, WINDOW) for k in track(chosen, 'truth', console=console)}
        figures = {f'exact labels, {n}': _exact(scene, truths, folder / n, arguments.format) for n in ('all', 'seen')}
        cases = [(RIGHT, None, 0.0), *((n, BREAKS[n][0], each) for n in arguments.breaks for each in BREAKS[n][1])]
        for number, (kind, broken, amount) in enumerate(track(cases, 'breaking', console=console)):
            title = f'{kind} {amount:g} {BREAKS[kind][2]}' if broken else kind
            figures[title] = _case(scene, broken, amount, truths, folder / f'case{number}', arguments.format)
            console.print(title, _cells(figures[title]), highlight=False)
    _print(console, figures)
    return {'figures': figures, 'correlation': _correlations(console, figures)}


def _exact(scene: Scene, truths: dict[int, Truth], folder: Path, layout: str) -> dict[str, float]:
    """The check's result for the truth itself: all surfaces, or those that lidar has seen."""
    for k, truth in truths.items():
        dense = np.where(truth.observable | (folder.name == 'all'), truth.semantics, FREE).astype(np.uint8)
        FORMATS[layout].write(
            folder / FORMATS[layout].path(scene.keyframes[k]), OccupancyLabels.from_dense(truth.grid, dense)
        )
    task = Task(LabelFolder.find(folder, layout), 0, Settings(folder), False, CheckConfig())
    return {'precision': 100.0, 'mIoU': 100.0, **_scores('', check_scene(scene, task))}


def _case(
    scene: Scene, broken: Callable[[Scene, float], Scene] | None, amount: float, truths: dict[int, Truth], folder: Path,
    layout: str,
) -> dict[str, float]:  # fmt: skip
    """Labels of a broken recording: their true quality, and the result of the check with the same recording."""
    given = broken(scene, amount) if broken else scene
    settings = Settings(folder, formats=(layout,), masks=False, flow=False, refine_poses=False)
    label_scene(given, settings)
    labels, quality = LabelFolder.find(folder, layout), Quality()
    for k, truth in truths.items():
        quality.add(labels.read(scene.keyframes[k]).dense(), truth)
    config, worth = CheckConfig(), quality.summary()
    there = check_scene(given, Task(labels, 0, settings, True, config))
    held_out = check_scene(given, Task(None, 2, settings, False, config))
    kinds = {each.kind for each in there.findings} | {each.kind for k in there.keyframes for each in k.findings}
    return {
        'precision': worth['precision'], 'mIoU': worth['mIoU'], **_scores('', there),
        **_scores('held out: ', held_out), 'found': ', '.join(sorted(kinds)),
    }  # fmt: skip


def _scores(prefix: str, report: SceneReport) -> dict[str, float]:
    summary = report.tally.summary
    thickness_m = np.nanmean([keyframe.layers.thickness_m for keyframe in report.keyframes])
    shares = {name: summary[name] for name in ('agree', 'early', 'ghost voxels', 'objects agree')}
    return {prefix + name: value for name, value in {**shares, 'ground, cm': float(100 * thickness_m)}.items()}


def _correlations(console: Console, figures: dict[str, dict]) -> dict[str, float]:
    """Rank correlation of each score with true precision and mIoU, over everything but exact labels."""
    rows = [row for title, row in figures.items() if 'held out: agree' in row]
    found = {}
    for score in ('agree', 'early', 'ghost voxels', 'held out: agree', 'held out: early', 'held out: ghost voxels'):
        for quality in ('precision', 'mIoU'):
            found[f'{score} ~ {quality}'] = float(spearmanr([r[score] for r in rows], [r[quality] for r in rows])[0])
    for title, value in found.items():
        console.print(f'rank correlation, {title}: {value:.2f}', highlight=False)
    return found


def _cells(row: dict) -> list[str]:
    return [f'{cell:.1f}' if isinstance(cell, float) else cell for cell in row.values()]


def _print(console: Console, figures: dict[str, dict]) -> None:
    columns = list(dict.fromkeys(name for row in figures.values() for name in row))
    table = Table(title='check of labels, %', title_style='')
    for name in ('', *columns):
        table.add_column(name, justify='right' if name else 'left', no_wrap=not name)
    for title, row in figures.items():
        table.add_row(title, *_cells({name: row.get(name, '') for name in columns}))
    console.print(table)
