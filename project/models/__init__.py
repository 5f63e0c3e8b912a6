"""Occupancy-BEVFormer: plain torch modules that are registered with mmdet3d when this package is imported."""

from project.models.attention import OccupancySpatialAttention, OccupancyTemporalAttention
from project.models.detector import OccupancyBEVFormer
from project.models.encoder import OccupancyEncoder, OccupancyEncoderLayer
from project.models.fpn import OccupancyFPN
from project.models.head import OccupancyHead
from project.models.losses import OccupancyCrossEntropy, OccupancyLovaszSoftmax
from project.models.ops import ModulatedDeformableConv2d
from project.models.resnet import OccupancyResNet
from project.models.timm_backbone import OccupancyTimmBackbone

__all__ = [
    'ModulatedDeformableConv2d',
    'OccupancyBEVFormer',
    'OccupancyCrossEntropy',
    'OccupancyEncoder',
    'OccupancyEncoderLayer',
    'OccupancyFPN',
    'OccupancyHead',
    'OccupancyLovaszSoftmax',
    'OccupancyResNet',
    'OccupancySpatialAttention',
    'OccupancyTemporalAttention',
    'OccupancyTimmBackbone',
]
