"""Frames from folders: labels of any format, predictions of any layout, or predictions beside their labels."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from project.formats import FORMATS, OccupancyLabels, points, predictions, voxels
from project.formats.common import MASKS
from project.formats.folders import DENSE, KeyframeFiles, expected_path, find_files
from project.formats.resample import on_grid
from project.formats.stated import stated
from project.grid import VoxelGrid
from project.label_set import LabelSet
from project.sources.tables_of_url import bring_tables
from project.storage.mounts import at_hand
from project.visualization.frame import Frame
from project.visualization.sources.recording import Keyframes, keyframes_beside, keyframes_of_tables


class FolderFrames:
    """Frames from a folder of labels, or from a folder of predictions with or without labels beside them.

    Args:
        folder: labels of any format, or predictions (``<sample token>.npz``); with `truth` always predictions.
        truth: folder of labels to compare the predictions with.
        dataroot: nuScenes folder that the keyframes are from; adds lidar points and camera images. Its tables are read
            only where the index that data_converter.py writes beside labels is missing.
        version: which ``v1.0-*`` of the dataroot, where it holds several.
        label_format: name of the format where a folder of labels holds several.

    Attributes:
        scenes: tokens of the frames of each scene.
        labels: names and colours of the labels: as the folder states them or, where it does not, the index beside it.

    Raises:
        ValueError: a folder holds nothing that can be shown, or no prediction has labels.
    """

    def __init__(
        self,
        folder: str | Path,
        truth: str | Path | None = None,
        dataroot: str | Path | None = None,
        version: str | None = None,
        label_format: str | None = None,
    ):
        formats = [label_format] if label_format else list(FORMATS)
        predicted = labelled = None
        if truth is not None:
            labelled, predicted = find_labels(truth, formats), find_predictions(folder)
        elif label_format is None and not find_files(folder, formats):
            predicted = find_predictions(folder)
        else:
            labelled = find_labels(folder, formats)
        known = [found for found in (labelled, predicted) if found]
        self.keyframes = find_keyframes(known, Path(dataroot) if dataroot else None, version)
        self._stated = stated(known[0].root, known[0].layout)
        self.labels = self.keyframes.labels if self.keyframes and not self._stated else LabelSet.stated_in(self._stated)
        self._labels, self._predictions = (_by_token(found, self.keyframes) for found in (labelled, predicted))
        self._label_format = labelled.layout if labelled else ''
        self._prediction_layout = predicted.layout if predicted else ''
        if truth is not None and not self._labels.keys() & self._predictions.keys():
            hint = '' if self.keyframes else '; give --dataroot to find the keyframe of each file'
            raise ValueError(f'{folder}: none of its predictions is of a keyframe that {truth} has{hint}')
        self.scenes = self._ordered(known[::-1])

    def frame(self, scene: str, index: int) -> Frame:
        """Read a frame.

        Raises:
            FileNotFoundError, ValueError: a file is missing or damaged, or labels do not fit the prediction's grid.
        """
        token = self.scenes[scene][index]
        labelled = token in self._labels
        prediction = grid = None
        if token in self._predictions:
            label_grid = self._label_grid(self._labels[token]) if labelled else None
            prediction, grid = read_prediction(
                self._predictions[token], self._prediction_layout, label_grid, self._category_labels
            )
        parts = self._truth(self._labels[token], grid) if labelled else {'grid': grid}
        frame = Frame(scene, index, token, prediction=prediction, labels=self.labels, **parts)
        return self.keyframes.complete(frame) if self.keyframes else frame

    def _label_grid(self, file: Path) -> VoxelGrid:
        """The grid of labels: that of their format, or the one that a file of voxels states."""
        if self._label_format != voxels.NAME:
            return FORMATS[self._label_format].GRID
        at_hand(file)
        return voxels.read(file).grid

    @property
    def _category_labels(self) -> dict[str, int] | None:
        return self._stated.get('category_labels')

    def _truth(self, file: Path, grid: VoxelGrid | None) -> dict:
        """Labels and masks, on a grid of choice."""
        labels = read_labels(file, self._label_format, grid, self._category_labels)
        grid = grid or labels.grid
        try:
            dense = on_grid(labels, grid)
        except ValueError as error:
            raise ValueError(f'{file}: {error}') from None
        masks = {name: getattr(dense, array) for name, array in MASKS.items()}
        known = {name: mask for name, mask in masks.items() if mask is not None}
        return {'grid': grid, 'truth': dense.semantics, 'masks': known}

    def _ordered(self, known: list[KeyframeFiles]) -> dict[str, list[str]]:
        """Tokens by scene: in the order of the keyframes where that is known, else in that of the labels' paths."""
        shown = self._predictions or self._labels
        names = self.keyframes.names if self.keyframes else {}
        scenes = {token: scene for found in known for token, scene in found.scenes.items()}
        scenes |= {token: keyframe.scene_name for token, keyframe in names.items()}
        ordered: dict[str, list[str]] = {}
        for token in dict.fromkeys([*names, *self._labels, *shown]):
            if token in shown:
                ordered.setdefault(scenes[token], []).append(token)
        return ordered


