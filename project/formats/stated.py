"""The classes that folders of labels and predictions state, and the classes that a format can hold."""

import json
from pathlib import Path
from typing import Any

from project.errors import UserError
from project.formats import occ3d, openocc, openoccupancy, surroundocc
from project.formats.common import written_whole
from project.label_set import LabelSet
from project.plain_files import read_json
from project.storage.mounts import at_hand

SETTINGS_FILE = 'settings.json'
"""In a folder of labels: for each format, how its labels were made."""

LABELS_FILE = 'labels.json'
"""Beside predictions of other classes than those of nuScenes: names and colours of their labels."""

FIXED_CLASSES = (occ3d.NAME, surroundocc.NAME, openoccupancy.NAME, openocc.NAME)
"""Formats whose files always have the 16 classes of nuScenes-lidarseg."""


def stated(root: Path, layout: str) -> dict[str, Any]:
    """The statements of a folder about its labels or predictions; empty for folders of other programs.

    Args:
        root: root folder of the layout.
        layout: name of a label format; others are layouts of predictions.

    Raises:
        ValueError: the file that says it is damaged.
    """
    for name in (LABELS_FILE, SETTINGS_FILE):
        file = root / name
        at_hand(file)
        if file.is_file():
            try:
                content = read_json(file)
                found = content if name == LABELS_FILE else content.get(layout, {})
                LabelSet.stated_in(found)
            except (ValueError, TypeError, AttributeError) as error:
                raise UserError(f'{file}: does not state classes ({error}); restore or remove it') from None
            if found:
                return found
    return {}


def write_labels(folder: Path, labels: LabelSet) -> None:
    """State the classes beside predictions, unless they are those of nuScenes, which everybody assumes."""
    if labels != LabelSet():
        with written_whole(folder / LABELS_FILE) as file:
            file.write(json.dumps(labels.as_dict(), indent=1).encode())


def check_classes(layout: str, labels: LabelSet) -> None:
    """Make sure that a format can hold labels.

    Raises:
        ValueError: its classes are fixed, and these are others.
    """
    if layout in FIXED_CLASSES and not labels.is_part_of(LabelSet()):
        others = [labels.names[label] for label in labels.classes if labels.names[label] != LabelSet().names[label]]
        raise UserError(
            f'the format {layout} has the 16 classes of nuScenes, and these labels have others '
            f'({", ".join(others[:4])}{", ..." * (len(others) > 4)}): choose the format voxels, or map all categories '
            "to the classes of nuScenes, by their numbers and names, with data_converter.py's --label_mapping"
        )
