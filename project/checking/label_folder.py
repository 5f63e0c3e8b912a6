"""A folder of labels to check: its keyframes, and what it states about its labels."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from project.formats import FORMATS, OccupancyLabels
from project.formats.folders import KeyframeFiles, expected_path, find_files
from project.formats.stated import stated
from project.label_set import LabelSet
from project.sources.records import Keyframe
from project.visualization.sources.label_folders import read_labels


@dataclass(frozen=True)
class LabelFolder:
    """Labels of one format.

    Attributes:
        files: the files.
        made: how they were made, as the folder states it; empty if it does not.
    """

    files: KeyframeFiles
    made: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def find(cls, folder: Path, layout: str | None = None) -> 'LabelFolder':
        """The labels of a folder: of the given format, or of the first format that it has.

        Raises:
            ValueError: there are none, or what the folder states is damaged.
        """
        layouts = [layout] if layout else list(FORMATS)
        found = find_files(folder, layouts)
        if not found:
            looked_for = '; '.join(f'{expected_path(name)} ({name})' for name in layouts)
            raise ValueError(f'{folder}: holds no labels; looked for {looked_for}')
        return cls(found[0], stated(found[0].root, found[0].layout))

    @property
    def layout(self) -> str:
        """Name of the format."""
        return self.files.layout

    @property
    def label_set(self) -> LabelSet:
        """Names and colours of the labels."""
        return LabelSet.stated_in(self.made)

    def has(self, keyframe: Keyframe) -> bool:
        """Whether there are labels of a keyframe."""
        return getattr(keyframe, self.files.named_by) in self.files.files

    def read(self, keyframe: Keyframe) -> OccupancyLabels:
        """Labels of a keyframe; the format ``points`` is put on the grid of ``voxels``.

        Raises:
            FileNotFoundError, ValueError: the file is missing or damaged; the message names it.
        """
        file = self.files.files[getattr(keyframe, self.files.named_by)]
        return read_labels(file, self.layout, category_labels=self.made.get('category_labels'))
