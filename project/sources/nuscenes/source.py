"""Recordings in the tables of nuScenes: nuScenes itself, and what others keep in the same way."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from project.errors import UserError
from project.sources.base import Scene, Scenes
from project.sources.naming import folder_name
from project.sources.nuscenes.scenes import keyframe_records, make_scene
from project.sources.nuscenes.splits import read_splits
from project.sources.nuscenes.tables import Tables, read_tables
from project.sources.nuscenes.versions import find_version
from project.sources.records import KeyframeRecord
from project.sources.taxonomies import taxonomy_of_boxes
from project.taxonomy import RAW_EGO, RAW_NAMES, RAW_STATIC, Taxonomy

NOT_OF_BOXES = frozenset([RAW_NAMES[0], RAW_NAMES[RAW_EGO], *(RAW_NAMES[raw] for raw in RAW_STATIC)])
"""Categories of nuScenes-lidarseg that only points have."""


def taxonomy_of_tables(tables: Tables) -> Taxonomy:
    """That of nuScenes-lidarseg where there are labels of points, else what boxes tell."""
    if tables.label_files:
        return Taxonomy.nuscenes()
    return taxonomy_of_boxes(row.name for row in tables.categories if row.name not in NOT_OF_BOXES)


class NuScenesSource:
    """The scenes of a folder of nuScenes; a :class:`project.sources.base.SceneSource`.

    Attributes:
        dataroot: folder that holds the folder of tables, and that file names start from.
        version: name of the folder of tables.
        scene_names: names of the scenes, in the table's order.
        taxonomy: the categories.
        left_out: sentences on records that are of no scene.
    """

    def __init__(
        self,
        dataroot: str | Path,
        version: str | None = None,
        scene_names: Sequence[str] | None = None,
        taxonomy: Taxonomy | None = None,
        lidars: Sequence[str] = (),
        labelled: bool = True,
    ):
        """Read the tables.

        Args:
            dataroot: folder that holds the folder of tables.
            version: name of that folder; None where there is only one.
            scene_names: names of the scenes wanted; all by default.
            taxonomy: the categories; those of the tables by default.
            lidars: channels of the lidars to use, the one first that keyframes go by; all by default.
            labelled: whether labels are to be made; otherwise only keyframes can be asked for.

        Raises:
            UserError: tables are missing or damaged, or do not have what is asked for.
        """
        self.dataroot = Path(dataroot)
        self.version = find_version(self.dataroot, version, labelled)
        self._lidars = tuple(lidars)
        self._tables = read_tables(self.dataroot / self.version, scene_names, labelled)
        self.taxonomy = taxonomy or taxonomy_of_tables(self._tables)
        self.scene_names = tuple(self._tables.scenes)
        self.left_out = tuple(self._tables.left_out)

    @cached_property
    def splits(self) -> dict[str, frozenset[str]]:
        """Names of the scenes of ``train`` and ``val``."""
        splits = read_splits(self.dataroot, self.version)
        return {split: frozenset(folder_name(name, 'splits.json') for name in names) for split, names in splits.items()}

    @property
    def scenes(self) -> Scenes:
        """The scenes, each loaded when it is asked for."""
        return Scenes(self)

    def load(self, name: str) -> Scene:
        """A scene as plain arrays.

        Raises:
            UserError: the tables do not describe it completely, or hold what cannot be.
        """
        row = self._tables.scenes[name]
        try:
            return make_scene(self._tables, row, self.dataroot, self.taxonomy, self._lidars)
        except UserError as error:
            raise UserError(f'{self.dataroot / self.version}, {name}: {error}') from None

    def keyframes(self, name: str) -> list[KeyframeRecord]:
        """The keyframes of a scene in order of time, for which labels of points are not needed.

        Raises:
            UserError: the tables do not describe them completely.
        """
        try:
            return keyframe_records(self._tables, self._tables.scenes[name], self._lidars)[0]
        except UserError as error:
            raise UserError(f'{self.dataroot / self.version}, {name}: {error}') from None
