"""The sweeps of a scene are laid onto one another.

Each sweep is registered to a map of the sweeps before it, and once more to the map of all, so that errors do not add
up along the way (VGICP: Koide et al., "Voxelized GICP for Fast and Accurate 3D Point Cloud Registration", ICRA 2021, as
the library small_gicp has it). The given poses stay a soft constraint: in a street that looks the same everywhere,
geometry does not tell how far the car has come.
"""

from collections.abc import Iterable
from types import ModuleType

import numpy as np
from scipy.spatial.transform import Rotation

from project.geometry.rigid import inverse

REACH_M = 50.0
"""Points further away are left out: there the rings of a lidar are too far apart to tell the slope of the ground."""

THINNED_M = 0.5
"""One point is kept in each cell of this size."""

NEIGHBOURS = 20
"""Points that tell the plane around a point: enough to reach from ring to ring."""

MAP_CELL_M = 0.7
"""Cells of the map; each holds the mean and the plane of its points."""

FARTHEST_M = 1.0
"""How far a point may lie from the mean of its cell."""

MIN_POINTS = 300
"""Fewer points, in a sweep or where it meets the map, do not tell a pose."""

GIVEN_ERRORS = np.array([np.radians(0.1), np.radians(0.1), np.radians(0.1), 0.05, 0.05, 0.1])
"""How far off given poses may be (standard deviations): roll and pitch; yaw, x, y and z from one sweep to the next."""

INDEPENDENT = 0.01
"""Share of a sweep's points that count as measured independently; the others repeat what these tell."""


def require_library() -> ModuleType:
    """The module small_gicp.

    Raises:
        ImportError: it is not installed; the message tells how to install it.
    """
    try:
        import small_gicp
    except ImportError:
        raise ImportError('poses are refined by small_gicp, which is not installed: pip install small_gicp') from None
    return small_gicp


def registered(sweeps: Iterable[np.ndarray], given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses that lay sweeps onto one another.

    Args:
        sweeps: S sweeps in order of time, of each (N, 3) float64 points of what stands still, ego frame.
        given: (S, 4, 4) float64 poses to start from, ego frame to one that stands still and has its z axis upwards.

    Returns:
        The (S, 4, 4) float64 poses, and (S,) bool which sweeps could not be registered: those move on from the sweep
        before as they are given to.

    Raises:
        ImportError: small_gicp is not installed.
    """
    clouds = [_cloud(points) for points in sweeps]
    lost = np.array([cloud is None for cloud in clouds], bool)
    poses, correction, world = given.copy(), np.eye(4), None
    for i, cloud in enumerate(clouds):
        poses[i] = correction @ given[i]
        if lost[i]:
            continue
        if world is None:
            world = _new_map()
        else:
            found = _align(world, cloud, poses[i], given[i])
            lost[i] = found is None
            if lost[i]:
                continue
            poses[i] = found
        world.insert(cloud, poses[i])
        correction = poses[i] @ inverse(given[i])
    world = _new_map()
    chosen = np.flatnonzero(~lost)
    for i in chosen:
        world.insert(clouds[i], poses[i])
    for i in chosen:
        poses[i] = _align(world, clouds[i], poses[i], given[i])
    return poses, lost


def _cloud(points: np.ndarray):
    """Thinned points with the planes around them; None if there are too few."""
    near = points[(points**2).sum(axis=1) < REACH_M**2]
    if len(near) < MIN_POINTS:
        return None
    cloud, _ = require_library().preprocess_points(near, THINNED_M, NEIGHBOURS, 1)
    return cloud if cloud.size() >= MIN_POINTS else None


def _new_map():
    world = require_library().GaussianVoxelMap(MAP_CELL_M)
    # Nothing is forgotten.
    world.set_lru(1 << 30, 1 << 30)
    return world


def _align(world, cloud, pose: np.ndarray, given: np.ndarray) -> np.ndarray | None:
    """Pose of a cloud in the map, weighed against what is expected; None where too little of it meets the map.

    Both are taken for Gaussian, so that the most likely pose solves a linear equation in the small motion (rotation,
    then translation, ego frame) that leads to it.
    """
    result = require_library().align(world, cloud, pose, FARTHEST_M, 1)
    if result.num_inliers < MIN_POINTS:
        return None
    found = result.T_target_source
    # Expected is what the sweep before leads to, leaning as given.
    correction = pose[:3, :3] @ given[:3, :3].T
    expected = pose.copy()
    yaw = np.arctan2(correction[1, 0], correction[0, 0])
    expected[:3, :3] = Rotation.from_euler('z', yaw).as_matrix() @ given[:3, :3]
    difference = inverse(found) @ expected
    rotation = Rotation.from_matrix(difference[:3, :3]).as_rotvec()
    weight = np.diag(GIVEN_ERRORS**-2)
    motion = weight @ np.concatenate([rotation, difference[:3, 3]])
    motion = np.linalg.solve(INDEPENDENT * result.H + weight, motion)
    step = np.eye(4)
    step[:3, :3], step[:3, 3] = Rotation.from_rotvec(motion[:3]).as_matrix(), motion[3:]
    return found @ step
