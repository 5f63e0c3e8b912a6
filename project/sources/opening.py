"""Finds the source that can read a folder."""

from collections.abc import Sequence
from pathlib import Path

from project.errors import UserError
from project.sources.base import PointLayout, SceneSource
from project.sources.folder.source import SCENE_FILE, FolderSource
from project.sources.nuscenes.source import NuScenesSource
from project.sources.py123d import LOGS, Py123dSource
from project.sources.tables_of_url import bring_tables
from project.storage.mounts import mirror_at

SOURCES = ('nuscenes', 'folder', 'py123d')


def source_of(dataroot: Path) -> str:
    """The kind of source of a folder, by its content; ``nuscenes`` if nothing else is recognised."""
    if next(dataroot.glob(f'*/{SCENE_FILE}'), None) and not next(dataroot.glob('*/sample_data.json'), None):
        return 'folder'
    if next(dataroot.glob(f'{LOGS}/*/*/sync.arrow'), None):
        return 'py123d'
    return 'nuscenes'


def open_source(
    dataroot: Path,
    kind: str | None = None,
    version: str | None = None,
    scene_names: Sequence[str] | None = None,
    label_mapping: Path | None = None,
    lidars: Sequence[str] = (),
    points: PointLayout | None = None,
    processes: int = 1,
) -> SceneSource:
    """Open a folder of recordings.

    Args:
        dataroot: the folder; of a URL, the folder that mirrors it.
        kind: one of :data:`SOURCES`; by default the content of the folder decides.
        version: which folder of tables, of nuScenes only.
        scene_names: scenes to load; all by default.
        label_mapping: YAML with other labels for the categories of the recordings, see
            :func:`project.label_mapping.relabelled`.
        lidars: the lidars to use, of nuScenes only.
        points: how files hold points, of nuScenes only.
        processes: number of processes that may read large tables.

    Raises:
        UserError, ValueError: the folder is not of this kind, or what is asked for is of nuScenes only.
        ImportError: the library that reads it is not installed.
    """
    if kind == 'py123d' and mirror_at(dataroot):
        raise UserError(f'{dataroot}: py123d reads its files by itself, from a local folder')
    bring_tables(dataroot, version)
    kind = kind or source_of(dataroot)
    if kind == 'nuscenes':
        return NuScenesSource(dataroot, version, scene_names, label_mapping, lidars, points=points, processes=processes)
    if version or lidars or points:
        raise UserError(
            f'{dataroot}: is read as {kind}; --version, --lidar, --point_columns and --intensity_max are '
            'for tables of nuScenes'
        )
    names = list(scene_names) if scene_names else None
    return (FolderSource if kind == 'folder' else Py123dSource)(dataroot, names, label_mapping)
