"""Frames as a recording of Rerun (``.rrd``): voxels, points, boxes, images and poses on a time line."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from project.visualization.exports.moments import Pinhole, encoded_image, time_us
from project.visualization.frame import Frame, Layer

APPLICATION = 'occupancy-bevformer'
TIME, INDEX = 'time', 'frame'
"""Time lines: when a frame was recorded, and its place in the scene."""


def write_rrd(path: str | Path, frames: Iterable[Frame]) -> None:
    """Write frames; the file appears under its name once it is whole.

    Entities are ``grid/labels`` (or ``truth``, ``prediction``, ``difference``), ``grid/points``, ``grid/boxes`` and
    ``grid/NAME`` of each camera; ``grid`` has the pose of the grid in the world, where that is known.

    Args:
        path: the file.
        frames: in order of time.

    Raises:
        ImportError: rerun-sdk is not installed.
        OSError: an image cannot be read, or the file not be written.
    """
    try:
        import rerun
    except ImportError:
        raise ImportError("--rrd needs the package rerun-sdk: pip install 'occupancy-bevformer[viz]'") from None
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Rerun wants the name of a file, and writes to it bit by bit.
    aside = path.with_name(f'.{path.name}.{os.getpid()}')
    recording = rerun.RecordingStream(APPLICATION)
    try:
        recording.save(aside)
        for frame in frames:
            _log(rerun, recording, frame)
        recording.disconnect()
        os.replace(aside, path)
    finally:
        recording.disconnect()
        aside.unlink(missing_ok=True)


def _log(rerun: Any, recording: Any, frame: Frame) -> None:
    recording.set_time(TIME, timestamp=np.datetime64(time_us(frame), 'us'))
    recording.set_time(INDEX, sequence=frame.index)
    if frame.global_from_grid is not None:
        recording.log('grid', _transform(rerun, frame.global_from_grid))
    for layer in frame.layers:
        recording.log(f'grid/{layer.name}', _voxels(rerun, frame, layer))
    if frame.points is not None:
        recording.log('grid/points', rerun.Points3D(frame.points, radii=0.03))
    recording.log('grid/boxes', _boxes(rerun, frame))
    for camera in frame.cameras:
        content, kind = encoded_image(camera)
        pinhole = Pinhole.of(camera)
        recording.log(f'grid/{camera.name}', _transform(rerun, pinhole.grid_from_camera))
        recording.log(f'grid/{camera.name}', rerun.Pinhole(image_from_camera=pinhole.intrinsics))
        recording.log(f'grid/{camera.name}', rerun.EncodedImage(contents=content, media_type=f'image/{kind}'))


def _transform(rerun: Any, pose: np.ndarray) -> Any:
    return rerun.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])


def _voxels(rerun: Any, frame: Frame, layer: Layer) -> Any:
    indices = np.argwhere(layer.occupied())
    return rerun.Boxes3D(
        centers=frame.grid.centres(indices),
        half_sizes=np.broadcast_to(np.divide(frame.grid.voxel_size, 2), indices.shape),
        colors=layer.palette[layer.codes[tuple(indices.T)]],
        fill_mode='solid',
    )


def _boxes(rerun: Any, frame: Frame) -> Any:
    """Boxes of the frame; none where there are none, so that those of the frame before do not stay."""
    poses = [box.grid_from_box for box in frame.boxes]
    return rerun.Boxes3D(
        centers=np.array([pose[:3, 3] for pose in poses]).reshape(-1, 3),
        half_sizes=np.array([np.divide(box.size, 2) for box in frame.boxes]).reshape(-1, 3),
        # An array: from numpy 1 the library takes no list of quaternions, and leaves them out with a warning.
        quaternions=np.array([Rotation.from_matrix(pose[:3, :3]).as_quat() for pose in poses]).reshape(-1, 4),
        colors=np.array([frame.labels.colours[box.label] for box in frame.boxes], np.uint8).reshape(-1, 3),
        labels=[frame.labels.names[box.label] for box in frame.boxes],
    )
