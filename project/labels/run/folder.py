"""A folder of labels: its content, how it was made, and whether new labels may be added."""

import contextlib
import fcntl
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from project.errors import UserError
from project.formats import FORMATS, Keyframe, voxels
from project.formats.common import is_abandoned, written_whole
from project.formats.stated import SETTINGS_FILE, check_classes
from project.label_set import LabelSet, category_labels
from project.labels.poses.refinement import PoseReport
from project.labels.run.settings import Settings
from project.plain_files import read_json
from project.sources.base import Scene
from project.taxonomy import Taxonomy

LOCK_FILE = '.lock'
LOG_FILE = 'errors.log'

POSES = 'poses'
"""Besides the formats, ``settings.json`` says under this name what was done to the poses of each scene."""

_ANY_KEYFRAME = Keyframe('*', '*', '*', '*', '*.bin')
"""Its paths are patterns of those of all keyframes."""


@contextlib.contextmanager
def locked(save_path: Path) -> Iterator[None]:
    """Lock: only one process at a time may change ``settings.json`` and the other statements of a folder of labels.

    The lock file names the process that holds it.
    """
    save_path.mkdir(parents=True, exist_ok=True)
    with open(save_path / LOCK_FILE, 'a') as file:
        # Some file systems of clusters have no locks; there the user must avoid two conversions at once.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f'process {os.getpid()} on {platform.node()}, since {time.strftime("%Y-%m-%d %H:%M:%S")}\n')
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def remove_asides(save_path: Path) -> int:
    """Remove the half-written files of processes that were killed; returns their number."""
    found = [path for path in save_path.rglob('.*') if is_abandoned(path)] if save_path.is_dir() else []
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def prepare_folder(settings: Settings, version: str, scenes: Sequence[Scene]) -> None:
    """State in the folder of the labels how they are made; ``settings.json`` has an entry for each format.

    With `overwrite`, labels that were made with other settings are removed first. So even after an interruption the
    folder holds only labels made with the settings that it states.

    Args:
        settings: what labels to make.
        version: e.g. ``v1.0-trainval``.
        scenes: those that will be labelled.

    Raises:
        ValueError: the folder has labels of a format that were made with other settings, and they may not be removed;
            or labels of another format that were made with corrected poses while these use the given ones, or the other
            way round, or with other classes.
        OSError: the folder cannot be read or written.
    """
    with locked(settings.save_path):
        remove_asides(settings.save_path)
        stated = _read_settings(settings.save_path)
        taxonomy = scenes[0].taxonomy if scenes else Taxonomy.nuscenes()
        _check_other_formats(stated, settings, taxonomy)
        for name in settings.formats:
            check_classes(name, LabelSet.of(taxonomy))
        made = {name: settings.made(name, version, taxonomy) for name in settings.formats}
        outdated = [
            path for name in made for path in _outdated(name, stated.get(name, {}), made[name], settings, scenes)
        ]
        for path in outdated:
            path.unlink()
        commit = _commit()
        for name, content in made.items():
            # Labels of several commits may lie side by side: few commits change labels.
            was = stated.get(name, {})
            earlier = [] if _differing(was, content) else was.get('commits', [])
            content['commits'] = list(dict.fromkeys([*earlier, *commit]))
        with written_whole(settings.save_path / SETTINGS_FILE) as file:
            file.write(json.dumps(stated | made, indent=1).encode())
        if voxels.NAME in made:
            voxels.write_manifest(settings.save_path, made[voxels.NAME], settings.grid)


def state_poses(save_path: Path, reports: Mapping[str, PoseReport | None]) -> None:
    """Write to ``settings.json`` what was done to the poses of scenes; None removes the entry of a scene."""
    with locked(save_path):
        stated = _read_settings(save_path)
        poses = stated.get(POSES, {})
        for name, report in reports.items():
            poses.pop(name, None)
            if report is not None:
                poses[name] = asdict(report)
        stated = {**stated, POSES: dict(sorted(poses.items()))}
        with written_whole(save_path / SETTINGS_FILE) as file:
            file.write(json.dumps(stated, indent=1).encode())


def _check_other_formats(stated: Mapping[str, dict], settings: Settings, taxonomy: Taxonomy) -> None:
    """Make sure that all formats in the folder use the same poses and classes: the index holds one pose for each
    keyframe and one name for each label."""
    for name in set(stated) & set(FORMATS) - set(settings.formats):
        there = any(settings.save_path.glob(FORMATS[name].path(_ANY_KEYFRAME).as_posix()))
        if there and stated[name].get('category_labels', category_labels(taxonomy)) != category_labels(taxonomy):
            raise UserError(
                f'{settings.save_path / SETTINGS_FILE}: the labels of the format {name} have other classes than those '
                'of now would have; choose another --save_path, or make all formats again with --overwrite'
            )
        if there and stated[name].get('refine_poses', False) != settings.refine_poses:
            option = '--no-refine-poses' if settings.refine_poses else '--refine-poses'
            raise UserError(
                f'{settings.save_path / SETTINGS_FILE}: the labels of the format {name} were made with other poses '
                f'than those of now would be; use {option}, choose another --save_path, or make all formats again '
                'with --overwrite'
            )


def _read_settings(save_path: Path) -> dict[str, dict]:
    path = save_path / SETTINGS_FILE
    if not path.is_file():
        return {}
    try:
        stated = read_json(path)
        if not isinstance(stated, dict) or not all(isinstance(made, dict) for made in stated.values()):
            raise ValueError('it must hold an object for each format')
    except ValueError as error:
        raise UserError(
            f'{path}: does not state how labels were made ({error}); restore it, or remove it and use --overwrite'
        ) from None
    return stated


def _differing(was: dict, made: dict) -> list[str]:
    return [key for key, value in made.items() if was.get(key) != value]


def _outdated(name: str, was: dict, made: dict, settings: Settings, scenes: Sequence[Scene]) -> set[Path]:
    """Labels of a format that were made with other settings, and may be removed."""
    differing = _differing(was, made)
    there = set(settings.save_path.glob(FORMATS[name].path(_ANY_KEYFRAME).as_posix())) if differing else set()
    if not there:
        return there
    if not settings.overwrite:
        how = f'with another {" and ".join(differing)}' if was else 'in a way that is not stated there'
        raise UserError(
            f'{settings.save_path / SETTINGS_FILE}: the labels of the format {name} were made {how}; '
            'choose another --save_path, or make all of them again with --overwrite'
        )
    others = there - {settings.save_path / FORMATS[name].path(frame) for scene in scenes for frame in scene.keyframes}
    if others:
        raise UserError(
            f'{min(others)}: one of {len(others)} labels of scenes that are not to be converted now, made with another '
            f'{" and ".join(differing)}; choose another --save_path, convert all scenes, or remove these labels'
        )
    return there


def _commit() -> list[str]:
    """The commit of this project, where it runs in a clone of its repository and there is git."""
    root = Path(__file__).resolve().parents[3]
    if not (root / '.git').exists():
        return []
    command = ['git', '-C', str(root), 'describe', '--always', '--dirty', '--exclude=*', '--abbrev=12']
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        return done.stdout.split()
    return []
