"""The tables of nuScenes as types: the fields that are needed of each record. Others are ignored.

Tokens are any strings. Fields with a default may be missing: Lyft, own recordings and old tables leave them out.
"""

from typing import Annotated

from msgspec import Meta, Struct

Whole = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Link = str | None


class Row(Struct, gc=False):
    """A record of a table."""

    token: str


class SceneRow(Row):
    """A drive."""

    name: str


class SampleRow(Row):
    """A keyframe."""

    scene_token: str
    timestamp: Whole
    prev: Link = ''
    next: Link = ''


class SensorRow(Row):
    """A sensor; nuScenes calls its name a channel."""

    channel: str
    modality: str = ''


class CalibrationRow(Row):
    """Where a sensor is on the car during a scene."""

    sensor_token: str
    translation: Vector
    rotation: Quaternion
    camera_intrinsic: list[list[float]] = []


class ReadingRow(Row):
    """A file of a sensor (``sample_data``)."""

    sample_token: Link
    ego_pose_token: str
    calibrated_sensor_token: str
    timestamp: Whole
    is_key_frame: bool
    filename: Annotated[str, Meta(min_length=1)]
    width: Whole | None = None
    height: Whole | None = None
    prev: Link = ''
    next: Link = ''


class PoseRow(Row):
    """Where the car was at the time of a reading."""

    rotation: Quaternion
    translation: Vector


class CategoryRow(Row):
    """A kind of object or surface."""

    name: str
    index: Whole | None = None


class InstanceRow(Row):
    """An object that is annotated in some keyframes."""

    category_token: str


class AnnotationRow(Row):
    """The box of an object in a keyframe."""

    sample_token: Link
    instance_token: str
    translation: Vector
    size: Vector
    rotation: Quaternion
    num_lidar_pts: Whole | None = None
    num_radar_pts: Whole | None = None
    prev: Link = ''
    next: Link = ''


class LabelsRow(Row):
    """The file with the category of each point of a reading (``lidarseg`` or ``panoptic``)."""

    sample_data_token: str
    filename: Annotated[str, Meta(min_length=1)]


EXPECTED = {
    'timestamp': 'a whole number of microseconds',
    'rotation': 'four numbers, a quaternion w, x, y, z',
    'translation': 'three numbers, metres',
    'size': 'three numbers, width, length and height in metres',
    'camera_intrinsic': 'three rows of three numbers, or an empty list where the sensor is no camera',
    'is_key_frame': 'true or false',
    'width': 'a whole number of pixels',
    'height': 'a whole number of pixels',
    'index': 'a whole number',
    'num_lidar_pts': 'a whole number',
    'num_radar_pts': 'a whole number',
}
"""What a field should hold where that is not a string."""
