"""The output of check_labels.py: the verdict, the figures, and what to do."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from project.checking.config import CheckConfig
from project.checking.content import advice
from project.checking.scene_check import SceneReport
from project.checking.verdict import Verdict, faults, number, worst_keyframes

MOST_SCENES, MOST_KEYFRAMES = 20, 8
"""Rows of the tables; everything is in the JSON and on the page."""

_FIGURES = ('rays', 'agree', 'early', 'holes')


def print_report(console: Console, scenes: Sequence[SceneReport], verdict: Verdict, config: CheckConfig) -> None:
    """Print the results."""
    if verdict.keyframes:
        console.print(_shares('by distance', verdict.tally.by_range))
        label_set = next(scene.label_set for scene in scenes if scene.keyframes)
        console.print(_shares('by what stopped the ray, or is where it ended', verdict.tally.by_class(label_set)))
        console.print(_scenes(scenes, config))
        console.print(_keyframes(scenes, config))
    for scene in scenes:
        if scene.error:
            console.print(
                f'[red]{escape(scene.name)} was not judged:[/] {escape(scene.error)}', soft_wrap=True, highlight=False
            )
    for found in advice(scenes):
        console.print(
            f'[bold]{found["kind"]}[/] ({found["cases"]}): {escape(found["examples"][0])}',
            soft_wrap=True,
            highlight=False,
        )
        console.print(f'  {found["remedy"]}', soft_wrap=True, highlight=False)
    colour = {True: 'green', False: 'red', None: 'yellow'}[verdict.trusted]
    console.print(f'[bold {colour}]{escape(verdict.sentence)}[/]', soft_wrap=True, highlight=False)


def _shares(title: str, rows: dict[str, dict[str, float]]) -> Table:
    table = _table(f'rays, %, {title}', '', *_FIGURES)
    for name, row in rows.items():
        table.add_row(escape(name), str(row['rays']), *(number(row[figure]) for figure in _FIGURES[1:]))
    return table


def _scenes(scenes: Sequence[SceneReport], config: CheckConfig) -> Table:
    worst = sorted((scene for scene in scenes if scene.keyframes), key=lambda scene: scene.tally.summary['agree'])
    title = 'scenes, %' if len(worst) <= MOST_SCENES else f'the {MOST_SCENES} worst scenes, %'
    table = _table(title, '', 'keyframes', 'bad', 'agree', 'early', 'holes', 'ghost voxels', 'objects', 'depth, m')
    for scene in worst[:MOST_SCENES]:
        summary, bad = scene.tally.summary, sum(bool(faults(each, config.trust)) for each in scene.keyframes)
        shares = (summary[name] for name in ('agree', 'early', 'holes', 'ghost voxels', 'objects agree'))
        depth = number(summary['depth error, m'], 2)
        table.add_row(escape(scene.name), str(len(scene.keyframes)), str(bad), *map(number, shares), depth)
    return table


def _keyframes(scenes: Sequence[SceneReport], config: CheckConfig) -> Table:
    table = _table('the worst keyframes', '', 'agree', 'early', 'holes', 'ground, m', 'in layers')
    for scene, keyframe in worst_keyframes(scenes, MOST_KEYFRAMES):
        summary = keyframe.tally.summary
        shares = [number(summary[name]) for name in ('agree', 'early', 'holes')]
        name = escape(f'{scene.name} {keyframe.index}')
        style = 'red' if faults(keyframe, config.trust) else ''
        table.add_row(name, *shares, number(keyframe.ground_m, 2), number(100 * keyframe.layers.several), style=style)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_style='', title_justify='left')
    for column in columns:
        table.add_column(column, justify='right' if column else 'left', no_wrap=not column)
    return table
