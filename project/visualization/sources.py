"""Where frames come from: folders of labels of any format, and folders of predictions."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from project.formats import FORMATS, Keyframe, points, voxels
from project.formats.common import MASKS, load_npz, named_errors
from project.formats.resample import on_grid
from project.grid import VoxelGrid
from project.taxonomy import FREE
from project.visualization.frame import Frame

if TYPE_CHECKING:
    from project.visualization.dataroot import Dataroot

_PLACEHOLDERS = Keyframe('{scene_name}', '{scene_token}', '{sample_token}', '{lidar_token}', '{lidar_file}.pcd.bin')


@dataclass(frozen=True)
class Entry:
    """A file of labels or of a prediction, and what its path tells about the keyframe.

    Attributes:
        scene: name of the scene, or what stands for it.
        token: token of the keyframe, or what stands for it.
        file: the file.
    """

    scene: str
    token: str
    file: Path


class FolderSource:
    """Frames from a folder of labels, or from a folder of predictions with or without labels beside them.

    Args:
        folder: labels of any format, or predictions (``<sample token>.npz``, the layout of Occ3D submissions).
        truth: folder of labels to compare predictions with.
        dataroot: nuScenes folder that the keyframes are from; names scenes, orders frames, adds points, boxes, images.
        label_format: name of the format where a folder holds several.

    Attributes:
        scenes: tokens of the frames of each scene.

    Raises:
        ValueError: a folder holds nothing that can be shown.
    """

    def __init__(
        self,
        folder: str | Path,
        truth: str | Path | None = None,
        dataroot: 'Dataroot | None' = None,
        label_format: str | None = None,
    ):
        self.dataroot = dataroot
        self._truth, self._predictions = {}, {}
        labels = folder if is_label_folder(folder) else truth
        if labels is not None:
            self._format, entries = find_labels(labels, dataroot, label_format)
            self._truth = {entry.token: entry for entry in entries}
        if labels != folder:
            entries = find_predictions(folder, dataroot, self._truth)
            self._predictions = {entry.token: entry for entry in entries}
            if self._truth and not self._predictions.keys() & self._truth.keys():
                hint = '' if dataroot else '; give --dataroot, which tells what keyframe a file of labels is of'
                raise ValueError(f'{folder}: none of its predictions is of a keyframe that {truth} has{hint}')
        self.scenes: dict[str, list[str]] = {}
        for entry in (self._predictions or self._truth).values():
            self.scenes.setdefault(entry.scene, []).append(entry.token)

    def frame(self, scene: str, index: int) -> Frame:
        """Read a frame.

        Raises:
            FileNotFoundError, ValueError: a file is missing or damaged.
        """
        token = self.scenes[scene][index]
        prediction = grid = None
        if token in self._predictions:
            prediction = read_prediction(self._predictions[token].file)
            grid = grid_of_shape(prediction.shape, self._format.GRID.frame if token in self._truth else None)
        if token in self._truth:
            frame = replace(self._labelled(scene, index, token, grid), prediction=prediction)
        else:
            frame = Frame(scene, index, token, grid, prediction=prediction)
        return self.dataroot.complete(frame) if self.dataroot else frame

    def _labelled(self, scene: str, index: int, token: str, grid: VoxelGrid | None) -> Frame:
        """A frame with labels, on a grid of choice."""
        file = self._truth[token].file
        if self._format is points:
            labels = points.voxelise(points.read(file), grid or voxels.GRID)
        else:
            labels = self._format.read(file)
        if grid in (None, labels.grid):
            semantics, masks = labels.dense(), labels
        else:
            masks = on_grid(labels, grid)
            semantics = masks.semantics
        known = {name: getattr(masks, array) for name, array in MASKS.items()}
        known = {name: mask for name, mask in known.items() if mask is not None}
        return Frame(scene, index, token, grid or labels.grid, semantics, masks=known)


def is_label_folder(folder: str | Path) -> bool:
    """Whether a folder holds labels of a known format."""
    return any(_matches(Path(folder), module) for module in FORMATS.values())


def find_labels(
    folder: str | Path, dataroot: 'Dataroot | None' = None, label_format: str | None = None
) -> tuple[ModuleType, list[Entry]]:
    """Find the label files of a folder, in the order of scenes and time where that is known.

    Args:
        folder: root folder of the labels, or its first level (``gts`` of Occ3D, say).
        dataroot: tells scenes and order, and leaves out keyframes that it does not have.
        label_format: name in `FORMATS`; by default the first of which there are files.

    Raises:
        ValueError: there are none.
    """
    modules = FORMATS.values() if label_format is None else [FORMATS[label_format]]
    for module in modules:
        found = _matches(Path(folder), module)
        if not found:
            continue
        root, names = found
        if dataroot is None:
            return module, [_entry(root / name, fields) for name, fields in sorted(names.items())]
        known = [(key.scene_name, key.sample_token, module.path(key)) for key in _keyframes(dataroot)]
        entries = [Entry(scene, token, root / path) for scene, token, path in known if str(path) in names]
        if not entries:
            raise ValueError(f'{folder}: none of its {len(names)} {module.NAME} files is of a keyframe of the dataset')
        return module, entries
    raise ValueError(f'{folder}: holds no label files of the formats {", ".join(module.NAME for module in modules)}')


def find_predictions(folder: str | Path, dataroot: 'Dataroot | None', truth: dict[str, Entry]) -> list[Entry]:
    """Find the files ``<sample token>.npz`` of a folder; scenes and order come from the dataset or from the labels.

    Raises:
        ValueError: there are none.
    """
    files = {file.stem: file for file in sorted(Path(folder).glob('*.npz'))}
    if not files:
        raise ValueError(
            f'{folder}: holds neither labels ({", ".join(FORMATS)}) nor predictions (<sample token>.npz); '
            'a config needs a checkpoint after it'
        )
    if dataroot is not None:
        scenes = {key.sample_token: key.scene_name for key in _keyframes(dataroot)}
    else:
        scenes = {token: entry.scene for token, entry in truth.items()}
    ordered = [token for token in scenes if token in files] or list(files)
    return [Entry(scenes.get(token, Path(folder).name), token, files[token]) for token in ordered]


def read_prediction(file: Path) -> np.ndarray:
    """Read a prediction: (X, Y, Z) uint8 labels 0-17.

    Raises:
        ValueError: the file is damaged or of another layout.
    """
    with named_errors(file, 'a prediction (one array of labels 0-17)'):
        arrays = load_npz(file, ('arr_0', 'pred'))
        array = next((array for array in arrays.values() if array is not None), None)
        if array is None or array.ndim != 3:
            raise ValueError('it holds no array "arr_0" or "pred" of shape (X, Y, Z)')
        if array.dtype.kind not in 'iu' or array.min() < 0 or array.max() > FREE:
            raise ValueError(f'its {array.dtype} array holds other values than the labels 0-{FREE}')
        return array.astype(np.uint8)


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


def _keyframes(dataroot: 'Dataroot') -> list[Keyframe]:
    return [keyframe for keyframes in dataroot.scenes.values() for keyframe in keyframes]


def _matches(folder: Path, module: ModuleType) -> tuple[Path, dict[str, dict[str, str]]] | None:
    """Root folder of a format's files at or just above a folder, and what the name of each file below it tells."""
    template = str(module.path(_PLACEHOLDERS))
    pattern = re.compile(re.sub(r'\\\{(\w+)\\\}', r'(?P<\1>[^/]+)', re.escape(template)))
    wildcard = re.sub(r'\{\w+\}', '*', template)
    first_level = template.split('/')[0]
    roots = [folder, folder.resolve().parent] if folder.resolve().name == first_level else [folder]
    for root in roots:
        names = [path.relative_to(root).as_posix() for path in root.glob(wildcard)]
        if names:
            return root, {name: pattern.fullmatch(name).groupdict() for name in names}
    return None


def _entry(file: Path, fields: dict[str, str]) -> Entry:
    log = fields.get('lidar_file', '').split('__')[0]
    scene = fields.get('scene_name') or fields.get('scene_token') or log
    token = fields.get('sample_token') or fields.get('lidar_token') or fields['lidar_file']
    return Entry(scene, token, file)
