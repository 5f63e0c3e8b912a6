"""OccupancyLift, a family of models with the geometry of cameras built in."""

from project.models.lift.depth import OccupancyDepthNet
from project.models.lift.detector import OccupancyLift
from project.models.lift.head import OccupancyVoxelHead
from project.models.lift.history import OccupancyHistory
from project.models.lift.image_loss import OccupancyImageLoss
from project.models.lift.neck import OccupancyTopDownNeck
from project.models.lift.view import OccupancyPull, OccupancySplat, OccupancyViews
from project.models.lift.volume import OccupancyHeightNet, OccupancyVolumeNet

__all__ = [
    'OccupancyDepthNet',
    'OccupancyHeightNet',
    'OccupancyHistory',
    'OccupancyImageLoss',
    'OccupancyLift',
    'OccupancyPull',
    'OccupancySplat',
    'OccupancyTopDownNeck',
    'OccupancyViews',
    'OccupancyVolumeNet',
    'OccupancyVoxelHead',
]
