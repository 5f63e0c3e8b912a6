"""Operators of the model that torch lacks, or has only as several operators, with interchangeable implementations."""

from project.models.ops.deformable_attention import deformable_attention
from project.models.ops.deformable_convolution import ModulatedDeformableConv2d, deformable_convolution

__all__ = ['ModulatedDeformableConv2d', 'deformable_attention', 'deformable_convolution']
