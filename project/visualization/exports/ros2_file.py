"""Frames as an MCAP file with ROS 2's messages: voxels and points as point clouds, boxes, images and poses."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from project.formats.common import written_whole
from project.visualization.exports.moments import Pinhole, encoded_image, time_us
from project.visualization.exports.ros2_definitions import definition
from project.visualization.frame import Box, Frame, Layer

WORLD = 'map'
"""Name of the global frame."""

VOXEL = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<f4'), ('label', '<u4')])
"""The centre of a voxel, its colour in the bits of a float, as RViz expects it, and its code in the layer."""
POINT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4')])

_POINT_FIELD = {'f': 7, 'u': 6}
"""Numbers of ``sensor_msgs/PointField``: FLOAT32 and UINT32."""
_CUBE, _ADD, _DELETE_ALL = 1, 0, 3
"""Numbers of ``visualization_msgs/Marker``."""

BOX_OPACITY = 0.4


def write_ros2_mcap(path: str | Path, frames: Iterable[Frame]) -> None:
    """Write frames; the file appears under its name once it is whole. ROS itself is not needed.

    Topics are ``/labels`` (or ``/truth``, ``/prediction``, ``/difference``), ``/points``: ``sensor_msgs/PointCloud2``;
    ``/boxes``, ``visualization_msgs/MarkerArray``; ``/tf``, ``tf2_msgs/TFMessage``; and, for each camera,
    ``/NAME/image/compressed``, ``sensor_msgs/CompressedImage``, and ``/NAME/camera_info``, ``sensor_msgs/CameraInfo``.
    The time of a message is that of the frame.

    Args:
        path: the file.
        frames: in order of time.

    Raises:
        ImportError: mcap-ros2-support is not installed.
        OSError: an image cannot be read, or the file not be written.
    """
    try:
        from mcap_ros2.writer import Writer
    except ImportError:
        raise ImportError('--schemas ros2 needs the package mcap-ros2-support: pip install mcap-ros2-support') from None
    schemas: dict[str, Any] = {}
    with written_whole(path) as file, Writer(file) as writer:
        for frame in frames:
            for topic, kind, message in _Messages(frame).all():
                if kind not in schemas:
                    package, _, name = kind.partition('/')
                    schemas[kind] = writer.register_msgdef(f'{package}/msg/{name}', definition(kind))
                writer.write_message(topic, schemas[kind], message, log_time=1000 * time_us(frame))


class _Messages:
    """Messages of one frame."""

    def __init__(self, frame: Frame):
        self.frame = frame
        seconds, microseconds = divmod(time_us(frame), 1_000_000)
        self.stamp = {'sec': seconds, 'nanosec': 1000 * microseconds}

    def all(self) -> Iterable[tuple[str, str, dict]]:
        """Each with its topic and kind."""
        frame = self.frame
        yield '/tf', 'tf2_msgs/TFMessage', self.transforms()
        for layer in frame.layers:
            yield f'/{layer.name}', 'sensor_msgs/PointCloud2', self.cloud(self.voxels(layer))
        if frame.points is not None:
            points = np.ascontiguousarray(frame.points, '<f4').view(POINT)[:, 0]
            yield '/points', 'sensor_msgs/PointCloud2', self.cloud(points)
        # Those of a frame without boxes remove those of the frame before.
        yield '/boxes', 'visualization_msgs/MarkerArray', self.boxes()
        for camera in frame.cameras:
            content, kind = encoded_image(camera)
            header = self.header(camera.name)
            image = {'header': header, 'format': kind, 'data': content}
            yield f'/{camera.name}/image/compressed', 'sensor_msgs/CompressedImage', image
            yield (
                f'/{camera.name}/camera_info',
                'sensor_msgs/CameraInfo',
                self.info(Pinhole.of(camera), content, header),
            )

    def header(self, frame_id: str) -> dict:
        """The time and a coordinate frame."""
        return {'stamp': self.stamp, 'frame_id': frame_id}

    def transforms(self) -> dict:
        """Where the grid is in the world, where that is known, and where cameras are in the grid."""
        frame = self.frame
        poses = [(frame.grid.frame, camera.name, Pinhole.of(camera).grid_from_camera) for camera in frame.cameras]
        if frame.global_from_grid is not None:
            poses.insert(0, (WORLD, frame.grid.frame, frame.global_from_grid))
        return {
            'transforms': [
                {
                    'header': self.header(parent),
                    'child_frame_id': child,
                    'transform': {'translation': _vector(pose[:3, 3]), 'rotation': _quaternion(pose)},
                }
                for parent, child, pose in poses
            ]
        }

    def voxels(self, layer: Layer) -> np.ndarray:
        """(N,) :data:`VOXEL` of the voxels in which there is something."""
        indices = np.argwhere(layer.occupied())
        codes = layer.codes[tuple(indices.T)]
        found = np.zeros(len(indices), VOXEL)
        for axis, centre in zip('xyz', self.frame.grid.centres(indices).T, strict=True):
            found[axis] = centre
        red, green, blue = layer.palette[codes].T.astype('<u4')
        found['rgb'] = (red << 16 | green << 8 | blue).astype('<u4').view('<f4')
        found['label'] = codes
        return found

    def cloud(self, points: np.ndarray) -> dict:
        """A point cloud of (N,) points of any fields."""
        places = points.dtype.fields or {}
        fields = [
            {'name': name, 'offset': place[1], 'datatype': _POINT_FIELD[place[0].kind], 'count': 1}
            for name, place in places.items()
        ]
        return {
            'header': self.header(self.frame.grid.frame), 'height': 1, 'width': len(points), 'fields': fields,
            'is_bigendian': False, 'point_step': points.itemsize, 'row_step': points.nbytes, 'data': points.tobytes(),
            'is_dense': True,
        }  # fmt: skip

    def boxes(self) -> dict:
        """All boxes, after one that removes those of the frame before."""
        header = self.header(self.frame.grid.frame)
        cleared = {'header': header, 'action': _DELETE_ALL}
        return {'markers': [cleared, *(self._cube(number, box) for number, box in enumerate(self.frame.boxes))]}

    def _cube(self, number: int, box: Box) -> dict:
        red, green, blue = map(float, self.frame.labels.colours[box.label] / 255)
        pose = box.grid_from_box
        return {
            'header': self.header(self.frame.grid.frame), 'ns': 'boxes', 'id': number, 'type': _CUBE, 'action': _ADD,
            'pose': {'position': _vector(pose[:3, 3]), 'orientation': _quaternion(pose)},
            'scale': _vector(np.asarray(box.size)), 'color': {'r': red, 'g': green, 'b': blue, 'a': BOX_OPACITY},
        }  # fmt: skip

    def info(self, pinhole: Pinhole, content: bytes, header: dict) -> dict:
        """Intrinsics in the convention of ROS, where the centre of the top left pixel is (0, 0)."""
        with Image.open(BytesIO(content)) as image:
            width_px, height_px = image.size
        intrinsics = pinhole.intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
        projection = np.pad(intrinsics, [(0, 0), (0, 1)])
        return {
            'header': header, 'height': height_px, 'width': width_px, 'distortion_model': 'plumb_bob', 'd': [0.0] * 5,
            'k': intrinsics.ravel().tolist(), 'r': np.eye(3).ravel().tolist(), 'p': projection.ravel().tolist(),
        }  # fmt: skip


def _vector(values: np.ndarray) -> dict:
    return dict(zip('xyz', map(float, values), strict=True))


def _quaternion(pose: np.ndarray) -> dict:
    return dict(zip('xyzw', map(float, Rotation.from_matrix(pose[:3, :3]).as_quat()), strict=True))
