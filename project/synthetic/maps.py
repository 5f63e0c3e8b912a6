"""The map picture of a town."""

import numpy as np

from project.geometry.rigid import apply, inverse
from project.synthetic.scene import GLOBAL_CENTRE, SyntheticScene
from project.synthetic.terrain import ROAD, WALK

RESOLUTION = 0.1
"""Metres a pixel that nuScenes' maps have; the town is looked up every fifth pixel."""
COARSE = 5


def driveable_and_walkable(scene: SyntheticScene) -> np.ndarray:
    """(H, W) uint8 picture, 255 on streets and sidewalks; row 0 is the highest global y."""
    width, height = (int(2 * c / RESOLUTION / COARSE) for c in GLOBAL_CENTRE)
    x = (np.arange(width) + 0.5) * RESOLUTION * COARSE
    y = (np.arange(height)[::-1] + 0.5) * RESOLUTION * COARSE
    places = np.stack(np.broadcast_arrays(x[None, :], y[:, None], 0.0), axis=-1)
    town = apply(inverse(scene.global_from_town), places)
    ground = scene.ground
    i = np.searchsorted(ground.x, town[..., 0], side='right') - 1
    j = np.searchsorted(ground.y, town[..., 1], side='right') - 1
    inside = (i >= 0) & (i < len(ground.x) - 1) & (j >= 0) & (j < len(ground.y) - 1)
    raw = ground.raw[np.clip(i, 0, len(ground.x) - 2), np.clip(j, 0, len(ground.y) - 2), 0]
    picture = np.where(inside & np.isin(raw, (ROAD, WALK)), 255, 0).astype(np.uint8)
    return picture.repeat(COARSE, axis=0).repeat(COARSE, axis=1)