def find_labels(folder: str | Path, formats: Iterable[str]) -> KeyframeFiles:
    """Find the label files of a folder, of the first format of which there are some.

    Raises:
        ValueError: there are none.
    """
    found = find_files(folder, formats)
    if not found:
        looked_for = '; '.join(f'{expected_path(name)} ({name})' for name in formats)
        raise ValueError(f'{folder}: holds no labels; looked for {looked_for}')
    return found[0]


def find_predictions(folder: str | Path) -> KeyframeFiles:
    """Find the predictions of a folder, of whatever layout.

    Raises:
        ValueError: there are none, or of several layouts.
    """
    found = find_files(folder, [DENSE, *FORMATS])
    if not found:
        raise ValueError(
            f'{folder}: holds neither labels ({", ".join(FORMATS)}) nor predictions ({expected_path(DENSE)})'
        )
    if len(found) > 1:
        layouts = ' and '.join(files.layout for files in found)
        raise ValueError(f'{folder}: holds predictions in several layouts: {layouts}; keep each in a folder of its own')
    return found[0]


def find_keyframes(known: list[KeyframeFiles], dataroot: Path | None, version: str | None) -> Keyframes | None:
    """The keyframes that give scenes and order of files: from the index beside them or, if it lacks them, the dataset.

    Args:
        known: the files, those of labels first.
        dataroot: folder of the recording; one of nuScenes where there is no index.
        version: which ``v1.0-*`` of it.

    Raises:
        ValueError: the dataset is none, or knows none of the files.
    """
    shown = known[-1]
    beside = keyframes_beside(known[0].root, list(shown.files), shown.named_by, dataroot)
    if dataroot is None or (beside and _knows(beside, shown)):
        if dataroot and beside and not beside.has_sensor_files():
            raise ValueError(f'{dataroot}: holds no lidar or camera file of the keyframes of {known[0].root}')
        return beside
    bring_tables(dataroot, version)
    if not version and not any(dataroot.glob('v1.0-*')):
        raise ValueError(
            f'{dataroot}: not nuScenes: holds no folder of tables v1.0-*; and no index lies in {known[0].root}'
        )
    keyframes = keyframes_of_tables(dataroot, version)
    if not _knows(keyframes, shown):
        raise ValueError(
            f'{shown.folder}: none of its {len(shown.files)} {shown.layout} files is of a keyframe of {dataroot}'
        )
    return keyframes


def read_labels(
    file: Path, layout: str, grid: VoxelGrid | None = None, category_labels: dict[str, int] | None = None
) -> OccupancyLabels:
    """Read labels of a format.

    Args:
        file: the file.
        layout: name of the format.
        grid: that points are put on, which have none of their own; by default that of ``voxels``.
        category_labels: label of each category of points; those of nuScenes by default.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged, or the grid is in another frame.
    """
    at_hand(file)
    if layout != points.NAME:
        return FORMATS[layout].read(file)
    label_of = points.labels_by_index(category_labels)
    return points.voxelise(points.read(file, len(label_of) - 1), grid or voxels.GRID, label_of)


def read_prediction(
    file: Path, layout: str, label_grid: VoxelGrid | None = None, category_labels: dict[str, int] | None = None
) -> tuple[np.ndarray, VoxelGrid]:
    """Read a prediction.

    Args:
        file: the file.
        layout: name of a label format, or :data:`project.formats.folders.DENSE`.
        label_grid: of the labels that it is compared with, for layouts that do not state their grid.
        category_labels: as for :func:`read_labels`.

    Returns:
        (X, Y, Z) uint8 labels 0-17, and their grid.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged.
    """
    at_hand(file)
    if layout == DENSE:
        prediction = predictions.read(file).labels
        if label_grid is not None and prediction.shape == label_grid.shape:
            return prediction, label_grid
        return prediction, grid_of_shape(prediction.shape, label_grid.frame if label_grid else None)
    labels = read_labels(file, layout, category_labels=category_labels)
    return labels.dense(), labels.grid


def grid_of_shape(shape: tuple[int, ...], frame: str | None = None) -> VoxelGrid:
    """The grid of a prediction: a published grid of that shape, else this shape over the range of a published grid.

    Args:
        shape: number of voxels along (x, y, z).
        frame: ``'lidar'`` or ``'ego'``; by default the frame of Occ3D for its shape, and the lidar frame for others.
    """
    for name in ('occ3d', 'voxels', 'surroundocc'):
        grid = FORMATS[name].GRID
        if grid.shape == shape and frame in (None, grid.frame):
            return grid
    reach = FORMATS['occ3d' if frame == 'ego' else 'voxels'].GRID
    size = [(high - low) / n for low, high, n in zip(reach.minimum, reach.maximum, shape, strict=True)]
    return VoxelGrid.from_range(reach.frame, reach.extent, tuple(size))


def _knows(keyframes: Keyframes, found: KeyframeFiles) -> bool:
    return any(getattr(keyframe, found.named_by) in found.files for keyframe in keyframes.names.values())


def _by_token(found: KeyframeFiles | None, keyframes: Keyframes | None) -> dict[str, Path]:
    """Files by sample token, or by their own name where the token is not known."""
    if found is None:
        return {}
    names = keyframes.names.items() if keyframes else ()
    tokens = {getattr(keyframe, found.named_by): token for token, keyframe in names}
    return {tokens.get(name, name): file for name, file in found.files.items()}
