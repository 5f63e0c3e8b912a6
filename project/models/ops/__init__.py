"""The two operators of the model that torch does not have, each with several interchangeable implementations."""

from project.models.ops.deformable_attention import deformable_attention
from project.models.ops.deformable_convolution import ModulatedDeformableConv2d, deformable_convolution

__all__ = ['ModulatedDeformableConv2d', 'deformable_attention', 'deformable_convolution']
