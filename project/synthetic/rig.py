"""The sensors of the cars that can record a synthetic world: their places, fields of view and timing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from project.geometry.rigid import rigid

KEYFRAME_US = 500_000
START_US = 1_532_402_927_000_000
"""Time of the first keyframe of the first scene; scenes start :data:`SCENE_US` apart."""
SCENE_US = 60_000_000

BEAM_ELEVATIONS = np.radians(np.linspace(-30.67, 10.67, 32))
"""(32,) elevation of each ring above the lidar's xy plane, lowest first."""
FIRINGS = 1084
MAX_RANGE = 105.0

FULL_WIDTH_PX = 1600
"""Width of images for which cameras state their intrinsics."""


@dataclass(frozen=True)
class SyntheticLidar:
    """One lidar of 32 beams.

    Attributes:
        translation: position in the ego frame, metres.
        rotation: ego_from_lidar as quaternion (w, x, y, z).
        roof: lowest and highest corner, in the lidar's frame, of the part of the ego car that beams hit.
        period_us: time of a turn; keyframes are whole numbers of turns apart.
        early_us: a turn ends this long before each keyframe.
        pieces: its path during a turn is a line of this many straight pieces.
    """

    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]
    roof: tuple[tuple[float, float, float], tuple[float, float, float]]
    period_us: int
    early_us: int = 0
    pieces: int = 1

    @property
    def ego_from_lidar(self) -> np.ndarray:
        """(4, 4) float64."""
        return rigid(self.rotation, self.translation)

    @property
    def sweeps_per_keyframe(self) -> int:
        """Turns from one keyframe to the next."""
        return KEYFRAME_US // self.period_us

    def time(self, sweep: int) -> float:
        """When a sweep ends, seconds since the first keyframe."""
        return (sweep * self.period_us - self.early_us) * 1e-6

    def sweeps_until(self, keyframe: int) -> range:
        """Numbers of the sweeps that end after the keyframe before and no later than this one; sweep 0 is the first
        of a lidar that is not early. The last of them is the one of the keyframe."""
        last = keyframe * self.sweeps_per_keyframe
        return range(max(1 if self.early_us else 0, last - self.sweeps_per_keyframe + 1), last + 1)

    def is_keyframe(self, sweep: int) -> bool:
        """Whether a sweep is the one of a keyframe."""
        return sweep % self.sweeps_per_keyframe == 0


@dataclass(frozen=True)
class SyntheticCamera:
    """One camera.

    Attributes:
        translation: position in the ego frame, metres.
        rotation: ego_from_camera as quaternion (w, x, y, z); the camera looks along z, x to the right, y down.
        focal_px, centre_px: intrinsics where images of the full size are 1600x900.
        delay_us: time of its picture of a keyframe minus the lidar's.
        share: width and height of its images as a share of the full size.
    """

    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]
    focal_px: float
    centre_px: tuple[float, float]
    delay_us: int
    share: tuple[float, float] = (1.0, 1.0)

    @property
    def ego_from_camera(self) -> np.ndarray:
        """(4, 4) float64."""
        return rigid(self.rotation, self.translation)

    def size_px(self, full_size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of its images, where those of the full size have this width and height."""
        return round(self.share[0] * full_size[0]), round(self.share[1] * full_size[1])

    def intrinsic(self, full_width_px: int) -> np.ndarray:
        """(3, 3) float64 matrix, where images of the full size have this width; the centre of the first pixel is at
        (0.5, 0.5)."""
        scale = full_width_px / FULL_WIDTH_PX
        (u, v), f = self.centre_px, self.focal_px
        return np.array([[f * scale, 0, u * scale], [0, f * scale, v * scale], [0, 0, 1.0]])


@dataclass(frozen=True)
class SyntheticRig:
    """The sensors of a car, by the names of their channels; keyframes are sweeps of the first lidar."""

    lidars: Mapping[str, SyntheticLidar]
    cameras: Mapping[str, SyntheticCamera]

    @cached_property
    def reference(self) -> SyntheticLidar:
        """The lidar whose frame and time keyframes have."""
        return next(iter(self.lidars.values()))


def _looking(yaw_deg: float) -> tuple[float, float, float, float]:
    """Quaternion of a level camera that looks along a heading of the ego frame (0 = forward, 90 = left)."""
    half = np.radians(yaw_deg) / 2
    c, s = np.cos(half), np.sin(half)
    # Turning about z after the change of axes from (right, down, forward) to (forward, left, up).
    return (0.5 * (c + s), -0.5 * (c + s), 0.5 * (c - s), 0.5 * (s - c))


NUSCENES = SyntheticRig(
    {
        'LIDAR_TOP': SyntheticLidar(
            (0.943713, 0.0, 1.84023),
            (0.70780, -0.00649, 0.01065, -0.70631),
            ((-0.56, -1.35, -1.0), (0.56, 0.66, -0.33)),
            period_us=50_000,
        )
    },
    {
        'CAM_FRONT': SyntheticCamera((1.700, 0.016, 1.511), _looking(0.3), 1266.0, (816.0, 491.5), -35_000),
        'CAM_FRONT_RIGHT': SyntheticCamera((1.551, -0.493, 1.496), _looking(-56.4), 1261.0, (808.0, 495.0), -27_000),
        'CAM_BACK_RIGHT': SyntheticCamera((1.015, -0.481, 1.562), _looking(-110.8), 1259.5, (807.0, 501.0), -20_000),
        'CAM_BACK': SyntheticCamera((0.028, 0.003, 1.579), _looking(179.8), 809.0, (829.0, 482.0), -10_000),
        'CAM_BACK_LEFT': SyntheticCamera((1.036, 0.485, 1.591), _looking(108.6), 1257.0, (792.0, 493.0), 0),
        'CAM_FRONT_LEFT': SyntheticCamera((1.524, 0.495, 1.509), _looking(55.2), 1272.5, (826.5, 480.0), -43_000),
    },
)
"""As on nuScenes' cars. The lidar moves straight on within a turn of 50 ms."""

TWO_LIDARS = SyntheticRig(
    {
        'lidar_front': SyntheticLidar(
            (1.6, 0.0, 1.84), (1.0, 0.0, 0.0, 0.0), ((-2.0, -0.56, -1.0), (0.0, 0.56, -0.33)), 100_000, pieces=10
        ),
        # Turned by half a turn, and its beams reach lower behind the car.
        'lidar_rear': SyntheticLidar(
            (-0.2, 0.1, 1.9),
            (0.0, -0.02617, 0.0, 0.99966),
            ((-1.8, -0.46, -1.06), (0.2, 0.66, -0.39)),
            100_000,
            early_us=40_000,
            pieces=10,
        ),
    },
    {
        'front': SyntheticCamera((1.70, 0.0, 1.51), _looking(0.0), 760.0, (800.0, 455.0), -30_000),
        'left': SyntheticCamera((1.10, 0.49, 1.55), _looking(91.0), 610.0, (638.0, 355.0), -20_000, (0.8, 0.8)),
        'rear': SyntheticCamera((0.03, 0.0, 1.58), _looking(180.5), 755.0, (806.0, 448.0), 0),
        'right': SyntheticCamera((1.10, -0.49, 1.55), _looking(-89.0), 612.0, (644.0, 362.0), -10_000, (0.8, 0.8)),
    },
)
"""Four wide cameras of two sizes, and two lidars of 10 Hz that end their turns at different times. Their way within a
turn bends with that of the car, every 10 ms."""

RIGS: Mapping[str, SyntheticRig] = MappingProxyType({'nuscenes': NUSCENES, 'two-lidars': TWO_LIDARS})
