"""Folders and files of predictions or labels, whatever their layout, as keyframes by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from project.evaluation.names import RAYS
from project.evaluation.protocols.interface import EvaluationProtocol, RayReadings, Volume
from project.evaluation.protocols.submissions import read_dense, read_rays
from project.formats import FORMATS, points
from project.formats.folders import DENSE, expected_path, find_files
from project.formats.resample import on_grid
from project.formats.stated import stated
from project.grid import VoxelGrid
from project.label_set import LabelSet


@dataclass(frozen=True)
class Source:
    """Predictions or labels of many keyframes.

    Attributes:
        path: where they are.
        layout: the name of a label format, or :data:`DENSE` or :data:`RAYS`.
        named_by: field of :class:`Keyframe` that names a keyframe here.
        frames: what :attr:`read_frame` takes, by that name.
        read_frame: reads one keyframe.
        labels: the classes, where the folder states them.
    """

    path: Path
    layout: str
    named_by: str
    frames: dict[str, Any]
    read_frame: Callable[[Any], Volume | RayReadings]
    labels: LabelSet | None = None

    def read(self, name: str) -> Volume | RayReadings:
        """Prediction or labels of a keyframe."""
        return self.read_frame(self.frames[name])


def open_predictions(path: Path, protocol: EvaluationProtocol) -> Source:
    """Detect the layout of predictions: a submission, or the folder of a label format.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ValueError: no layout is recognised, or several are.
    """
    return _open(path, protocol, 'predictions', (DENSE, *protocol.formats))


def open_labels(path: Path, protocol: EvaluationProtocol) -> Source:
    """Find the labels of a protocol's format in a folder, which may also hold others.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ValueError: there are no such labels.
    """
    return _open(path, protocol, 'labels', protocol.formats)


def _open(path: Path, protocol: EvaluationProtocol, kind: str, layouts: tuple[str, ...]) -> Source:
    if not path.exists():
        raise FileNotFoundError(f'{path}: there are no {kind} of that name')
    if path.is_file():
        return Source(path, RAYS, 'sample_token', read_rays(path), lambda readings: readings)
    found = find_files(path, layouts)
    if not found:
        expected = '; '.join(f'{expected_path(layout)} ({layout})' for layout in layouts)
        raise ValueError(f'{path}: no {kind} for the protocol {protocol.name}; looked for {expected}')
    if len(found) > 1 and kind == 'predictions':
        mixed = ' and '.join(f'{len(some.files)} of the layout {some.layout}' for some in found)
        raise ValueError(f'{path}: mixed layouts: {mixed}; keep each in a folder of its own')
    files = found[0]
    about = stated(files.root, files.layout)
    labels = LabelSet.stated_in(about) if 'label_names' in about else None
    reader = _reader(files.layout, protocol, points.labels_by_index(about.get('category_labels')))
    return Source(path, files.layout, files.named_by, files.files, reader, labels)


def check_same_labels(predictions: Source, labels: LabelSet) -> None:
    """Make sure that predictions and ground truth have the same classes, if the predictions state theirs.

    Raises:
        ValueError: they do not.
    """
    if predictions.labels is not None and predictions.labels.names != labels.names:
        ours, theirs = (', '.join(each.class_names[:4]) for each in (predictions.labels, labels))
        raise ValueError(
            f'{predictions.path}: predicts other classes ({ours}, ...) than the labels have ({theirs}, ...)'
        )


def _reader(layout: str, protocol: EvaluationProtocol, label_of: np.ndarray) -> Callable[[Path], Volume]:
    if layout == DENSE:
        return partial(read_dense, grid=protocol.grid, openocc_classes='openocc' in protocol.formats)
    return partial(_read_format, layout=layout, grid=protocol.grid, label_of=label_of)


def _read_format(path: Path, layout: str, grid: VoxelGrid, label_of: np.ndarray) -> Volume:
    if layout == points.NAME:
        return Volume.of(points.voxelise(points.read(path, len(label_of) - 1), grid, label_of))
    content = FORMATS[layout].read(path)
    if content.grid == grid:
        return Volume.of(content)
    labels = on_grid(content, grid)
    return Volume(labels.semantics, mask_camera=labels.mask_camera)
