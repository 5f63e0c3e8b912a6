"""Scores as tables for people."""

import math
from collections.abc import Mapping

from rich.table import Table

from project.evaluation.protocols.interface import Scores
from project.evaluation.voxel_scores import ABSENT


def class_table(scores: Scores) -> Table:
    """A row for each class, a column for each kind of score; the mean last."""
    table = _table(f'{scores.title}\n{scores.frames} keyframes', 'class', scores.classes)
    names = next(iter(scores.classes.values()))
    for name in names:
        table.add_row(name, *(_number(column.get(name, math.nan)) for column in scores.classes.values()))
    return table


def summary_table(scores: Scores) -> Table:
    """Headline figures, and those of each distance band beside them."""
    table = _table('', 'score', ['all', *scores.bands])
    for name, value in scores.summary.items():
        table.add_row(name, _number(value), *(_number(band.get(name)) for band in scores.bands.values()))
    return table


def comparison_table(methods: Mapping[str, Scores]) -> Table:
    """Methods side by side, class by class, and how much the last has over the first."""
    first = next(iter(methods.values()))
    column = next(iter(first.classes))
    table = _table(f'{first.title}\n{first.frames} keyframes', column, [*methods, 'difference'])
    for name in first.classes[column]:
        _compare(table, name, [scores.classes[column][name] for scores in methods.values()])
    table.add_section()
    for name in first.summary:
        _compare(table, name, [scores.summary[name] for scores in methods.values()])
    for band, figures in first.bands.items():
        table.add_section()
        for name in figures:
            _compare(table, f'{name}, {band}', [scores.bands[band][name] for scores in methods.values()])
    return table


def as_markdown(table: Table) -> str:
    """A table as Markdown, its title above it."""
    header, *rows = zip(*([str(column.header), *map(str, column.cells)] for column in table.columns), strict=True)
    rule = ['---', *(['---:'] * (len(header) - 1))]
    lines = [f'| {" | ".join(cells)} |' for cells in (header, rule, *rows)]
    title = [*str(table.title).splitlines(), ''] if table.title else []
    return '\n'.join([*title, *lines, ''])


def _compare(table: Table, name: str, values: list[float]) -> None:
    difference = values[-1] - values[0]
    shown = '' if math.isnan(difference) else f'{difference:+.2f}'
    table.add_row(name, *map(_number, values), shown)


def _table(title: str, first: str, columns) -> Table:
    table = Table(title=title or None, title_justify='left', title_style='')
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify='right')
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ''
    return ABSENT if math.isnan(value) else f'{value:.2f}'
