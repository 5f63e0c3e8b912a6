"""Recordings in the tables of nuScenes: nuScenes itself, and other data sets with the same tables."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from project.errors import UserError
from project.label_mapping import with_label_mapping
from project.sources.base import PointLayout, Scene, Scenes
from project.sources.lidar_fields import LIDARS_FILE, read_lidars
from project.sources.naming import folder_name
from project.sources.nuscenes.categories import taxonomy_of
from project.sources.nuscenes.scenes import keyframe_records, make_scene
from project.sources.nuscenes.splits import read_splits
from project.sources.nuscenes.tables import read_tables
from project.sources.nuscenes.version_folder import find_version
from project.sources.records import KeyframeRecord
from project.sources.taxonomies import read_taxonomy
from project.taxonomy import Taxonomy

TAXONOMY = 'taxonomy.yaml'


class NuScenesSource:
    """The scenes of a folder of nuScenes; a :class:`project.sources.base.SceneSource`.

    Attributes:
        dataroot: folder that contains the folder of tables; paths of files start here.
        version: name of the folder of tables.
        scene_names: names of the scenes, in the table's order.
        taxonomy: the categories.
        left_out: sentences on records that belong to no scene.
    """

    def __init__(
        self,
        dataroot: str | Path,
        version: str | None = None,
        scene_names: Sequence[str] | None = None,
        label_mapping: Path | None = None,
        lidars: Sequence[str] = (),
        labelled: bool = True,
        points: PointLayout | None = None,
        processes: int = 1,
    ):
        """Read the tables.

        Args:
            dataroot: folder that holds the folder of tables.
            version: name of that folder; None if there is only one.
            scene_names: names of the scenes wanted; all by default.
            label_mapping: YAML with other labels for the categories; those are of ``taxonomy.yaml`` in the dataroot, or
                else of the tables.
            lidars: channels of the lidars to use, first the one that defines keyframes; all by default.
            labelled: whether labels will be made; otherwise only keyframes are available.
            points: layout of files of points; by default that of ``lidars.yaml`` in the dataroot, or of nuScenes.
            processes: number of processes that may read large tables.

        Raises:
            UserError: tables are missing or damaged, or do not have the requested scenes or lidars.
        """
        self.dataroot = Path(dataroot)
        self.version = find_version(self.dataroot, version)
        self._lidars = tuple(lidars)
        self._tables = read_tables(self.dataroot / self.version, scene_names, labelled, processes)
        self._points, self._described = points, read_lidars(self.dataroot / LIDARS_FILE)
        channels = {each.channel for each in self._tables.calibrations.values() if each.modality == 'lidar'}
        unknown = sorted(set(self._described) - channels)
        if unknown:
            known = ', '.join(sorted(channels))
            raise UserError(f'{self.dataroot / LIDARS_FILE}: the tables have no lidar {unknown[0]}; they have {known}')
        self.taxonomy, self._category_of = self._categories()
        if label_mapping is not None:
            self.taxonomy = with_label_mapping(self.taxonomy, label_mapping)
        self.scene_names = tuple(self._tables.scenes)
        self.left_out = tuple(self._tables.left_out)

    def _categories(self) -> tuple[Taxonomy, np.ndarray | None]:
        tables, stated = self._tables, self.dataroot / TAXONOMY
        try:
            own = read_taxonomy(stated) if stated.is_file() else None
            return taxonomy_of(tables.categories, tables.annotations.used_categories, bool(tables.label_files), own)
        except UserError as error:
            raise UserError(f'{self.dataroot / self.version}: {error}') from None

    @cached_property
    def splits(self) -> dict[str, frozenset[str]]:
        """Names of the scenes of ``train`` and ``val``."""
        splits = read_splits(self.dataroot, self.version)
        return {split: frozenset(folder_name(name, 'splits.json') for name in names) for split, names in splits.items()}

    @property
    def scenes(self) -> Scenes:
        """The scenes, each loaded when it is used."""
        return Scenes(self)

    def load(self, name: str) -> Scene:
        """A scene as plain arrays.

        Raises:
            UserError: the tables do not describe it completely, or hold impossible values.
        """
        row = self._tables.scenes[name]
        try:
            scene = make_scene(
                self._tables, row, self.dataroot, self.taxonomy, self._lidars, self._described, self._points
            )
            return replace(scene, category_of=self._category_of)
        except UserError as error:
            raise UserError(f'{self.dataroot / self.version}, {name}: {error}') from None

    def keyframes(self, name: str) -> list[KeyframeRecord]:
        """The keyframes of a scene in order of time; labels of points are not needed for this.

        Raises:
            UserError: the tables do not describe them completely.
        """
        try:
            return keyframe_records(self._tables, self._tables.scenes[name], self._lidars)[0]
        except UserError as error:
            raise UserError(f'{self.dataroot / self.version}, {name}: {error}') from None
