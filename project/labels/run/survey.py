"""Checks all scenes before labelling starts: which are complete, what is to do, what was left out."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from project.errors import FIXABLE, UserError, what_is_wrong
from project.formats import FORMATS, points, surroundocc
from project.labels.run.index import earlier_keyframes
from project.labels.run.recordings import check_taxonomy, joined
from project.labels.run.settings import Settings
from project.sources.base import Rig, Scene, Scenes, SceneSource
from project.sources.file_checks import check_files
from project.sources.intensity import check_intensity
from project.storage.mounts import sizes_of
from project.taxonomy import Taxonomy


@dataclass
class Survey:
    """The result of a survey.

    Attributes:
        complete: names of the scenes that can be labelled.
        broken: what is wrong with the others, by name.
        left_out: sentences on input that is not used or is missing.
        todo: keyframes that lack labels of a format.
        done: keyframes that have all their labels.
        labels: number of files of labels to write of each format.
        files: number of lidar files and point label files that are needed.
        missing: those that do not exist, among the files that were checked.
        unlabelled: names of scenes whose points have no categories.
        blind: names of scenes with a keyframe without a camera whose image size is known.
        sweeps: number of sweeps of each complete scene that has labels to make, 0 of the others.
    """

    complete: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    todo: int = 0
    done: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    files: int = 0
    missing: list[Path] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    sweeps: dict[str, int] = field(default_factory=dict)

    def longest_first(self) -> list[str]:
        """Names of the complete scenes; those that take longest come first, so that no worker ends long after all."""
        return sorted(self.complete, key=lambda name: -self.sweeps[name])


def survey(source: SceneSource, settings: Settings, with_files: bool = False) -> Survey:
    """Check all scenes of a source, one after the other.

    Args:
        source: the scenes.
        settings: what labels to make.
        with_files: whether to check that each needed file exists.

    Raises:
        UserError: labels of two keyframes would have the same file, or scenes cannot be in one folder of labels.
    """
    seen = Survey(left_out=list(source.left_out))
    owners: dict[str, str] = {}
    rig: Rig | None = None
    taxonomy: Taxonomy | None = None
    for name in source.scene_names:
        try:
            scene = source.load(name)
            missing = check_files(scene) if with_files else []
            if with_files and points.NAME in settings.formats:
                check_intensity(scene)
        except FIXABLE as error:
            seen.broken[name] = what_is_wrong(error)
        else:
            seen.complete.append(name)
            _look_at(scene, settings, seen)
            if with_files:
                labels = [os.path.join(scene.dataroot, name) for name in filter(None, scene.label_files)]
                missing += [path for path, size in zip(labels, sizes_of(labels), strict=True) if size < 0]
                seen.missing += map(Path, missing)
            _check_names(scene, settings, owners)
            rig, taxonomy = rig or scene.rig, taxonomy or scene.taxonomy
            check_taxonomy(taxonomy, scene)
            rig = joined(rig, scene.rig, name)
    _check_earlier_names(settings, source.version, set(source.scene_names), owners)
    return seen


def _check_names(scene: Scene, settings: Settings, owners: dict[str, str]) -> None:
    for keyframe in scene.keyframes:
        owner = f'keyframe {keyframe.sample_token} of {scene.name}'
        for name in settings.formats:
            path = FORMATS[name].path(keyframe).as_posix()
            if owners.setdefault(path, owner) != owner:
                raise UserError(_same_file(settings, path, owners[path], owner))


def _check_earlier_names(settings: Settings, version: str, names: set[str], owners: dict[str, str]) -> None:
    """Check scenes that were labelled before in the same way, for formats whose file names may not be unique."""
    if not set(settings.formats) & {surroundocc.NAME, points.NAME}:
        return
    for info in earlier_keyframes(settings.save_path, version):
        if info['scene_name'] not in names:
            for path in info['occupancy_path'].values():
                if path in owners:
                    other = f'keyframe {info["token"]} of {info["scene_name"]}, which was labelled before'
                    raise UserError(_same_file(settings, path, owners[path], other))


def _same_file(settings: Settings, path: str, first: str, second: str) -> str:
    return (
        f'{settings.save_path / path}: would have the labels of {first} and of {second}; nothing was written. '
        '--unique_names names files by keyframe, and so do the formats voxels, occ3d and openocc'
    )


def complete_scenes(source: SceneSource, seen: Survey, without: Iterable[str] = ()) -> Scenes:
    """The scenes that can be labelled; each is loaded when it is used."""
    return Scenes(source, [name for name in seen.complete if name not in set(without)])


def _look_at(scene: Scene, settings: Settings, seen: Survey) -> None:
    seen.left_out += [f'{scene.name}: {sentence}' for sentence in scene.left_out]
    seen.sweeps[scene.name] = 0
    for keyframe in scene.keyframes:
        names = settings.missing(keyframe)
        seen.todo += bool(names)
        seen.done += not names
        if names:
            seen.sweeps[scene.name] = len(scene.sweep_files)
        for name in names:
            seen.labels[name] = seen.labels.get(name, 0) + 1
    if not any(scene.label_files):
        seen.unlabelled.append(scene.name)
    if not all(len(cameras.matrices) for cameras in scene.cameras):
        seen.blind.append(scene.name)
    seen.files += len(scene.sweep_files) + len(list(filter(None, scene.label_files)))
