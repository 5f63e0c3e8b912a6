"""A small world in which every voxel is known."""

import numpy as np

from project.grid import VoxelGrid
from project.taxonomy import CLASSES, FREE
from project.visualization.frame import Box, CameraImage, Frame

CAR = CLASSES.index('car') + 1
ROAD = CLASSES.index('driveable_surface') + 1
TREE = CLASSES.index('vegetation') + 1

GRID = VoxelGrid.from_range('ego', (-10.0, -7.0, -1.0, 20.0, 7.0, 2.0), 1.0)
"""30 x 14 x 3 voxels of 1 m."""


def voxel_at(point: tuple[float, float, float]) -> tuple[int, int, int]:
    """Index of the voxel that holds a point."""
    return tuple(GRID.voxel_indices(np.array([point]))[0][0].tolist())


def road(car_at: float = 10.0) -> np.ndarray:
    """Labels: road everywhere at z < 0, and on it a car of 4 x 2 x 1 m that begins `car_at` metres ahead."""
    labels = np.full(GRID.shape, FREE, np.uint8)
    labels[:, :, 0] = ROAD
    x, y, z = voxel_at((car_at, 0.0, 0.5))
    labels[x : x + 4, y - 1 : y + 1, z] = CAR
    return labels


def camera_ahead(image: np.ndarray) -> CameraImage:
    """A camera 1.5 m above the ego origin that looks along x, with a focal length of half the image's width."""
    height, width = image.shape[:2]
    intrinsic = np.array([[width / 2, 0, width / 2], [0, width / 2, height / 2], [0, 0, 1]])
    camera_from_ego = np.array([[0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0]], float)
    return CameraImage('CAM_FRONT', image, intrinsic @ camera_from_ego)


def frame(index: int = 0, **changes) -> Frame:
    """The world with a prediction that misses a row of road, calls half the car a tree, and invents a voxel."""
    truth = road(10.0 - 6 * index)
    prediction = truth.copy()
    prediction[:, 0, 0] = FREE
    prediction[truth == CAR] = np.where(np.arange((truth == CAR).sum()) % 2, CAR, TREE)
    prediction[voxel_at((15.5, 5.5, 0.5))] = CAR
    seen = np.zeros(GRID.shape, bool)
    seen[10:] = True
    pose = np.eye(4)
    pose[:3, 3] = (12 - 6 * index, 0, 0.5)
    image = np.full((60, 80, 3), (255, 0, 255), np.uint8)
    parts = {
        'truth': truth,
        'prediction': prediction,
        'masks': {'camera': seen},
        'points': np.array([[5.5, 2.5, 0.05]], np.float32),
        'boxes': [Box(pose, (4.0, 2.0, 1.0), CAR)],
        'cameras': [camera_ahead(image)],
    }
    return Frame('scene-0001', index, f'{index:032x}', GRID, **(parts | changes))
