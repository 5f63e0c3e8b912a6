"""Three keyframes that can be scored with a pencil; ``docs/evaluation.md`` works them out."""

import numpy as np

from project.evaluation.protocols import Volume
from project.grid import VoxelGrid
from project.taxonomy import FREE, LABEL_NAMES

NOISE, CAR, PEDESTRIAN, ROAD, VEGETATION = map(
    LABEL_NAMES.index, ('noise', 'car', 'pedestrian', 'driveable_surface', 'vegetation')
)

PLACES = {
    'A': (5, 1, 0), 'B': (9, 1, 0), 'C': (-6, 3, 0), 'D': (0, -8, 0),
    'E': (5, 1, 0), 'F': (-9, -4, 0), 'G': (12, 12, 0),
    'H': (0, 30, 0), 'I': (-30, 0, 0),
}  # fmt: skip
"""Points in the nine voxels that are not free everywhere, metres."""

VOXELS = [
    {'A': (CAR, CAR), 'B': (CAR, FREE), 'C': (PEDESTRIAN, PEDESTRIAN), 'D': (NOISE, CAR)},
    {'E': (CAR, CAR), 'F': (ROAD, CAR), 'G': (FREE, PEDESTRIAN)},
    {'H': (ROAD, ROAD), 'I': (ROAD, ROAD)},
]
"""(truth, prediction) in each keyframe."""

UNSEEN = ('B', 'G')
"""Voxels outside the camera mask."""

DIRECTIONS = np.array([(1.0, 0, 0), (-1.0, 0, 0), (0, 1.0, 0), (0, -1.0, 0)])
ORIGIN = np.array([[0.2, 0.2, 0.2]])
"""Centre of a voxel of Occ3D's grid: a voxel k steps away is left at 0.4 k + 0.2 m."""

RAYS = [
    [
        ((CAR, 10, (2, 0)), (CAR, 10, (2, 1))),
        ((CAR, 10, (0, 0)), (CAR, 12, (0, 0.5))),
        ((PEDESTRIAN, 20, (0, 1)), (PEDESTRIAN, 24, (0, 1))),
        (None, (CAR, 5, (9, 9))),
    ],
    [
        ((CAR, 10, (0, 0)), (PEDESTRIAN, 10, (0, 0))),
        ((VEGETATION, 50, (0, 0)), (VEGETATION, 56, (0, 0))),
        ((VEGETATION, 50, (0, 0)), None),
        ((CAR, 10, (0, 0)), (CAR, 22, (0, 0))),
    ],
    [
        ((VEGETATION, 10, (0, 0)), (VEGETATION, 10, (0, 0))),
        (None, None),
        ((PEDESTRIAN, 10, (1, 0)), (PEDESTRIAN, 10, (0.5, 0))),
        ((NOISE, 5, (0, 0)), (VEGETATION, 5, (0, 0))),
    ],
]
"""(truth, prediction) of each keyframe and direction: label, voxels away, velocity; None where nothing is hit."""


def voxel_frames(grid: VoxelGrid) -> list[tuple[Volume, Volume]]:
    """Truth and prediction of the three keyframes on any grid."""
    frames = []
    for voxels in VOXELS:
        volumes = [np.full(grid.shape, FREE, np.uint8) for _ in range(2)]
        mask = np.ones(grid.shape, bool)
        for name, labels in voxels.items():
            index = tuple(grid.voxel_indices(np.array([PLACES[name]], float))[0][0])
            mask[index] = name not in UNSEEN
            for volume, label in zip(volumes, labels, strict=True):
                volume[index] = label
        frames.append((Volume(volumes[0], mask_camera=mask), Volume(volumes[1])))
    return frames


def ray_frames(grid: VoxelGrid) -> list[tuple[Volume, Volume]]:
    """Truth and prediction of the three keyframes for rays along :data:`DIRECTIONS` from :data:`ORIGIN`."""
    start = grid.voxel_indices(ORIGIN)[0][0]
    frames = []
    for rays in RAYS:
        volumes = []
        for side in range(2):
            semantics, flow = np.full(grid.shape, FREE, np.uint8), np.zeros((*grid.shape, 2), np.float32)
            for direction, ray in zip(DIRECTIONS, rays, strict=True):
                if ray[side] is not None:
                    label, steps, velocity = ray[side]
                    index = tuple(start + steps * direction.astype(int))
                    semantics[index], flow[index] = label, velocity
            volumes.append(Volume(semantics, flow))
        frames.append(tuple(volumes))
    return frames
