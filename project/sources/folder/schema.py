"""What a ``scene.json`` may hold; ``docs/own_data.md`` describes it."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from project.errors import UserError

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Pixels = Annotated[int, msgspec.Meta(gt=0)]


class _Described(msgspec.Struct, forbid_unknown_fields=True):
    """What has a field that is not known is refused: it would be forgotten without a word."""


class Pose(_Described):
    """Where something is: its pose in another frame.

    Attributes:
        translation: x, y, z in metres.
        rotation: quaternion w, x, y, z.
    """

    translation: Vector
    rotation: Quaternion


class LidarFields(_Described):
    """A lidar; fields beside `ego_from_lidar` as in :class:`project.sources.base.Lidar` and ``PointLayout``."""

    ego_from_lidar: Pose
    columns: tuple[str, ...] = ('x', 'y', 'z', 'intensity')
    dtype: str | tuple[str, ...] = 'float32'
    intensity: str = 'intensity'
    intensity_max: Annotated[float, msgspec.Meta(gt=0)] = 255.0
    time: str = 'time'
    time_unit_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    time_zero: Literal['stamp', 'epoch'] = 'stamp'
    period_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    stamp: Literal['start', 'middle', 'end'] = 'end'
    deskewed: bool = True


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
    """Where the car was: the pose of its frame in the global frame."""

    timestamp_us: int


class Sweep(_Described):
    """A sweep.

    Attributes:
        lidar: name of the lidar.
        timestamp_us: its time stamp.
        file: its points.
        categories: file of one uint8 a point, the number of its category; None where points have none.
    """

    lidar: str
    timestamp_us: int
    file: str
    categories: str | None = None


class Image(_Described):
    """An image."""

    camera: str
    timestamp_us: int
    file: str


class Box(Pose):
    """A box: its frame, at its centre with x forward, y left, z up, told in the one that `boxes_frame` names.

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
    """A ``scene.json``; files in it are named from the folder that it lies in.

    Attributes:
        lidars: the lidars by name; keyframes are sweeps of the first one.
        poses: where the car was, at least twice; sweeps and images are in between.
        sweeps: the sweeps of all lidars.
        boxes: at any times; tracks are interpolated between them.
        boxes_frame: ``global``, ``ego``, or the name of a lidar.
        cameras: the cameras by name.
        images: the images of all cameras.
        own_box: lowest and highest corner of the car that carries the sensors, ego frame.
        keyframes_us: time stamps of the sweeps that are to be labelled.
        keyframe_every_s: time between keyframes, if `keyframes_us` does not name them.
        split: what the scene is for.
    """

    lidars: dict[str, LidarFields]
    poses: list[CarPose]
    sweeps: list[Sweep]
    boxes: list[Box] = []
    boxes_frame: str = 'global'
    cameras: dict[str, CameraFields] = {}
    images: list[Image] = []
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
