"""Predictions written in another layout."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from project.evaluation.names import DENSE_LAYOUTS, RAYS
from project.evaluation.protocols.inputs import Source
from project.evaluation.protocols.interface import RayReadings, Volume
from project.evaluation.protocols.ray_protocol import RayProtocol
from project.evaluation.protocols.scoring import Evaluation
from project.evaluation.protocols.submissions import write_dense, write_rays
from project.formats import FORMATS, Keyframe, OccupancyLabels
from project.formats.folders import path_fields
from project.formats.stated import check_classes
from project.taxonomy import FREE


def write(
    layout: str,
    path: Path,
    evaluation: Evaluation,
    source: Source,
    keyframes: Iterable[Keyframe],
    about: Mapping[str, str] | None = None,
) -> None:
    """Write a source in another layout.

    Args:
        layout: one of :data:`project.evaluation.names.LAYOUTS`.
        path: folder to write to; for ``rays`` the file.
        evaluation: its protocol says grid, classes and rays; its origins are where these start.
        source: what to write.
        keyframes: which of it.
        about: fields of an OpenOcc submission.

    Raises:
        ValueError: the source has no voxels, the protocol has no rays, or names of keyframes are not known.
    """
    check_classes(layout, evaluation.protocol.label_set)
    if layout == RAYS:
        write_rays(path, ((k.sample_token, _readings(evaluation, source, k)) for k in keyframes), about)
        return
    for keyframe in keyframes:
        volume = evaluation.read(source, keyframe)
        if not isinstance(volume, Volume):
            raise ValueError(f'{source.path}: holds rays, and voxels cannot be made of them')
        if layout in DENSE_LAYOUTS:
            file = path / f'{_known(keyframe, ["sample_token"]).sample_token}.npz'
            write_dense(file, volume, DENSE_LAYOUTS[layout], 'openocc' in evaluation.protocol.formats)
        else:
            file = path / FORMATS[layout].path(_known(keyframe, path_fields(layout)))
            FORMATS[layout].write(file, _labels(evaluation, volume))


def _readings(evaluation: Evaluation, source: Source, keyframe: Keyframe) -> RayReadings:
    if not isinstance(evaluation.protocol, RayProtocol):
        raise ValueError(f'the protocol {evaluation.protocol.name} has no rays to write; use openocc')
    origins = evaluation.ray_origins(_known(keyframe, ['sample_token']), [source])
    return evaluation.protocol.prepare(evaluation.read(source, keyframe), origins)


def _labels(evaluation: Evaluation, volume: Volume) -> OccupancyLabels:
    semantics = np.asarray(volume.semantics)
    flow = None if volume.flow is None else volume.flow[semantics != FREE].astype(np.float32)
    return OccupancyLabels.from_dense(evaluation.protocol.grid, semantics, flow=flow)


def _known(keyframe: Keyframe, fields: Iterable[str]) -> Keyframe:
    missing = [field for field in fields if not getattr(keyframe, field)]
    if missing:
        raise ValueError(f'this layout names keyframes by {", ".join(missing)}: give --infos nuscenes_infos_val.pkl')
    return keyframe
