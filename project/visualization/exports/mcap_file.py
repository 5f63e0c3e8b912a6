"""Frames as an MCAP file with Foxglove's schemas: voxels, points, boxes, images and poses on a time line."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from project.formats.common import written_whole
from project.visualization.exports.moments import Pinhole, encoded_image, time_us
from project.visualization.frame import Box, Frame, Layer

WORLD = 'map'
"""Name of the global frame."""

CELL = np.dtype([('red', 'u1'), ('green', 'u1'), ('blue', 'u1'), ('alpha', 'u1'), ('label', 'u1')])
"""A voxel of a layer: its colour, transparent where nothing is, and its code in the layer."""

POINT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4')])

BOX_OPACITY = 0.4


def write_mcap(path: str | Path, frames: Iterable[Frame]) -> None:
    """Write frames; the file appears under its name once it is whole.

    Topics are ``/labels`` (or ``/truth``, ``/prediction``, ``/difference``), ``/points``, ``/boxes``,
    ``/tf`` and, for each camera, ``/NAME/image`` and ``/NAME/calibration``. The time of a message is that of the frame.

    Args:
        path: the file.
        frames: in order of time.

    Raises:
        ImportError: foxglove-sdk is not installed.
        OSError: an image cannot be read, or the file not be written.
    """
    try:
        import foxglove
    except ImportError:
        raise ImportError('--mcap needs the package foxglove-sdk: pip install foxglove-sdk') from None
    context = foxglove.Context()
    channels: dict[str, Any] = {}
    with written_whole(path) as file, foxglove.open_mcap(file, context=context):
        for frame in frames:
            for topic, message in _Messages(frame).all():
                if topic not in channels:
                    kind = getattr(foxglove.channels, f'{type(message).__name__}Channel')
                    channels[topic] = kind(topic, context=context)
                channels[topic].log(message, log_time=1000 * time_us(frame))


class _Messages:
    """Messages of one frame."""

    def __init__(self, frame: Frame):
        import foxglove.messages

        self.types: Any = foxglove.messages
        self.frame = frame
        seconds, microseconds = divmod(time_us(frame), 1_000_000)
        self.head = {'timestamp': self.types.Timestamp(seconds, 1000 * microseconds), 'frame_id': frame.grid.frame}

    def all(self) -> Iterable[tuple[str, Any]]:
        """Each with its topic."""
        frame = self.frame
        yield '/tf', self.transforms()
        for layer in frame.layers:
            yield f'/{layer.name}', self.voxels(layer)
        if frame.points is not None:
            yield '/points', self.points(frame.points)
        # Those of a frame without boxes remove those of the frame before.
        yield '/boxes', self.boxes()
        for camera in frame.cameras:
            content, kind = encoded_image(camera)
            head = {**self.head, 'frame_id': camera.name}
            yield f'/{camera.name}/image', self.types.CompressedImage(**head, data=content, format=kind)
            yield f'/{camera.name}/calibration', self.calibration(Pinhole.of(camera), content, head)

    def transforms(self):
        """Where the grid is in the world, where that is known, and where cameras are in the grid."""
        frame = self.frame
        poses = [(frame.grid.frame, camera.name, Pinhole.of(camera).grid_from_camera) for camera in frame.cameras]
        if frame.global_from_grid is not None:
            poses.insert(0, (WORLD, frame.grid.frame, frame.global_from_grid))
        return self.types.FrameTransforms(transforms=[self._transform(*pose) for pose in poses])

    def voxels(self, layer: Layer):
        """A layer; the schema has its cells along x first, then y, then z."""
        occupied = layer.occupied()
        cells = np.zeros(layer.codes.shape, CELL)
        colours = layer.palette[layer.codes[occupied]]
        for place, name in enumerate(('red', 'green', 'blue')):
            channel = np.zeros(layer.codes.shape, np.uint8)
            channel[occupied] = colours[:, place]
            cells[name] = channel
        cells['alpha'] = np.where(occupied, 255, 0)
        cells['label'] = layer.codes
        grid, (columns, rows, _) = self.frame.grid, layer.codes.shape
        return self.types.VoxelGrid(
            **self.head, pose=self._pose(np.eye(4), np.array(grid.minimum)), row_count=rows, column_count=columns,
            cell_size=self._vector(np.broadcast_to(grid.voxel_size, 3)), cell_stride=CELL.itemsize,
            row_stride=columns * CELL.itemsize, slice_stride=rows * columns * CELL.itemsize,
            fields=self._fields(CELL), data=cells.transpose(2, 1, 0).tobytes(),
        )  # fmt: skip

    def points(self, points: np.ndarray):
        """Lidar points."""
        data = np.ascontiguousarray(points, '<f4').tobytes()
        return self.types.PointCloud(
            **self.head, pose=self._pose(np.eye(4), np.zeros(3)), point_stride=POINT.itemsize,
            fields=self._fields(POINT), data=data,
        )  # fmt: skip

    def boxes(self):
        """All boxes as one entity, so that those of a frame take the place of those of the one before."""
        cubes = [self._cube(box) for box in self.frame.boxes]
        entity = self.types.SceneEntity(**self.head, id='boxes', frame_locked=True, cubes=cubes)
        return self.types.SceneUpdate(entities=[entity])

    def calibration(self, pinhole: Pinhole, content: bytes, head: dict):
        """Intrinsics in the convention of ROS, where the centre of the top left pixel is (0, 0)."""
        with Image.open(BytesIO(content)) as image:
            width_px, height_px = image.size
        intrinsics = pinhole.intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
        projection = np.pad(intrinsics, [(0, 0), (0, 1)])
        return self.types.CameraCalibration(
            **head, width=width_px, height=height_px, K=intrinsics.ravel().tolist(), P=projection.ravel().tolist(),
            R=np.eye(3).ravel().tolist(),
        )  # fmt: skip

    def _transform(self, parent: str, child: str, pose: np.ndarray):
        names = {'parent_frame_id': parent, 'child_frame_id': child}
        place = {'translation': self._vector(pose[:3, 3]), 'rotation': self._rotation(pose)}
        return self.types.FrameTransform(timestamp=self.head['timestamp'], **names, **place)

    def _cube(self, box: Box):
        red, green, blue = map(float, self.frame.labels.colours[box.label] / 255)
        colour = self.types.Color(r=red, g=green, b=blue, a=BOX_OPACITY)
        pose = self._pose(box.grid_from_box, box.grid_from_box[:3, 3])
        return self.types.CubePrimitive(pose=pose, size=self._vector(box.size), color=colour)

    def _fields(self, dtype: np.dtype) -> list:
        kinds = self.types.PackedElementFieldNumericType
        kind = {'u1': kinds.Uint8, 'f4': kinds.Float32}
        return [
            self.types.PackedElementField(name=name, offset=place[1], type=kind[place[0].str[1:]])
            for name, place in (dtype.fields or {}).items()
        ]

    def _pose(self, pose: np.ndarray, position: np.ndarray):
        return self.types.Pose(position=self._vector(position), orientation=self._rotation(pose))

    def _vector(self, values):
        return self.types.Vector3(**dict(zip('xyz', map(float, values), strict=True)))

    def _rotation(self, pose: np.ndarray):
        return self.types.Quaternion(**dict(zip('xyzw', Rotation.from_matrix(pose[:3, :3]).as_quat(), strict=True)))
