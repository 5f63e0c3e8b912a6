"""OccupancyLift, a family of models with the geometry of cameras built in."""

from project.models.lift.depth import OccupancyDepthNet
from project.models.lift.flow_head import OccupancyFlowHead
from project.models.lift.image_loss import OccupancyImageLoss
from project.models.lift.instance_head import OccupancyInstanceHead
from project.models.lift.neck import OccupancyTopDownNeck
from project.models.lift.occupancy_lift import OccupancyLift
from project.models.lift.temporal_fusion import OccupancyHistory
from project.models.lift.view import OccupancyPull, OccupancySplat, OccupancyViews
from project.models.lift.volume import OccupancyHeightNet, OccupancyVolumeNet
from project.models.lift.voxel_head import OccupancyVoxelHead

__all__ = [
    'OccupancyDepthNet',
    'OccupancyFlowHead',
    'OccupancyHeightNet',
    'OccupancyHistory',
    'OccupancyImageLoss',
    'OccupancyInstanceHead',
    'OccupancyLift',
    'OccupancyPull',
    'OccupancySplat',
    'OccupancyTopDownNeck',
    'OccupancyViews',
    'OccupancyVolumeNet',
    'OccupancyVoxelHead',
]
