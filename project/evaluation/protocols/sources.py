"""Folders and files of predictions or labels, whatever their layout, as keyframes by name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from project.evaluation.protocols.common import EvaluationProtocol, RayReadings, Volume
from project.evaluation.protocols.submissions import read_dense, read_rays
from project.formats import FORMATS, Keyframe
from project.formats.points import voxelise
from project.formats.resample import on_grid
from project.grid import VoxelGrid

DENSE = 'submission'
"""Layout of one ``<sample token>.npz`` a keyframe, all in one folder."""
RAYS = 'rays'
"""Layout of an OpenOcc submission: the rays of all keyframes in one ``.gz``."""

_NAMES = ('sample_token', 'lidar_token', 'lidar_file')
"""Fields of :class:`Keyframe` that name one keyframe."""
_WILD = Keyframe('SCENE-NAME', 'SCENE-TOKEN', 'SAMPLE-TOKEN', 'LIDAR-TOKEN', 'LIDAR-FILE')


@dataclass(frozen=True)
class Source:
    """Predictions or labels of many keyframes.

    Attributes:
        path: where they are.
        layout: the name of a label format, or :data:`DENSE` or :data:`RAYS`.
        named_by: field of :class:`Keyframe` that names a keyframe here.
        frames: what :attr:`read_frame` takes, by that name.
        read_frame: reads one keyframe.
    """

    path: Path
    layout: str
    named_by: str
    frames: dict[str, Any]
    read_frame: Callable[[Any], Volume | RayReadings]

    def read(self, name: str) -> Volume | RayReadings:
        """Prediction or labels of a keyframe."""
        return self.read_frame(self.frames[name])


def open_predictions(path: Path, protocol: EvaluationProtocol) -> Source:
    """Find out in which layout predictions are: a submission, or the folder of a label format.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ValueError: no layout is recognised, or several are.
    """
    return _open(path, protocol, 'predictions', (DENSE, *protocol.formats))


def open_labels(path: Path, protocol: EvaluationProtocol) -> Source:
    """Find the labels of a protocol's format in a folder, which may hold others beside.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ValueError: there are no such labels.
    """
    return _open(path, protocol, 'labels', protocol.formats)


def needed_names(layout: str) -> list[str]:
    """Fields of :class:`Keyframe` that the paths of a label format are made of."""
    template = FORMATS[layout].path(_WILD).as_posix()
    return [field for field, value in vars(_WILD).items() if value in template]


def _open(path: Path, protocol: EvaluationProtocol, kind: str, layouts: tuple[str, ...]) -> Source:
    if not path.exists():
        raise FileNotFoundError(f'{path}: there are no {kind} of that name')
    if path.is_file():
        return Source(path, RAYS, 'sample_token', read_rays(path), lambda readings: readings)
    found = {}
    for layout in layouts:
        named_by, frames = _find_dense(path) if layout == DENSE else _find_format(path, layout)
        if frames:
            found[layout] = named_by, frames
    if not found:
        expected = '; '.join(f'{_expected(layout)} ({layout})' for layout in layouts)
        raise ValueError(f'{path}: no {kind} for the protocol {protocol.name}; looked for {expected}')
    if len(found) > 1 and kind == 'predictions':
        mixed = ' and '.join(f'{len(frames)} of the layout {layout}' for layout, (_, frames) in found.items())
        raise ValueError(f'{path}: mixed layouts: {mixed}; keep each in a folder of its own')
    layout, (named_by, frames) = next(iter(found.items()))
    return Source(path, layout, named_by, frames, _reader(layout, protocol))


def _reader(layout: str, protocol: EvaluationProtocol) -> Callable[[Path], Volume]:
    if layout == DENSE:
        return partial(read_dense, grid=protocol.grid, openocc_classes='openocc' in protocol.formats)
    return partial(_read_format, layout=layout, grid=protocol.grid)


def _read_format(path: Path, layout: str, grid: VoxelGrid) -> Volume:
    content = FORMATS[layout].read(path)
    if layout == 'points':
        return Volume.of(voxelise(content, grid))
    if content.grid == grid:
        return Volume.of(content)
    labels = on_grid(content, grid)
    return Volume(labels.semantics, mask_camera=labels.mask_camera)


def _find_dense(folder: Path) -> tuple[str, dict[str, Path]]:
    return 'sample_token', {file.stem: file for file in sorted(folder.glob('*.npz'))}


def _find_format(folder: Path, layout: str) -> tuple[str, dict[str, Path]]:
    """Files of a label format below its root folder or, as people also point there, below the first fixed folder."""
    template = FORMATS[layout].path(_WILD)
    named_by = next(name for name in _NAMES if name in needed_names(layout))
    for pattern in (template, Path(*template.parts[1:])):
        regex = re.compile(_regex(pattern, named_by))
        matches = {file: regex.fullmatch(file.relative_to(folder).as_posix()) for file in folder.glob(_glob(pattern))}
        frames = {match['name']: file for file, match in sorted(matches.items()) if match}
        if frames or any(value in template.parts[0] for value in vars(_WILD).values()):
            break
    return named_by, frames


def _expected(layout: str) -> str:
    return '<sample token>.npz' if layout == DENSE else _glob(FORMATS[layout].path(_WILD))


def _glob(pattern: Path) -> str:
    text = pattern.as_posix()
    for field, value in vars(_WILD).items():
        text = text.replace(value, '*.bin' if field == 'lidar_file' else '*')
    return text


def _regex(pattern: Path, named_by: str) -> str:
    text = re.escape(pattern.as_posix())
    for field, value in vars(_WILD).items():
        any_name = r'[^/]+\.bin' if field == 'lidar_file' else '[^/]+'
        text = text.replace(re.escape(value), f'(?P<name>{any_name})' if field == named_by else any_name)
    return text
