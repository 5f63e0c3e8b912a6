"""A folder of labels that is to be checked: which keyframes it has, and how it was made."""

import json
from dataclasses import dataclass
from pathlib import Path

from project.formats import FORMATS, OccupancyLabels, points, voxels
from project.formats.folders import KeyframeFiles, expected_path, find_files
from project.labels.run.folder import SETTINGS_FILE
from project.sources.records import Keyframe


@dataclass(frozen=True)
class LabelFolder:
    """Labels of one format.

    Attributes:
        files: the files.
    """

    files: KeyframeFiles

    @classmethod
    def find(cls, folder: Path, layout: str | None = None) -> 'LabelFolder':
        """The labels of a folder, of the first format of which there are some, or of the one that is named.

        Raises:
            ValueError: there are none.
        """
        layouts = [layout] if layout else list(FORMATS)
        found = find_files(folder, layouts)
        if not found:
            looked_for = '; '.join(f'{expected_path(name)} ({name})' for name in layouts)
            raise ValueError(f'{folder}: holds no labels; looked for {looked_for}')
        return cls(found[0])

    @property
    def layout(self) -> str:
        """Name of the format."""
        return self.files.layout

    def has(self, keyframe: Keyframe) -> bool:
        """Whether there are labels of a keyframe."""
        return getattr(keyframe, self.files.named_by) in self.files.files

    def read(self, keyframe: Keyframe) -> OccupancyLabels:
        """Labels of a keyframe; those that are points are put on the grid of ``voxels``.

        Raises:
            FileNotFoundError, ValueError: the file is missing or damaged; the message names it.
        """
        content = FORMATS[self.layout].read(self.files.files[getattr(keyframe, self.files.named_by)])
        return points.voxelise(content, voxels.GRID) if self.layout == points.NAME else content

    def made(self) -> dict:
        """How the labels were made, as ``settings.json`` beside them states it; empty where nothing does."""
        path = self.files.root / SETTINGS_FILE
        try:
            return json.loads(path.read_bytes()).get(self.layout, {}) if path.is_file() else {}
        except (ValueError, AttributeError) as error:
            raise ValueError(f'{path}: does not state how labels were made ({error})') from None
