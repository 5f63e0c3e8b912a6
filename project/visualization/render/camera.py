"""Cameras as bundles of rays, for the ray caster."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Rays of a picture, in the grid's frame, metres.

    The ray of the picture point (u, v) starts at ``origins @ (u, v, 1)`` and runs along ``directions @ (u, v, 1)``;
    the centre of the top left pixel is (0.5, 0.5).

    Attributes:
        origins: (3, 3) float64.
        directions: (3, 3) float64.
        width_px: width of the picture.
        height_px: height of the picture.
    """

    origins: np.ndarray
    directions: np.ndarray
    width_px: int
    height_px: int

    @classmethod
    def projecting(cls, image_from_grid: np.ndarray, width_px: int, height_px: int) -> 'Camera':
        """Camera of a (3, 4) projection of grid-frame points to homogeneous pixels; rays have depth 1."""
        directions = np.linalg.inv(image_from_grid[:, :3])
        origins = np.zeros((3, 3))
        origins[:, 2] = -directions @ image_from_grid[:, 3]
        return cls(origins, directions, width_px, height_px)

    @classmethod
    def look_at(
        cls, position: np.ndarray, target: np.ndarray, field_of_view_deg: float, width_px: int, height_px: int
    ) -> 'Camera':
        """Upright perspective camera; `field_of_view_deg` spans the height of the picture."""
        forward = np.subtract(target, position) / np.linalg.norm(np.subtract(target, position))
        right = np.cross(forward, (0, 0, 1))
        right /= np.linalg.norm(right)
        camera_from_grid = np.stack([right, np.cross(forward, right), forward])
        focal_px = height_px / 2 / math.tan(math.radians(field_of_view_deg) / 2)
        intrinsic = np.array([[focal_px, 0, width_px / 2], [0, focal_px, height_px / 2], [0, 0, 1]])
        extrinsic = np.column_stack([camera_from_grid, -camera_from_grid @ position])
        return cls.projecting(intrinsic @ extrinsic, width_px, height_px)

    @classmethod
    def overhead(cls, centre: np.ndarray, up: np.ndarray, height: float, width_px: int, height_px: int) -> 'Camera':
        """Parallel rays straight down.

        Args:
            centre: (3,) point that rays start at in the middle of the picture.
            up: (3,) horizontal unit vector that points to the upper edge of the picture.
            height: metres from the lower to the upper edge.
            width_px: width of the picture.
            height_px: height of the picture.
        """
        right, down = np.cross(up, (0, 0, 1)), -np.asarray(up, float)
        metres_px = height / height_px
        corner = np.asarray(centre) - metres_px * (right * width_px + down * height_px) / 2
        directions = np.zeros((3, 3))
        directions[2, 2] = -1
        return cls(np.stack([right * metres_px, down * metres_px, corner], axis=1), directions, width_px, height_px)

    def scaled(self, factor: int) -> 'Camera':
        """The same view with `factor` times as many pixels along both axes."""
        shrink = np.diag([1 / factor, 1 / factor, 1])
        return Camera(self.origins @ shrink, self.directions @ shrink, self.width_px * factor, self.height_px * factor)
