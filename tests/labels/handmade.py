"""A scene of a few keyframes, made by hand of a few points whose labels can be worked out on paper.

The car drives 1 m a keyframe along x; there is one sweep halfway between two keyframes. Everything is in global
coordinates, and the lidar is turned a quarter and stands 2 m over the ground at z = 0.
"""

from pathlib import Path

import numpy as np

from project.formats import Keyframe
from project.geometry.rigid import inverse, poses
from project.sources.base import Scene, Tracks

ROAD, WALL, CAR, PEDESTRIAN = 24, 28, 17, 2
START = np.array([1000.5, 2000.5, 0.0])
EGO_FROM_LIDAR = poses([1, 0, 0, -1], [0.5, 0, 2.0])
SWEEPS = 5
"""Of three keyframes."""

ROAD_POINTS = np.array([(10.1, y, 0.0) for y in np.arange(-6, 6, 0.2)])
WALL_POINTS = np.array([(15.1, y, 2.1) for y in np.arange(-6, 6, 0.2)])
CAR_POINTS = np.array([(1.9, 0.7, 0.3), (1.9, -0.7, 0.3), (0.1, 0.35, 0.85)])
"""In the frame of the box, which is 4 m x 2 m x 1.8 m large and drives 4 m a keyframe."""


def car_at(sweep: int) -> np.ndarray:
    """(4, 4) global pose of the car's box at a sweep."""
    return poses([1, 0, 0, 0.2 * sweep / 4], START + np.array([8 + 2 * sweep, 4, 0.9]))


def make_scene(root: Path, track_at=(0, 1, 2), extra=(), keyframes=3) -> Scene:
    """Write the scene.

    Args:
        root: its folder.
        track_at: keyframes at which the car is annotated.
        extra: (sweep, xyz from START, lidarseg index) of further points.
        keyframes: how many.
    """
    sweeps = 2 * keyframes - 1
    ego = np.stack([poses([1, 0, 0, 0.05 * sweep], START + np.array([sweep / 2, 0, 0])) for sweep in range(sweeps)])
    for sweep in range(sweeps):
        car = CAR_POINTS @ car_at(sweep)[:3, :3].T + car_at(sweep)[:3, 3]
        more = [(START + xyz, raw) for at, xyz, raw in extra if at == sweep]
        xyz = np.concatenate([START + ROAD_POINTS, START + WALL_POINTS, car, *(xyz[None] for xyz, _ in more)])
        raw = [ROAD] * len(ROAD_POINTS) + [WALL] * len(WALL_POINTS) + [CAR] * len(car) + [raw for _, raw in more]
        lidar_from_global = inverse(ego[sweep] @ EGO_FROM_LIDAR)
        points = np.zeros((len(xyz), 5), np.float32)
        points[:, :3] = xyz @ lidar_from_global[:3, :3].T + lidar_from_global[:3, 3]
        points[:, 3] = 7
        points.tofile(root / f'{sweep}.bin')
        np.array(raw, np.uint8).tofile(root / f'{sweep}.label')
    present = np.isin(np.arange(keyframes), track_at)[:, None]
    tracks = Tracks(
        present=present,
        global_from_box=np.stack([car_at(2 * k) for k in range(keyframes)])[:, None],
        sizes=np.tile([4.0, 2.0, 1.8], (keyframes, 1, 1)),
        categories=np.array([CAR], np.uint8),
    )
    return Scene(
        name='scene-hand',
        dataroot=root,
        keyframes=tuple(
            Keyframe('scene-hand', 't', f'sample{k}', f'lidar{k}', f'{2 * k}.bin') for k in range(keyframes)
        ),
        keyframe_sweeps=2 * np.arange(keyframes),
        sweep_files=tuple(f'{sweep}.bin' for sweep in range(sweeps)),
        label_files=tuple(None if sweep % 2 else f'{sweep}.label' for sweep in range(sweeps)),
        timestamps_us=np.arange(sweeps) * 250_000 + 1_500_000_000_000_000,
        global_from_ego=ego,
        ego_from_lidar=np.tile(EGO_FROM_LIDAR, (sweeps, 1, 1)),
        tracks=tracks,
    )
