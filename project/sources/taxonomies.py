"""Taxonomies of recordings that have categories of their own, from a YAML file or from the names of their boxes."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from project.errors import UserError
from project.taxonomy import (
    CLASSES,
    FREE,
    LEARNING_MAP,
    MOST_CATEGORIES,
    NOISE,
    PALETTE,
    RAW_NAMES,
    Taxonomy,
    is_colour,
)

GROUND, STATIC = 'ground', 'static'
"""Names of the categories and labels of unlabelled points outside boxes."""

_COLOUR_OF = dict(zip(CLASSES, range(1, FREE), strict=True))
_COLOUR_OF |= {GROUND: _COLOUR_OF['driveable_surface'], STATIC: _COLOUR_OF['manmade']}

_KINDS = ('movable', 'ground', 'static')

_LIKE_SIDES = frozenset(
    ('ambulance', 'bicycle', 'bicyclist', 'bus', 'car', 'caravan', 'cyclist', 'lorry', 'motorcycle', 'motorcyclist',
     'taxi', 'trailer', 'train', 'tram', 'truck', 'van', 'vehicle')
)  # fmt: skip
"""Words of names of what has two sides alike; an excavator's arm is on one of them."""


def taxonomy_of_boxes(categories: Iterable[str]) -> Taxonomy:
    """The taxonomy of a recording that has boxes but no labels of points.

    Args:
        categories: the categories of boxes. A category of nuScenes gets its class there; any other is its own class.

    Returns:
        The categories, then ``ground`` and ``static``, which are classes of their own.

    Raises:
        ValueError: there are too many classes.
    """
    known = {name: CLASSES[label - 1] if label else None for name, label in zip(RAW_NAMES, LEARNING_MAP, strict=True)}
    movable = {name: known.get(name, name) for name in dict.fromkeys(categories)}
    return make_taxonomy({'movable': movable, 'ground': {GROUND: GROUND}, 'static': {STATIC: STATIC}}, 'the boxes')


