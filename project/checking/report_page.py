"""The report as one HTML file that needs no server and no network."""

import base64
from html import escape
from pathlib import Path

from project.checking.pictures import COLOURS
from project.formats.common import written_whole

STYLE = Path(__file__).with_name('page.css')

EXPLANATION = (
    'Rays of the lidar are cast through the labels. A ray agrees if nothing stops it before its end and something is '
    'labelled at its end. Early: a labelled voxel stops it that is not of the surface that it ends on (ghosts, thick '
    'or doubled surfaces). Holes: nothing is labelled within 0.2 m of where it ended.'
)


def write_page(path: Path, content: dict, pictures: dict[tuple[str, int], dict[str, bytes]]) -> None:
    """Write the page.

    Args:
        path: the file.
        content: the report, see :func:`project.checking.content.content_of`.
        pictures: JPEG pictures by title of keyframes by scene and number, the worst first.
    """
    verdict = content['verdict']
    state = {True: 'trusted', False: 'untrusted', None: 'unjudged'}[verdict['trusted']]
    about = ' · '.join(f'{escape(key)}: {escape(str(value))}' for key, value in content['about'].items())
    parts = [
        f'<h1>Labels checked</h1><p class="faint">{about}</p>',
        f'<p class="verdict {state}" id="verdict">{escape(verdict["sentence"])}</p><p>{EXPLANATION}</p>',
        _advice(content['advice']),
        _figures(content),
        _worst(content, pictures),
        '<h2>Scenes</h2><p class="faint">A bar a keyframe: rays that agree, stopped early above, holes on top.</p>',
        *map(_scene, content['scenes']),
    ]
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Labels checked</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{STYLE.read_text()}</style></head><body>{"".join(parts)}</body></html>'
    )
    with written_whole(path) as file:
        file.write(text.encode())


def _advice(advice: list[dict]) -> str:
    if not advice:
        return '<h2>What to do</h2><p>No findings.</p>'
    rows = []
    for found in advice:
        examples = ''.join(f'<li>{escape(each)}</li>' for each in found['examples'])
        more = f'<li class="faint">and {found["cases"] - 3} more</li>' if found['cases'] > 3 else ''
        rows.append(f'<li><b>{escape(found["kind"])}</b>: {escape(found["remedy"])}<ul>{examples}{more}</ul></li>')
    return f'<h2>Findings, and what to do</h2><ul>{"".join(rows)}</ul>'


def _figures(content: dict) -> str:
    total = content['total']
    rows = [[name, _number(value, 2 if name.endswith('m') else 1)] for name, value in total.items() if name != 'rays']
    tables = [_table('All, %', ['', ''], [['rays', str(total['rays'])], *rows])]
    for title, key in (
        ('By distance, %', 'by range'),
        ('By what stopped the ray, or is where it ended, %', 'by class'),
    ):
        tables.append(_table(title, ['', 'rays', 'agree', 'early', 'holes'], _share_rows(content[key])))
    return f'<h2>Figures</h2><div class="tables">{"".join(tables)}</div>'


def _share_rows(shares: dict[str, dict]) -> list[list[str]]:
    return [
        [name, str(row['rays']), *(_number(row[key]) for key in ('agree', 'early', 'holes'))]
        for name, row in shares.items()
    ]


def _worst(content: dict, pictures: dict[tuple[str, int], dict[str, bytes]]) -> str:
    if not pictures:
        return ''
    keyframes = {(scene['name'], each['index']): each for scene in content['scenes'] for each in scene['keyframes']}
    swatches = ''.join(
        f'<span class="swatch" style="background: rgb{colour}"></span>{escape(name)}'
        for name, colour in COLOURS.items()
    )
    parts = [f'<h2>The worst keyframes</h2><p>{swatches}</p>']
    for (name, index), images in pictures.items():
        keyframe = keyframes[name, index]
        found = ''.join(f'<li>{escape(each["sentence"])}</li>' for each in keyframe['findings'])
        shown = ''.join(
            f'<img alt="{escape(title)}" src="data:image/jpeg;base64,{base64.b64encode(image).decode()}">'
            for title, image in images.items()
        )
        parts.append(
            f'<h3>{escape(name)}, keyframe {index}: {_shares(keyframe)}</h3>'
            f'<p class="faint">{escape(keyframe["token"])}</p><ul>{found}</ul><div class="pictures">{shown}</div>'
        )
    return ''.join(parts)


def _shares(figures: dict) -> str:
    names = {'agree': 'agree', 'early': 'are stopped early', 'holes': 'are holes'}
    return ', '.join(f'{_number(figures[key])} % {name}' for key, name in names.items())


def _scene(scene: dict) -> str:
    name = escape(scene['name'])
    if scene['error']:
        return f'<h3>{name}</h3><p class="verdict">{escape(scene["error"])}</p>'
    columns = [
        'keyframe',
        'agree',
        'early',
        'holes',
        'ghost voxels',
        'objects agree',
        'depth, m',
        'ground, m',
        'in layers, %',
        '',
    ]
    rows, classes = [], []
    for each in scene['keyframes']:
        sentences = '; '.join([*each['faults'], *(found['sentence'] for found in each['findings'])])
        shares = (each[key] for key in ('agree', 'early', 'holes', 'ghost voxels', 'objects agree'))
        metres = (each['depth error, m'], each['ground differs, m'])
        rows.append(
            [str(each['index']), *map(_number, shares), *(_number(value, 2) for value in metres),
             _number(each['ground in layers']), sentences]
        )  # fmt: skip
        classes.append('' if each['trusted'] else 'bad')
    found = ''.join(
        f'<li>{escape(each["sentence"])} <span class="faint">{escape(each["remedy"])}</span></li>'
        for each in scene['findings']
    )
    table = _table('', columns, rows, classes)
    return (
        f'<h3>{name}: {_shares(scene["total"])}</h3>{_strip(scene["keyframes"])}<ul>{found}</ul>'
        f'<details><summary>Keyframes</summary><div class="wide">{table}</div></details>'
    )


def _strip(keyframes: list[dict]) -> str:
    """A bar a keyframe."""
    bars = []
    for i, each in enumerate(keyframes):
        top = 0.0
        title = f'<title>keyframe {each["index"]}: {_number(each["agree"])} % agree</title>'
        for key, colour in (('holes', 'hole'), ('early', 'bad'), ('agree', 'good')):
            height = each[key] or 0.0
            bars.append(
                f'<rect x="{i + 0.05}" y="{top:.2f}" width="0.9" height="{height:.2f}" '
                f'fill="var(--{colour})">{title}</rect>'
            )
            top += height
    width = max(len(keyframes), 10)
    return f'<svg class="strip" viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img">{"".join(bars)}</svg>'


def _table(title: str, columns: list[str], rows: list[list[str]], classes: list[str] | None = None) -> str:
    head = ''.join(f'<th>{escape(column)}</th>' for column in columns)
    body = []
    for row, kind in zip(rows, classes or [''] * len(rows), strict=True):
        cells = ''.join(
            f'<td{" class=text" if i and not columns[i] and len(columns) > 2 else ""}>{escape(cell)}</td>'
            for i, cell in enumerate(row)
        )
        body.append(f'<tr{f" class={kind}" if kind else ""}>{cells}</tr>')
    caption = f'<caption>{escape(title)}</caption>' if title else ''
    return f'<table>{caption}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _number(value: float | None, digits: int = 1) -> str:
    return '–' if value is None else f'{value:.{digits}f}'
