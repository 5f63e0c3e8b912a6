"""Names that files and folders of labels can have."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from project.errors import UserError
from project.sources.base import Scene, SceneSource
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


class UniquelyNamed:
    """A source whose lidar file names are unique: each starts with the token of its keyframe.

    So formats that name labels by the lidar file cannot mix up keyframes.
    """

    def __init__(self, source: SceneSource):
        self.version: str = source.version
        self.scene_names: Sequence[str] = source.scene_names
        self.left_out: Sequence[str] = source.left_out
        self._source = source

    @property
    def splits(self) -> Mapping[str, frozenset[str]]:
        """Names of the scenes of ``train`` and ``val``."""
        return self._source.splits

    def load(self, name: str) -> Scene:
        """A scene as plain arrays; see :meth:`project.sources.base.SceneSource.load`."""
        scene = self._source.load(name)
        records = tuple(replace(record, keyframe=_renamed(record.keyframe)) for record in scene.records)
        return replace(scene, keyframes=tuple(map(_renamed, scene.keyframes)), records=records)


def _renamed(keyframe: Keyframe) -> Keyframe:
    return replace(keyframe, lidar_file=f'{keyframe.sample_token}_{keyframe.lidar_file}')