def read_taxonomy(path: Path) -> Taxonomy:
    """Taxonomy of a YAML file, as ``docs/own_data.md`` describes it.

    Raises:
        ValueError: the file is no such YAML; the message names the file and the key.
        OSError: it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f'{path}: is not a YAML file ({error})') from None
    if not isinstance(content, dict):
        raise UserError(f'{path}: needs the keys {", ".join(_KINDS)}')
    unknown = sorted(set(content) - {*_KINDS, 'porous', 'symmetric', 'own_vehicle', 'palette'})
    if unknown:
        raise UserError(f'{path}: has the key {unknown[0]}, which is not known')
    return make_taxonomy(content, path)


def make_taxonomy(content: Mapping, where: Path | str) -> Taxonomy:
    """Taxonomy of tables of categories.

    Args:
        content: ``movable``, ``ground`` and ``static``, each a table from category to label (no label means noise); and
            optionally ``porous``, a list of static categories, ``symmetric``, a list of movable ones whose left and
            right sides are alike (by default, names that mean vehicles), ``own_vehicle``, a category, and ``palette``,
            a table from label to red, green and blue.
        where: what to name in messages.
    """
    tables = [_table(content, kind, where) for kind in _KINDS]
    names = ['noise', *(name for table in tables for name in table)]
    own_vehicle = content.get('own_vehicle')
    names += [own_vehicle] if own_vehicle else []
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f'{where}: the category {twice} occurs twice')
    if len(tables[1]) == 0 or len(tables[2]) == 0:
        raise UserError(f'{where}: needs a category of ground and a static one')
    if len(names) > MOST_CATEGORIES:
        raise UserError(
            f'{where}: has {len(names)} categories, with noise and the own vehicle; at most {MOST_CATEGORIES} are '
            'possible: give those that need no telling apart one name'
        )
    first_ground = 1 + len(tables[0])
    first_static = first_ground + len(tables[1])
    labels = _labels(tables, where)
    numbers = {label: number for number, label in enumerate(labels)} | {None: NOISE}
    label_of = np.zeros(256, np.uint8)
    for category, label in {name: label for table in tables for name, label in table.items()}.items():
        label_of[names.index(category)] = numbers[label]
    porous = _listed(content, 'porous', tables[2], 'static', where) or ()
    symmetric = _listed(content, 'symmetric', tables[0], 'movable', where)
    if symmetric is None:
        symmetric = [name for name, label in tables[0].items() if _has_like_sides(name, label)]
    return Taxonomy(
        categories=tuple(names),
        ground=range(first_ground, first_static),
        static=range(first_ground, first_static + len(tables[2])),
        porous=frozenset(names.index(name) for name in porous),
        own_vehicle=names.index(own_vehicle) if own_vehicle else None,
        labels=labels,
        label_of=label_of,
        palette=_palette(labels, _given(content, 'palette', where), where),
        symmetric=frozenset(names.index(name) for name in symmetric),
    )


def _given(content: Mapping, key: str, where: Path | str) -> dict:
    table = content.get(key) or {}
    if not isinstance(table, dict):
        raise UserError(f'{where}: {key} must be a table such as "car: vehicle", not {table}')
    return table


def _table(content: Mapping, kind: str, where: Path | str) -> dict[str, str | None]:
    table = _given(content, kind, where)
    for category, label in table.items():
        if not isinstance(category, str) or not (label is None or isinstance(label, str)):
            raise UserError(f'{where}: {kind} has {category}: {label}; both must be names')
    return {category: None if label == 'noise' else label for category, label in table.items()}


def _listed(content: Mapping, key: str, known: Container[str], kind: str, where: Path | str) -> Sequence[str] | None:
    """The categories that a key lists; None without it."""
    names = content.get(key)
    if names is not None and not isinstance(names, list | tuple):
        raise UserError(f'{where}: {key} must be a list of categories, not {names}')
    missing = [name for name in names or () if name not in known]
    if missing:
        raise UserError(f'{where}: {key} names {missing[0]}, which is no {kind} category')
    return names


def _has_like_sides(category: str, label: str | None) -> bool:
    if category in RAW_NAMES:
        return RAW_NAMES.index(category) in Taxonomy.nuscenes().symmetric
    spaced = re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', f'{category} {label or ""}')
    words = set(re.findall('[a-z]+', spaced.lower()))
    return bool(words & _LIKE_SIDES) and 'construction' not in words


def _labels(tables: list[dict[str, str | None]], where: Path | str) -> tuple[str, ...]:
    """Names of labels: the classes of nuScenes if all labels are among them, else the labels in order of occurrence."""
    labels = dict.fromkeys(label for table in tables for label in table.values() if label)
    if all(label in CLASSES for label in labels):
        return ('noise', *CLASSES)
    if len(labels) > len(CLASSES):
        raise UserError(
            f'{where}: has {len(labels)} labels ({", ".join(labels)}); {len(CLASSES)} are possible: a taxonomy.yaml '
            'in the folder of the recordings can give several categories one label, or none (docs/own_data.md)'
        )
    return ('noise', *labels)


def _palette(labels: tuple[str, ...], given: dict, where: Path | str) -> np.ndarray:
    """(18, 3) uint8: the given colours; else those of nuScenes for its classes, and unused ones of these for others."""
    wrong = [label for label, colour in given.items() if not is_colour(colour)]
    if wrong:
        raise UserError(f'{where}: palette has {wrong[0]}: {given[wrong[0]]}; colours are like [255, 158, 0]')
    palette = PALETTE.copy()
    left = [number for number in range(1, FREE) if number not in {_COLOUR_OF.get(label) for label in labels}]
    for number, label in enumerate(labels[1:], start=1):
        usual = PALETTE[_COLOUR_OF[label] if label in _COLOUR_OF else left.pop(0)].tolist()
        palette[number] = given.get(label, usual)
    return palette
