"""Finds the labels or predictions in a folder; their paths give layout and keyframes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from project.formats import FORMATS, Keyframe

DENSE = 'submission'
"""Layout of one ``<sample token>.npz`` a keyframe, all in one folder: :mod:`project.formats.predictions`."""

_NAMES = ('sample_token', 'lidar_token', 'lidar_file')
"""Fields of :class:`Keyframe` that name one keyframe."""

_LIDAR_ENDINGS = ('bin', 'pcd', 'las', 'laz', 'ply')
"""Endings of lidar file names, ``.pcd.bin`` in nuScenes; they distinguish these from other files."""

_PLACEHOLDERS = Keyframe(**{field.name: f'{{{field.name}}}' for field in fields(Keyframe)})


@dataclass(frozen=True)
class KeyframeFiles:
    """The files of one layout in a folder, one a keyframe.

    Attributes:
        folder: where they were looked for.
        layout: name of a label format, or :data:`DENSE`.
        root: root folder of the layout: `folder`, or the one above where `folder` is the layout's first level.
        named_by: field of :class:`Keyframe` that names a keyframe here.
        files: files by that name, in order of their paths.
        scenes: name of the scene by that name, or what stands for it.
    """

    folder: Path
    layout: str
    root: Path
    named_by: str
    files: dict[str, Path]
    scenes: dict[str, str]


def find_files(folder: str | Path, layouts: Iterable[str]) -> list[KeyframeFiles]:
    """Look for files of each layout in a folder; those of which there are some, in the order of `layouts`.

    The folder is a layout's root or its first level (``gts`` of Occ3D, say). Where only one label format is looked
    for, that level may have another name.
    """
    folder, layouts = Path(folder), list(layouts)
    only = len(set(layouts) - {DENSE}) == 1
    found = (_find(folder, layout, only) for layout in layouts)
    return [files for files in found if files.files]


def expected_path(layout: str) -> str:
    """Names of the files of a layout, for messages: ``gts/*/*/labels.npz``."""
    return '<sample token>.npz' if layout == DENSE else _glob(_template(layout))


def path_fields(layout: str) -> list[str]:
    """Fields of :class:`Keyframe` that the paths of a layout are made of."""
    return re.findall(r'\{(\w+)\}', _template(layout))


def _find(folder: Path, layout: str, any_first_level: bool) -> KeyframeFiles:
    template = _template(layout)
    named_by = next(name for name in _NAMES if name in path_fields(layout))
    matches, root = _matches(folder, template), folder
    first, _, below = template.partition('/')
    # A link may bear the name, or what it leads to.
    known = first in (folder.absolute().name, folder.resolve().name)
    if not matches and below and '{' not in first and (known or any_first_level):
        matches, root = _matches(folder, below), folder.absolute().parent
    files = {names[named_by]: file for file, names in matches}
    scenes = {names[named_by]: _scene(names, folder) for _, names in matches}
    return KeyframeFiles(folder, layout, root, named_by, files, scenes)


def _template(layout: str) -> str:
    return '{sample_token}.npz' if layout == DENSE else FORMATS[layout].path(_PLACEHOLDERS).as_posix()


def _matches(folder: Path, template: str) -> list[tuple[Path, dict[str, str]]]:
    """Files in order of their paths, each with the fields of its path."""
    pattern = re.compile(re.sub(r'\\\{(\w+)\\\}', _group, re.escape(template)))
    files = folder.glob(re.sub(r'\{\w+\}', '*', template))
    matches = ((file, pattern.fullmatch(file.relative_to(folder).as_posix())) for file in files)
    return sorted(((file, match.groupdict()) for file, match in matches if match), key=lambda found: found[0])


def _group(placeholder: re.Match) -> str:
    name = placeholder[1]
    ending = rf'\.(?:{"|".join(_LIDAR_ENDINGS)})' if name == 'lidar_file' else ''
    return f'(?P<{name}>[^/]+{ending})'


def _glob(template: str) -> str:
    return re.sub(r'\{\w+\}', '*', template.replace('{lidar_file}', '*.pcd.bin'))


def _scene(names: dict[str, str], folder: Path) -> str:
    log = names.get('lidar_file', '').split('__')[0]
    return names.get('scene_name') or names.get('scene_token') or log or folder.resolve().name
