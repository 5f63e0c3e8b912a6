"""The taxonomy of tables: that of nuScenes-lidarseg, or one made of the tables' own categories."""

from collections.abc import Collection, Sequence

import numpy as np

from project.errors import UserError
from project.sources.nuscenes.schema import CategoryRow
from project.sources.taxonomies import make_taxonomy, taxonomy_of_boxes
from project.taxonomy import CLASSES, LEARNING_MAP, RAW_EGO, RAW_NAMES, RAW_STATIC, Taxonomy

NO_CATEGORY = 255
"""Stands for a number without a category."""

_ONLY_OF_POINTS = frozenset([RAW_NAMES[0], RAW_NAMES[RAW_EGO], *(RAW_NAMES[raw] for raw in RAW_STATIC)])
_NOISE = ('noise', 'unlabeled', 'unlabelled', 'unknown', 'void', 'ignore', 'unpainted')
_GROUND = ('flat', 'ground', 'road', 'drivable', 'driveable', 'sidewalk', 'terrain', 'parking', 'lane', 'crosswalk')
_MOVABLE = ('vehicle', 'human', 'movable', 'animal', 'pedestrian', 'cyclist', 'rider', *CLASSES[:10])
_PLANTS = ('vegetation', 'tree', 'bush', 'plant')


def taxonomy_of(
    categories: Sequence[CategoryRow], of_boxes: Collection[str], labelled: bool, own: Taxonomy | None = None
) -> tuple[Taxonomy, np.ndarray | None]:
    """The categories of a data set.

    Args:
        categories: the category table.
        of_boxes: names of the categories that boxes have.
        labelled: whether there are labels of points, which number categories by their ``index``.
        own: taxonomy from a file; by default the names of categories decide.

    Returns:
        The taxonomy, and (256,) uint8 the category of each number in files of labels, 255 for none; None if these are
        the same.

    Raises:
        UserError: the table does not state the numbers that labels of points use.
    """
    if not all(row.name.strip(' .') for row in categories):
        raise UserError('category.json: has a category without a name')
    if own is not None:
        _check_named(categories, own)
        return own, _numbers(categories, own, ()) if labelled else None
    if not labelled:
        return taxonomy_of_boxes(row.name for row in categories if row.name not in _ONLY_OF_POINTS), None
    known = [row for row in categories if row.name in RAW_NAMES]
    if len(known) == len(categories) or (known and not _are_needed(categories, of_boxes)):
        for row in known:
            _check_index(row)
        return Taxonomy.nuscenes(), None
    return _own_taxonomy(categories, of_boxes)


def _are_needed(categories: Sequence[CategoryRow], of_boxes: Collection[str]) -> bool:
    """Whether categories that nuScenes does not have occur in boxes or in labels of points."""
    added = [row for row in categories if row.name not in RAW_NAMES]
    return any(row.name in of_boxes or (row.index is not None and row.index < len(RAW_NAMES)) for row in added)


def _check_index(category: CategoryRow) -> None:
    """Make sure that lidarseg numbers categories like nuScenes, if the table states the numbers."""
    expected = RAW_NAMES.index(category.name)
    if category.index not in (None, expected):
        raise UserError(
            f'category.json: gives {category.name} the lidarseg index {category.index}, nuScenes-lidarseg has '
            f'{expected}; points would get labels of other classes'
        )


def _own_taxonomy(categories: Sequence[CategoryRow], of_boxes: Collection[str]) -> tuple[Taxonomy, np.ndarray]:
    unnumbered = [row.name for row in categories if row.index is None and row.name not in of_boxes]
    if unnumbered:
        raise UserError(
            f'category.json: {unnumbered[0]} has no index, and is no category of nuScenes-lidarseg or of a box; the '
            'index says by which number labels of points mean it'
        )
    kinds: dict[str, dict[str, str]] = {'movable': {}, 'ground': {}, 'static': {}}
    noise, own_vehicle = [], None
    for row in categories:
        words = row.name.lower().replace('_', '.').split('.')
        if words[-1] == 'ego':
            own_vehicle = row.name
        elif words[0] in _NOISE:
            noise.append(row.name)
        else:
            movable = row.name in of_boxes or words[0] in _MOVABLE
            kind = 'movable' if movable else 'ground' if set(words) & set(_GROUND) else 'static'
            kinds[kind][row.name] = _label(row.name)
    plants = [name for name in kinds['static'] if any(plant in name.lower() for plant in _PLANTS)]
    content = {**kinds, 'porous': plants, 'own_vehicle': own_vehicle}
    taxonomy = make_taxonomy(content, 'category.json')
    return taxonomy, _numbers(categories, taxonomy, noise)


def _check_named(categories: Sequence[CategoryRow], taxonomy: Taxonomy) -> None:
    unknown = [row.name for row in categories if row.name not in taxonomy.categories]
    if unknown:
        raise UserError(f'taxonomy.yaml: does not say what {", ".join(unknown)} of category.json is')


def _numbers(categories: Sequence[CategoryRow], taxonomy: Taxonomy, noise: Collection[str]) -> np.ndarray:
    """(256,) uint8 category of each number in files of labels."""
    number_of = {name: number for number, name in enumerate(taxonomy.categories)} | dict.fromkeys(noise, 0)
    category_of = np.full(256, NO_CATEGORY, np.uint8)
    for row in categories:
        if row.index is not None:
            if not 0 <= row.index < NO_CATEGORY:
                raise UserError(f'category.json: {row.name} has the index {row.index}; it should be 0 to 254')
            if category_of[row.index] not in (NO_CATEGORY, number_of[row.name]):
                raise UserError(f'category.json: two categories have the index {row.index}, {row.name} is one of them')
            category_of[row.index] = number_of[row.name]
    return category_of


def _label(category: str) -> str:
    """The nuScenes class of a category, or the last part of its name."""
    if category in RAW_NAMES:
        label = LEARNING_MAP[RAW_NAMES.index(category)]
        return CLASSES[label - 1] if label else 'noise'
    return category.split('.')[-1]
