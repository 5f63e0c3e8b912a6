"""A car that drives and turns through points that stand still, recorded by any lidars; for tests."""

from pathlib import Path

import numpy as np

from project.formats import Keyframe
from project.geometry.rigid import inverse, poses
from project.sources.base import Lidar, PointLayout, Rig, Scene, tracks_of
from project.taxonomy import Taxonomy

START_US = 1_700_000_000_000_000


def car_at(seconds: float) -> np.ndarray:
    """(4, 4) global pose: 10 m/s along a bend."""
    yaw = 0.3 * seconds
    return poses([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)], [10 * seconds, seconds**2, 0.1 * seconds])


def timed_lidar(name: str = 'top', **fields) -> Lidar:
    """A lidar whose files have x, y, z, intensity and time, float64."""
    columns = ('x', 'y', 'z', 'intensity', 'time')
    return Lidar(name, PointLayout(columns, 'float64'), **({'deskewed': False} | fields))


def record(
    folder: Path, world: np.ndarray, lidars: list[tuple[Lidar, np.ndarray, np.ndarray]], keyframe_every_s: float = 0.5
) -> Scene:
    """A scene of what lidars see of (N, 3) points, global frame.

    Args:
        folder: where points go.
        world: the points.
        lidars: of each its description, (4, 4) pose on the car, and (S,) time stamps of its sweeps, seconds. A point of
            every sweep is measured at a time of its own, from 0.1 s before the stamp to it.
        keyframe_every_s: time between keyframes, which are sweeps of the first lidar.
    """
    offsets = np.linspace(-0.1, 0, len(world))
    sweeps = sorted((time, number) for number, (_, _, times) in enumerate(lidars) for time in times)
    files = []
    for time, number in sweeps:
        lidar, ego_from_lidar, _ = lidars[number]
        points = np.zeros((len(world), 5))
        for at, offset in enumerate(offsets):
            seen = inverse(car_at(time if lidar.deskewed else time + offset) @ ego_from_lidar)
            points[at, :3] = seen[:3, :3] @ world[at] + seen[:3, 3]
        points[:, 4] = offsets
        files.append(f'{number}_{time:.3f}.bin')
        points.tofile(folder / files[-1])
    times = np.array([time for time, _ in sweeps])
    of_first = np.array([number == 0 for _, number in sweeps])
    keyframes = np.flatnonzero(of_first & (np.abs(times / keyframe_every_s - np.rint(times / keyframe_every_s)) < 1e-6))
    return Scene(
        name='drive',
        dataroot=folder,
        keyframes=tuple(Keyframe('drive', 't', f's{k}', f'l{k}', files[sweep]) for k, sweep in enumerate(keyframes)),
        keyframe_sweeps=keyframes,
        sweep_files=tuple(files),
        label_files=(None,) * len(files),
        timestamps_us=START_US + np.rint(times * 1e6).astype(np.int64),
        global_from_ego=np.stack([car_at(time) for time in times]),
        ego_from_lidar=np.stack([lidars[number][1] for _, number in sweeps]),
        tracks=tracks_of([], Taxonomy.nuscenes()),
        rig=Rig(tuple(lidar for lidar, _, _ in lidars), (), Rig.nuscenes().own_box),
        lidars=np.array([number for _, number in sweeps]),
    )
