"""Rays through voxel grids, for metrics that compare what a lidar would see."""

from project.evaluation.rays.casting import cast_rays
from project.evaluation.rays.fan import ray_fan, ray_origins

__all__ = ['cast_rays', 'ray_fan', 'ray_origins']
