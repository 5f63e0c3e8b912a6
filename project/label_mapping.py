"""Other labels for the categories of a recording, as a YAML file gives them (``--label_mapping``)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from project.errors import UserError
from project.label_set import LabelSet
from project.taxonomy import CLASSES, FREE, LABEL_NAMES, NOISE, PALETTE, Taxonomy, is_colour


class Labelling(NamedTuple):
    """What the categories of a recording become.

    Attributes:
        categories: name of each of the C categories.
        label_of: label 0-16 of each.
        labels: name of each label 0-16; empty for one that has none.
        palette: (18, 3) uint8 RGB of each label, the last one free.
    """

    categories: tuple[str, ...]
    label_of: tuple[int, ...]
    labels: tuple[str, ...]
    palette: np.ndarray

    @classmethod
    def stated_in(cls, metainfo: Mapping[str, Any]) -> 'Labelling':
        """As an index of keyframes states it, see :func:`project.formats.infos.metainfo`."""
        labels = LabelSet.stated_in(metainfo)
        categories = metainfo['category_labels']
        return cls(tuple(categories), tuple(categories.values()), labels.names[:FREE], labels.colours)

    def as_dict(self) -> dict[str, Any]:
        """As an index states it; labels that no category has stand for nothing."""
        used = {NOISE, *self.label_of}
        names = (*(name if label in used else '' for label, name in enumerate(self.labels)), LABEL_NAMES[FREE])
        labels = LabelSet(names, tuple((int(red), int(green), int(blue)) for red, green, blue in self.palette))
        return {**labels.as_dict(), 'category_labels': dict(zip(self.categories, self.label_of, strict=True))}


def with_label_mapping(taxonomy: Taxonomy, path: str | Path) -> Taxonomy:
    """Other labels for the categories of a taxonomy; arguments and errors as for :func:`relabelled`."""
    count = len(taxonomy.categories)
    labels = (*taxonomy.labels, *[''] * (FREE - len(taxonomy.labels)))
    given = Labelling(taxonomy.categories, tuple(taxonomy.label_of[:count].tolist()), labels, taxonomy.palette)
    mapped = relabelled(given, path)
    label_of = np.zeros(256, np.uint8)
    label_of[:count] = mapped.label_of
    return replace(taxonomy, labels=mapped.labels, label_of=label_of, palette=mapped.palette)


def relabelled(given: Labelling, path: str | Path) -> Labelling:
    """Other labels for the same categories.

    Args:
        given: the categories, and the labels that they have without the file.
        path: YAML with ``learning_map`` (label of each category, by its number or its name) and, optionally,
            ``labels_16`` (name of each label), ``palette`` (``[red, green, blue]`` of each label) and ``labels``
            (name of each category, which must be the one that it has). A label that is given to other categories than
            before needs a name.

    Raises:
        UserError: the file is no such YAML, misses a category or holds a label outside 0-16.
        OSError: it cannot be read.
    """
    content = _read(path)
    learned = _learned(given.categories, _table(content, 'learning_map', path), path)
    for index, name in _table(content, 'labels', path).items():
        if index not in range(len(given.categories)) or given.categories[index] != name:
            raise UserError(f'{path}: labels has {index}: {name}, which is not how the categories count')
    named = _table(content, 'labels_16', path)
    labels = tuple(str(named.get(label, default)) for label, default in enumerate(given.labels))
    for category, label in enumerate(learned):
        kept = any(was == label == now for was, now in zip(given.label_of, learned, strict=True))
        if label and label not in named and not kept:
            raise UserError(
                f'{path}: labels_16 has no name for the label {label}, to which {given.categories[category]} goes'
            )
    used = [labels[label] for label in sorted({NOISE, *learned})]
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise UserError(f'{path}: labels_16 calls two labels {twice[0]}')
    palette = _colours(given, labels, _table(content, 'palette', path), path)
    return Labelling(given.categories, tuple(learned), labels, palette)


def _read(path: str | Path) -> dict:
    try:
        content = yaml.safe_load(Path(path).read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f'{path}: not a YAML file ({error})') from None
    if not isinstance(content, dict) or 'learning_map' not in content:
        raise UserError(f'{path}: needs the key "learning_map", a label for each category')
    return content


def _learned(categories: Sequence[str], mapping: dict, path: str | Path) -> list[int]:
    known = {key for number, name in enumerate(categories) for key in (number, name)}
    unknown = [key for key in mapping if key not in known]
    missing = [number for number, name in enumerate(categories) if not {number, name} & mapping.keys()]
    if unknown:
        raise UserError(
            f'{path}: learning_map has an entry for {unknown[0]}, which is no category; these are '
            f'{", ".join(categories[:8])}{", ..." * (len(categories) > 8)}'
        )
    if missing:
        names = ', '.join(categories[number] for number in missing[:8])
        raise UserError(f'{path}: learning_map has no entry for the categories {missing} ({names})')
    learned = [mapping[number if number in mapping else name] for number, name in enumerate(categories)]
    wrong = [label for label in learned if type(label) is not int or not 0 <= label <= len(CLASSES)]
    if wrong:
        raise UserError(f'{path}: learning_map holds {wrong[0]}; labels are whole numbers from 0 to {len(CLASSES)}')
    return learned


def _colours(given: Labelling, labels: Sequence[str], chosen: dict, path: str | Path) -> np.ndarray:
    """Colours of labels: as the file has them, else those that their names have, else those that no name has taken."""
    by_name = dict(zip(LABEL_NAMES, PALETTE.tolist(), strict=True)) | {
        name: colour for name, colour in zip(given.labels, given.palette.tolist(), strict=False) if name
    }
    left = [by_name[name] for name in CLASSES if name not in labels]
    palette = given.palette.copy()
    for label, name in enumerate(labels):
        colour = chosen.get(label) or by_name.get(name) or (left.pop(0) if name and left else palette[label].tolist())
        if not is_colour(colour):
            raise UserError(f'{path}: palette has {label}: {colour}; colours are like [255, 158, 0]')
        palette[label] = colour
    return palette


def _table(content: dict, key: str, path: str | Path) -> dict:
    table = content.get(key, {})
    if not isinstance(table, dict):
        raise UserError(f'{path}: {key} must be a table such as "0: noise", not {table}')
    return table
