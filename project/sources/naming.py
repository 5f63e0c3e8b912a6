"""Names that files and folders of labels can have."""

import re
from dataclasses import replace

from project.errors import UserError
from project.sources.base import Scene
from project.sources.records import Keyframe

_NOT_IN_NAMES = re.compile(r'[/\\\x00-\x1f]')


def folder_name(name: str, where: str) -> str:
    """A scene's name as the name of a folder: slashes, which some data sets have in names, become underscores.

    Args:
        name: as the recording has it.
        where: what to name in messages.

    Raises:
        UserError: no name is left.
    """
    safe = _NOT_IN_NAMES.sub('_', name).strip()
    if not safe.strip('.'):
        raise UserError(f'{where}: a scene is called "{name}", which cannot be the name of a folder of labels')
    return re.sub(r'^\.+', lambda dots: '_' * len(dots[0]), safe)


def uniquely_named(scene: Scene) -> Scene:
    """The scene with unique names of lidar files: each starts with the token of its keyframe.

    So formats that name labels by the lidar file cannot mix up keyframes.
    """
    records = tuple(replace(record, keyframe=_renamed(record.keyframe)) for record in scene.records)
    return replace(scene, keyframes=tuple(map(_renamed, scene.keyframes)), records=records)


def _renamed(keyframe: Keyframe) -> Keyframe:
    return replace(keyframe, lidar_file=f'{keyframe.sample_token}_{keyframe.lidar_file}')
