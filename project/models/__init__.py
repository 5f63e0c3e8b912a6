"""Occupancy-BEVFormer and OccupancyLift: plain torch modules, which importing this package registers with mmdet3d."""

from project.models.attention import OccupancySpatialAttention, OccupancyTemporalAttention
from project.models.encoder import OccupancyEncoder, OccupancyEncoderLayer
from project.models.fpn import OccupancyFPN
from project.models.head import OccupancyHead
from project.models.lift import (
    OccupancyDepthNet,
    OccupancyFlowHead,
    OccupancyHeightNet,
    OccupancyHistory,
    OccupancyImageLoss,
    OccupancyInstanceHead,
    OccupancyLift,
    OccupancyPull,
    OccupancySplat,
    OccupancyTopDownNeck,
    OccupancyViews,
    OccupancyVolumeNet,
    OccupancyVoxelHead,
)
from project.models.losses import OccupancyCrossEntropy, OccupancyGeometryLoss, OccupancyLovaszSoftmax
from project.models.occupancy_bevformer import OccupancyBEVFormer
from project.models.ops import ModulatedDeformableConv2d
from project.models.resnet import OccupancyResNet
from project.models.timm_backbone import OccupancyTimmBackbone

__all__ = [
    'ModulatedDeformableConv2d',
    'OccupancyBEVFormer',
    'OccupancyCrossEntropy',
    'OccupancyDepthNet',
    'OccupancyEncoder',
    'OccupancyEncoderLayer',
    'OccupancyFPN',
    'OccupancyFlowHead',
    'OccupancyGeometryLoss',
    'OccupancyHead',
    'OccupancyHeightNet',
    'OccupancyHistory',
    'OccupancyImageLoss',
    'OccupancyInstanceHead',
    'OccupancyLift',
    'OccupancyLovaszSoftmax',
    'OccupancyPull',
    'OccupancyResNet',
    'OccupancySpatialAttention',
    'OccupancySplat',
    'OccupancyTemporalAttention',
    'OccupancyTimmBackbone',
    'OccupancyTopDownNeck',
    'OccupancyViews',
    'OccupancyVolumeNet',
    'OccupancyVoxelHead',
]
