"""Occupancy-BEVFormer: plain torch modules that are registered with mmdet3d when this package is imported."""

from project.models.attention import OccupancySpatialAttention, OccupancyTemporalAttention
from project.models.detector import OccupancyBEVFormer
from project.models.encoder import OccupancyEncoder, OccupancyEncoderLayer
from project.models.head import OccupancyHead
from project.models.losses import OccupancyCrossEntropy, OccupancyLovaszSoftmax
from project.models.ops import ModulatedDeformableConv2d
from project.models.timm_backbone import OccupancyTimmBackbone

__all__ = [
    'ModulatedDeformableConv2d',
    'OccupancyBEVFormer',
    'OccupancyCrossEntropy',
    'OccupancyEncoder',
    'OccupancyEncoderLayer',
    'OccupancyHead',
    'OccupancyLovaszSoftmax',
    'OccupancySpatialAttention',
    'OccupancyTemporalAttention',
    'OccupancyTimmBackbone',
]
