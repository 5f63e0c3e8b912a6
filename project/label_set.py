"""Names and colours of labels: which of the labels 0-17 a data set uses, and their names.

Labels keep their numbers everywhere: 0 = noise, 1-16 = classes, 17 = free. A data set with fewer classes leaves some
unused. Files store it as :meth:`LabelSet.as_dict`, with the same keys in the manifest and the settings of a folder of
labels, in the index of keyframes, in checkpoints, beside predictions and beside exported models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from project.taxonomy import FREE, LABEL_NAMES, NOISE, PALETTE, Taxonomy

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class LabelSet:
    """The labels of a data set.

    Attributes:
        names: name of each label 0-17; empty for one that stands for nothing.
        palette: RGB of each label 0-17, 0-255.
    """

    names: tuple[str, ...] = LABEL_NAMES
    palette: tuple[Colour, ...] = tuple(map(tuple, PALETTE.tolist()))

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> 'LabelSet':
        """The labels of a taxonomy's categories; other labels that it names are unused."""
        used = set(taxonomy.label_of[: len(taxonomy.categories)].tolist()) | {NOISE}
        names = [name if label in used else '' for label, name in enumerate(taxonomy.labels)]
        names += [''] * (FREE - len(names))
        return cls((*names, LABEL_NAMES[FREE]), _colours(taxonomy.palette.tolist()))

    @classmethod
    def stated_in(cls, content: Mapping[str, Any]) -> 'LabelSet':
        """The labels stored by :meth:`as_dict` in a file; the classes of nuScenes if it has none.

        Raises:
            ValueError: the names or colours are not those of 18 labels.
        """
        if 'label_names' not in content:
            return cls()
        names, palette = content['label_names'], content.get('palette', cls().palette)
        if len(names) != len(LABEL_NAMES) or np.shape(palette) != PALETTE.shape:
            raise ValueError(f'it must have the names and colours of {len(LABEL_NAMES)} labels')
        return cls(tuple(map(str, names)), _colours(palette))

    def as_dict(self) -> dict[str, list]:
        """``label_names`` and ``palette`` as JSON can hold them."""
        return {'label_names': list(self.names), 'palette': [list(colour) for colour in self.palette]}

    @property
    def classes(self) -> tuple[int, ...]:
        """The labels of the classes, ascending."""
        return tuple(label for label in range(NOISE + 1, FREE) if self.names[label])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of :attr:`classes`."""
        return tuple(self.names[label] for label in self.classes)

    @property
    def colours(self) -> np.ndarray:
        """(18, 3) uint8 RGB."""
        return np.array(self.palette, np.uint8)

    def is_part_of(self, other: 'LabelSet') -> bool:
        """Whether the other set has all classes of this one, with the same numbers and names."""
        return all(self.names[label] == other.names[label] for label in self.classes)


def category_labels(taxonomy: Taxonomy) -> dict[str, int]:
    """Label of each category, in the order in which categories count; stated as ``category_labels``."""
    return {name: int(taxonomy.label_of[index]) for index, name in enumerate(taxonomy.categories)}


def _colours(palette: Sequence[Sequence[int]]) -> tuple[Colour, ...]:
    return tuple((int(red), int(green), int(blue)) for red, green, blue in palette)
