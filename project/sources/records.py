"""The data of keyframes in a recording: names, images, boxes and poses."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Keyframe:
    """The names of a keyframe that label formats build their paths from.

    Attributes:
        scene_name: e.g. ``scene-0061``.
        scene_token: token of the scene.
        sample_token: token of the keyframe.
        lidar_token: token of the keyframe's LIDAR_TOP sample_data.
        lidar_file: file name of that sample_data without folders, e.g. ``....pcd.bin``.
    """

    scene_name: str
    scene_token: str
    sample_token: str
    lidar_token: str
    lidar_file: str


@dataclass(frozen=True)
class CameraRecord:
    """An image of a keyframe, and the pose of its camera at that time.

    Attributes:
        file: path below the dataroot.
        token: token of the sample_data.
        timestamp_us: time of the image.
        camera_matrix: (3, 3) float64, camera frame to pixels.
        ego_from_camera: (4, 4) float64.
        global_from_ego: (4, 4) float64 at the time of the image, not of the lidar.
        size_px: width and height; None if not known.
    """

    file: str
    token: str
    timestamp_us: int
    camera_matrix: np.ndarray
    ego_from_camera: np.ndarray
    global_from_ego: np.ndarray
    size_px: tuple[int, int] | None = None


@dataclass(frozen=True)
class BoxRecords:
    """The B annotated boxes of a keyframe.

    Attributes:
        instances: the B tokens of the annotated objects; equal in all keyframes of an object.
        categories: the B category names, e.g. ``vehicle.car``.
        global_from_box: (B, 4, 4) float64, boxes centred, x forward, y left, z up.
        sizes: (B, 3) float64 length, width, height: extent along x, y, z of the box, metres.
        num_lidar_pts: (B,) int64.
        num_radar_pts: (B,) int64.
    """

    instances: tuple[str, ...]
    categories: tuple[str, ...]
    global_from_box: np.ndarray
    sizes: np.ndarray
    num_lidar_pts: np.ndarray
    num_radar_pts: np.ndarray


@dataclass(frozen=True)
class KeyframeRecord:
    """A keyframe as the tables describe it.

    Attributes:
        keyframe: its names.
        timestamp_us: time of the lidar sweep.
        ego_from_lidar: (4, 4) float64.
        global_from_ego: (4, 4) float64 at the time of the lidar sweep.
        cameras: image of each camera by channel, e.g. ``CAM_FRONT``.
        boxes: annotated boxes.
        lidar_path: file of the lidar sweep below the dataroot; empty if only its name is known.
        lidar_name: the lidar of the rig that made it.
    """

    keyframe: Keyframe
    timestamp_us: int
    ego_from_lidar: np.ndarray
    global_from_ego: np.ndarray
    cameras: dict[str, CameraRecord]
    boxes: BoxRecords
    lidar_path: str = ''
    lidar_name: str = 'LIDAR_TOP'
