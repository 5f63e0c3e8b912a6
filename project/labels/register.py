"""Step 0, register: the sweeps of a scene are laid onto one another.

Each sweep is registered to a map of the sweeps before it, and once more to the map of all, which takes away what leans
forwards (VGICP; Koide et al., "Voxelized GICP for Fast and Accurate 3D Point Cloud Registration", ICRA 2021; as the library
small_gicp has it). The given poses stay a soft constraint: along a street that looks the same everywhere, geometry does not
tell how far the car has come.
"""

from collections.abc import Sequence
from types import ModuleType

import numpy as np
from scipy.spatial.transform import Rotation

from project.labels.geometry import inverse

REACH_M = 50.0
"""Points further away are left out: there the rings of a lidar are too far apart to tell the slope of the ground."""

THINNED_M = 0.5
"""One point is kept in each cell of this size."""

NEIGHBOURS = 20
"""Points that tell the plane around a point: enough to reach from ring to ring."""

MAP_CELL_M = 0.7
"""Cells of the map; each holds the mean and the plane of its points."""

FARTHEST_M = 1.0
"""How far a point may lie from the middle of its cell's points."""

MIN_POINTS = 300
"""Fewer points, of a sweep or of those that meet the map, do not tell a pose."""

GIVEN_ERRORS = np.array([np.radians(0.1), np.radians(0.1), np.radians(0.05), 0.02, 0.02, 0.1])
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


def registered(sweeps: Sequence[np.ndarray], given: np.ndarray) -> tuple[np.ndarray, int]:
    """Poses that lay sweeps onto one another.

    Args:
        sweeps: (N, 3) float64 points of each sweep, ego frame, of what stands still.
        given: (S, 4, 4) float64 poses to start from, scene from ego.

    Returns:
        The (S, 4, 4) poses, and how many sweeps could not be registered; those move on from the one before as they are
        given to.
    """
    clouds = [_cloud(points) for points in sweeps]
    poses = given.copy()
    world, empty, lost = _new_map(), True, 0
    correction = np.eye(4)
    for i, cloud in enumerate(clouds):
        poses[i] = correction @ given[i]
        if cloud is None:
            lost += 1
            continue
        if not empty:
            pose = _align(world, cloud, poses[i], given[i])
            if pose is None:
                clouds[i] = None
                lost += 1
                continue
            poses[i] = pose
        world.insert(cloud, poses[i])
        empty = False
        correction = poses[i] @ inverse(given[i])
    return _each_to_all(clouds, poses, given), lost


def _each_to_all(clouds: Sequence, poses: np.ndarray, given: np.ndarray) -> np.ndarray:
    world = _new_map()
    for cloud, pose in zip(clouds, poses, strict=True):
        if cloud is not None:
            world.insert(cloud, pose)
    aligned = [
        None if cloud is None else _align(world, cloud, *at) for cloud, *at in zip(clouds, poses, given, strict=True)
    ]
    return np.stack([pose if new is None else new for new, pose in zip(aligned, poses, strict=True)])


def _cloud(points: np.ndarray):
    """Thinned points with the planes around them; None if there are too few."""
    near = points[(points**2).sum(axis=1) < REACH_M**2]
    cloud, _ = require_library().preprocess_points(near, THINNED_M, NEIGHBOURS, 1)
    return cloud if cloud.size() >= MIN_POINTS else None


def _new_map():
    world = require_library().GaussianVoxelMap(MAP_CELL_M)
    # Nothing is forgotten.
    world.set_lru(1 << 30, 1 << 30)
    return world


def _align(world, cloud, pose: np.ndarray, given: np.ndarray) -> np.ndarray | None:
    """Pose of a cloud in the map, weighed against what was given; None where too little of it meets the map.

    Both are Gaussian around their means, so that the most likely pose solves a linear equation in the small motion
    (rotation, then translation, ego frame) that leads to it.
    """
    result = require_library().align(world, cloud, pose, FARTHEST_M, 1)
    if result.num_inliers < MIN_POINTS:
        return None
    found = result.T_target_source
    expected = pose.copy()
    correction = pose[:3, :3] @ given[:3, :3].T
    yaw = np.arctan2(correction[1, 0], correction[0, 0])
    expected[:3, :3] = Rotation.from_euler('z', yaw).as_matrix() @ given[:3, :3]
    motion = inverse(found) @ expected
    motion = np.concatenate([Rotation.from_matrix(motion[:3, :3]).as_rotvec(), motion[:3, 3]])
    weight = np.diag(GIVEN_ERRORS**-2)
    share = np.linalg.solve(INDEPENDENT * result.H + weight, weight @ motion)
    step = np.eye(4)
    step[:3, :3], step[:3, 3] = Rotation.from_rotvec(share[:3]).as_matrix(), share[3:]
    return found @ step
