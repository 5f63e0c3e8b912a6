"""Occupancy-BEVFormer: plain torch modules that are registered with mmdet3d when this package is imported."""

from project.models.attention import SpatialCrossAttention, TemporalSelfAttention
from project.models.detector import OccupancyBEVFormer
from project.models.encoder import BEVFormerEncoder, BEVFormerLayer
from project.models.head import OccupancyHead
from project.models.losses import LovaszSoftmax, OccupancyCrossEntropy
from project.models.ops import ModulatedDeformableConv2d
from project.models.timm_backbone import TimmBackbone

__all__ = [
    'BEVFormerEncoder',
    'BEVFormerLayer',
    'LovaszSoftmax',
    'ModulatedDeformableConv2d',
    'OccupancyBEVFormer',
    'OccupancyCrossEntropy',
    'OccupancyHead',
    'SpatialCrossAttention',
    'TemporalSelfAttention',
    'TimmBackbone',
]
