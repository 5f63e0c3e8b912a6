"""Fetches what describes the recordings at a URL: tables, ``scene.json``, taxonomies; sweeps and images come later."""

from pathlib import Path

from project.errors import UserError
from project.sources.folder.source import SCENE_FILE, TAXONOMY_FILE
from project.sources.lidar_fields import LIDARS_FILE
from project.sources.nuscenes.version_folder import TABLES, TEST
from project.storage.mirror import Mirror
from project.storage.mounts import mirror_at


def bring_tables(dataroot: Path, version: str | None = None) -> None:
    """Make the local folder that mirrors a URL one that a source can open; does nothing for other folders.

    Args:
        dataroot: as :func:`project.storage.mounts.mounted` gives it.
        version: which folder of tables, of nuScenes only.

    Raises:
        UserError: there is nothing at the URL, or the store cannot be read.
    """
    mirror = mirror_at(dataroot)
    if mirror is None or mirror.folder != dataroot:
        return
    try:
        folders = mirror.with_folders()
    except FileNotFoundError as error:
        raise UserError(str(error)) from None
    mirror.bring([LIDARS_FILE, TAXONOMY_FILE])
    there = mirror.look(f'{folder}/{name}' for folder in folders for name in (*TABLES, SCENE_FILE))
    versions = [folder for folder in folders if f'{folder}/{TABLES[-1]}' in there]
    if version:
        versions = [folder for folder in versions if folder == version]
    versions = [folder for folder in versions if folder != TEST] or versions
    if versions:
        _bring_versions(mirror, versions)
    else:
        mirror.bring([f'{folder}/{SCENE_FILE}' for folder in folders])


def _bring_versions(mirror: Mirror, versions: list[str]) -> None:
    if len(versions) > 1:
        # The source asks which one to use; for that it looks at the names of files only.
        for name in (f'{version}/{table}' for version in versions for table in TABLES):
            (mirror.folder / name).touch()
        return
    files, _ = mirror.remote.children(versions[0])
    mirror.know(files)
    gone = {path.name for path in (mirror.folder / versions[0]).glob('*.json')} - {
        name.rpartition('/')[2] for name in files
    }
    mirror.drop(f'{versions[0]}/{name}' for name in gone)
    mirror.bring([name for name in files if name.endswith('.json')])
