"""Whether a model's classes are those of the data that it meets."""

from collections.abc import Mapping
from typing import Any

from project.errors import UserError
from project.label_set import LabelSet


def check_classes(trained: Mapping[str, Any], checkpoint: str, metainfo: Mapping[str, Any], data: str) -> None:
    """Make sure that the classes of data are among those that a model was trained for, under the same numbers.

    Args:
        trained: what the checkpoint says of the data that its model was trained on; checkpoints of other programs say
            nothing, and are taken to be right.
        checkpoint: the checkpoint's file.
        metainfo: of the data.
        data: name of the data, for the message.

    Raises:
        UserError: they are others.
    """
    if 'label_names' not in trained or 'label_names' not in metainfo:
        return
    theirs, ours = LabelSet.stated_in(trained), LabelSet.stated_in(metainfo)
    if ours.is_part_of(theirs):
        return
    label = next(label for label in ours.classes if ours.names[label] != theirs.names[label])
    raise UserError(
        f'{checkpoint}: its model was trained for other classes ({_listed(theirs)}) than {data} has ({_listed(ours)}): '
        f'the label {label} is {ours.names[label]} in the data and {theirs.names[label] or "unused"} in the model; '
        'make the labels with the same taxonomy, or train a model for these (load_from takes over the weights)'
    )


def _listed(labels: LabelSet) -> str:
    names = labels.class_names
    return ', '.join(names[:6]) + ', ...' * (len(names) > 6)
