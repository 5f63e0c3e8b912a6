"""Where frames come from: folders of labels of any format, and folders of predictions."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from project.formats import FORMATS, Keyframe, OccupancyLabels, points, voxels
from project.formats.common import load_npz, named_errors
from project.grid import VoxelGrid
from project.visualization.dataroot import Dataroot
from project.visualization.frame import Frame

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
        dataroot: Dataroot | None = None,
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
        self.scenes: dict[str, list[str]] = {}
        for entry in (self._predictions or self._truth).values():
            self.scenes.setdefault(entry.scene, []).append(entry.token)

    def frame(self, scene: str, index: int) -> Frame:
        """Read a frame.

        Raises:
            FileNotFoundError, ValueError: a file is missing or damaged.
        """
        token = self.scenes[scene][index]
        prediction = read_prediction(self._predictions[token].file) if token in self._predictions else None
        shape = None if prediction is None else prediction.shape
        if token in self._truth:
            labels = self._read_truth(token, shape)
            masks = {name: getattr(labels, f'mask_{name}') for name in ('lidar', 'camera')}
            masks = {name: mask for name, mask in masks.items() if mask is not None}
            frame = Frame(scene, index, token, labels.grid, labels.dense(), prediction, masks)
        else:
            frame = Frame(scene, index, token, grid_of_shape(shape), prediction=prediction)
        return self.dataroot.complete(frame) if self.dataroot else frame

    def _read_truth(self, token: str, shape: tuple[int, ...] | None) -> OccupancyLabels:
        file = self._truth[token].file
        if self._format is points:
            grid = voxels.GRID if shape is None else grid_of_shape(shape, 'lidar')
            return points.voxelise(points.read(file), grid)
        labels = self._format.read(file)
        if shape is not None and labels.grid.shape != shape:
            raise ValueError(f'{file}: labels of shape {labels.grid.shape} cannot be compared with predictions {shape}')
        return labels


def is_label_folder(folder: str | Path) -> bool:
    """Whether a folder holds labels of a known format."""
    return any(_matches(Path(folder), module) for module in FORMATS.values())


def find_labels(
    folder: str | Path, dataroot: Dataroot | None = None, label_format: str | None = None
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


def find_predictions(folder: str | Path, dataroot: Dataroot | None, truth: dict[str, Entry]) -> list[Entry]:
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
        return array


def grid_of_shape(shape: tuple[int, ...], frame: str | None = None) -> VoxelGrid:
    """The grid of a prediction: a published grid of that shape, else the range of this project's labels.

    Args:
        shape: number of voxels along (x, y, z).
        frame: choose among published grids of one shape; Occ3D's comes first.
    """
    for name in ('occ3d', 'voxels', 'surroundocc'):
        grid = FORMATS[name].GRID
        if grid.shape == shape and frame in (None, grid.frame):
            return grid
    size = [(high - low) / n for low, high, n in zip(voxels.GRID.minimum, voxels.GRID.maximum, shape, strict=True)]
    return VoxelGrid.from_range('lidar', voxels.GRID.extent, tuple(size))


def _keyframes(dataroot: Dataroot) -> list[Keyframe]:
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
