"""``poses/SCENE.json`` beside the labels: the keyframe poses that the labels were made with, and what was done to
them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from project.errors import UserError
from project.formats.common import written_whole
from project.geometry.rigid import inverse
from project.labels.poses.refinement import PoseReport, with_corrections
from project.plain_files import read_json
from project.sources.base import Scene
from project.sources.records import KeyframeRecord

FOLDER = 'poses'


def pose_file(save_path: Path, scene_name: str) -> Path:
    """The file of a scene below the root of the labels."""
    return save_path / FOLDER / f'{scene_name}.json'


def write_poses(save_path: Path, scene: Scene, report: PoseReport) -> None:
    """Save the keyframe poses of a scene that its labels are made with.

    Raises:
        OSError: the file cannot be written; the message names it.
    """
    path = pose_file(save_path, scene.name)
    poses = scene.global_from_ego[scene.keyframe_sweeps].tolist()
    tokens = [keyframe.sample_token for keyframe in scene.keyframes]
    content = {**asdict(report), 'global_from_ego': dict(zip(tokens, poses, strict=True))}
    try:
        with written_whole(path) as file:
            file.write(json.dumps(content).encode())
    except OSError as error:
        raise OSError(f'{path}: cannot be written: {error.strerror or error}') from error


def read_report(save_path: Path, scene_name: str) -> PoseReport | None:
    """What was done to the poses of a scene; None if they were used as given.

    Raises:
        ValueError: the file is damaged; the message names it.
    """
    content = _read(pose_file(save_path, scene_name))
    if content is None:
        return None
    return PoseReport(**{name: content[name] for name in PoseReport.__dataclass_fields__})


def corrected_records(save_path: Path, scene: Scene) -> tuple[KeyframeRecord, ...]:
    """The records of a scene's keyframes with the poses that labels were made with; cameras and boxes move with them.

    Raises:
        ValueError: the file of poses is damaged, or is of another scene; the message names it.
    """
    path = pose_file(save_path, scene.name)
    content = _read(path)
    if content is None or content['outcome'] != 'corrected':
        return scene.records
    try:
        tokens = [record.keyframe.sample_token for record in scene.records]
        poses = np.array([content['global_from_ego'][token] for token in tokens])
    except KeyError as error:
        raise UserError(
            f'{path}: has no pose of the keyframe {error}; make the labels again with --overwrite'
        ) from None
    given = np.array([record.global_from_ego for record in scene.records])
    return with_corrections(scene.records, poses @ inverse(given))


def _read(path: Path) -> Mapping | None:
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        missing = {*PoseReport.__dataclass_fields__, 'global_from_ego'} - set(content)
        if missing:
            raise ValueError(f'it lacks {", ".join(sorted(missing))}')
    except (ValueError, TypeError) as error:
        raise UserError(
            f'{path}: does not state the poses of a scene ({error}); make the labels again with --overwrite'
        ) from None
    return content
