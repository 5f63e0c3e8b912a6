"""The sensors: where they sit on the car, how they look, and when they read, as on nuScenes' cars."""

from dataclasses import dataclass

import numpy as np

from project.geometry.rigid import rigid

KEYFRAME_US = 500_000
SWEEPS_PER_KEYFRAME = 10
SWEEP_US = KEYFRAME_US // SWEEPS_PER_KEYFRAME
START_US = 1_532_402_927_000_000
"""Time of the first keyframe of the first scene; scenes start :data:`SCENE_US` apart."""
SCENE_US = 60_000_000

BEAM_ELEVATIONS = np.radians(np.linspace(-30.67, 10.67, 32))
"""(32,) elevation of each ring above the lidar's xy plane, lowest first."""
FIRINGS = 1084
MAX_RANGE = 105.0

LIDAR_TRANSLATION = (0.943713, 0.0, 1.84023)
LIDAR_ROTATION = (0.70780, -0.00649, 0.01065, -0.70631)

FULL_WIDTH_PX = 1600


@dataclass(frozen=True)
class Camera:
    """One camera.

    Attributes:
        translation: position in the ego frame, metres.
        rotation: ego_from_camera as quaternion (w, x, y, z); the camera looks along z, x to the right, y down.
        focal_px, centre_px: intrinsics at 1600x900.
        delay_us: time of its picture of a keyframe minus the lidar's.
    """

    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]
    focal_px: float
    centre_px: tuple[float, float]
    delay_us: int

    @property
    def ego_from_camera(self) -> np.ndarray:
        """(4, 4) float64."""
        return rigid(self.rotation, self.translation)

    def intrinsic(self, width_px: int) -> np.ndarray:
        """(3, 3) float64 matrix for images of a width; pixel (column, row) has its centre at whole (u, v)."""
        scale = width_px / FULL_WIDTH_PX
        (u, v), f = self.centre_px, self.focal_px
        return np.array([[f * scale, 0, u * scale], [0, f * scale, v * scale], [0, 0, 1.0]])


def _looking(yaw_deg: float) -> tuple[float, float, float, float]:
    """Quaternion of a level camera that looks along a heading of the ego frame (0 = forward, 90 = left)."""
    half = np.radians(yaw_deg) / 2
    c, s = np.cos(half), np.sin(half)
    # Turning about z after the change of axes from (right, down, forward) to (forward, left, up).
    return (0.5 * (c + s), -0.5 * (c + s), 0.5 * (c - s), 0.5 * (s - c))


CAMERAS = {
    'CAM_FRONT': Camera((1.700, 0.016, 1.511), _looking(0.3), 1266.0, (816.0, 491.5), -35_000),
    'CAM_FRONT_RIGHT': Camera((1.551, -0.493, 1.496), _looking(-56.4), 1261.0, (808.0, 495.0), -27_000),
    'CAM_BACK_RIGHT': Camera((1.015, -0.481, 1.562), _looking(-110.8), 1259.5, (807.0, 501.0), -20_000),
    'CAM_BACK': Camera((0.028, 0.003, 1.579), _looking(179.8), 809.0, (829.0, 482.0), -10_000),
    'CAM_BACK_LEFT': Camera((1.036, 0.485, 1.591), _looking(108.6), 1257.0, (792.0, 493.0), 0),
    'CAM_FRONT_LEFT': Camera((1.524, 0.495, 1.509), _looking(55.2), 1272.5, (826.5, 480.0), -43_000),
}

EGO_FROM_LIDAR = rigid(LIDAR_ROTATION, LIDAR_TRANSLATION)
"""(4, 4) float64."""
