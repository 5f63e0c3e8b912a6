"""The schema of ``scene.json``; ``docs/own_data.md`` describes it."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from project.errors import UserError
from project.sources.lidar_fields import LidarPoints

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Pixels = Annotated[int, msgspec.Meta(gt=0)]


class _Described(msgspec.Struct, forbid_unknown_fields=True):
    """Unknown fields are an error: otherwise they would be ignored silently."""


class Pose(_Described):
    """A pose in another frame.

    Attributes:
        translation: x, y, z in metres.
        rotation: quaternion w, x, y, z.
    """

    translation: Vector
    rotation: Quaternion


class LidarFields(LidarPoints, kw_only=True):
    """A lidar of the car.

    Attributes:
        ego_from_lidar: where it is.
    """

    ego_from_lidar: Pose


class CameraFields(_Described):
    """A camera.

    Attributes:
        ego_from_camera: the camera's frame has x right, y down, z forward.
        matrix: from the camera's frame to pixels.
        size_px: width and height.
    """

    ego_from_camera: Pose
    matrix: tuple[Vector, Vector, Vector]
    size_px: tuple[Pixels, Pixels]


class CarPose(Pose):
    """The pose of the car in the global frame."""

    timestamp_us: int


class SweepFields(_Described):
    """A sweep.

    Attributes:
        lidar: name of the lidar.
        timestamp_us: its time stamp.
        file: its points.
        categories: file with one uint8 for each point, the number of its category; None if points have none.
    """

    lidar: str
    timestamp_us: int
    file: str
    categories: str | None = None


class ImageFields(_Described):
    """An image."""

    camera: str
    timestamp_us: int
    file: str


class BoxFields(Pose):
    """A box: the pose of its frame (at its centre, x forward, y left, z up) in the frame that `boxes_frame` names.

    Attributes:
        timestamp_us: when the object was there.
        track: the same for all boxes of an object.
        category: its name in the taxonomy.
        size: length, width, height.
    """

    timestamp_us: int
    track: str
    category: str
    size: Vector


class SceneFile(_Described):
    """A ``scene.json``; paths in it start at its own folder.

    Attributes:
        lidars: the lidars by name; keyframes are sweeps of the first one.
        poses: two or more poses of the car; sweeps and images lie between them in time.
        sweeps: the sweeps of all lidars.
        boxes: at any times; tracks are interpolated between them.
        boxes_frame: ``global``, ``ego``, or the name of a lidar.
        cameras: the cameras by name.
        images: the images of all cameras.
        own_box: lowest and highest corner of the own vehicle, ego frame.
        keyframes_us: time stamps of the sweeps that are to be labelled.
        keyframe_every_s: time between keyframes, if `keyframes_us` does not name them.
        split: what the scene is for.
    """

    lidars: dict[str, LidarFields]
    poses: list[CarPose]
    sweeps: list[SweepFields]
    boxes: list[BoxFields] = []
    boxes_frame: str = 'global'
    cameras: dict[str, CameraFields] = {}
    images: list[ImageFields] = []
    own_box: tuple[Vector, Vector] | None = None
    keyframes_us: list[int] | None = None
    keyframe_every_s: Annotated[float, msgspec.Meta(gt=0)] = 0.5
    split: Literal['train', 'val'] = 'train'


def read_scene_file(path: Path) -> SceneFile:
    """Read a ``scene.json``.

    Raises:
        ValueError: it is damaged, lacks a field or has one that is not known; the message names file and field.
        OSError: it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=SceneFile)
    except msgspec.DecodeError as error:
        raise UserError(f'{path}: {error}') from None
