"""The attentions of BEVFormer (Li et al., ECCV 2022): temporal self-attention and spatial cross-attention."""

import math

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.models.constants import constant
from project.models.ops import deformable_attention
from project.models.ops.deformable_attention import Shapes
from project.models.views import CameraViews


@MODELS.register_module()
class OccupancyTemporalAttention(nn.Module):
    """Deformable attention of each cell of the bird's-eye view to the previous and the current view.

    Where there is no previous view, in all or in single cells, the current view is used instead.

    Args:
        embed_dims: channels C of a query.
        num_heads: attention heads.
        num_points: points that a head samples in each of the two views.
        dropout: of the output.
    """

    def __init__(self, embed_dims: int = 256, num_heads: int = 8, num_points: int = 4, dropout: float = 0.1):
        super().__init__()
        self.num_heads, self.num_points = num_heads, num_points
        samples = num_heads * 2 * num_points
        self.sampling_offsets = nn.Linear(2 * embed_dims, 2 * samples)
        self.attention_weights = nn.Linear(2 * embed_dims, samples)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)
        _initialise(self, _rays(num_heads, 2, num_points))
        nn.init.xavier_uniform_(self.output_proj.weight)
        nn.init.zeros_(self.output_proj.bias)

    def forward(
        self,
        query: Tensor,
        position: Tensor | None,
        reference: Tensor,
        shape: tuple[int, int],
        past: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            query: (B, Q, C) queries, row by row.
            position: (Q, C) position embedding, or None.
            reference: (Q, 2) cell centres in fractions of the view (column, row).
            shape: rows and columns of the view.
            past: (B, Q, C) earlier features, aligned with the present cells.
            known: (B, Q) bool, cells for which `past` holds something.

        Returns:
            (B, Q, C): `query` plus the result of the attention.
        """
        batch, queries, _ = query.shape
        placed = query if position is None else query + position
        if past is None:
            past, views = query, [query]  # one view, sampled for both
        else:
            past = torch.where(known[..., None], past, query)
            views = [past, query]
        asking = torch.cat([past, placed], dim=-1)
        layout = (batch, queries, self.num_heads, 2, self.num_points)
        offsets = self.sampling_offsets(asking).view(*layout, 2).float()
        weights = self.attention_weights(asking).view(layout).softmax(-1) / 2  # the mean of both views
        size = constant((shape[1], shape[0]), offsets.device)
        locations = reference[:, None, None, None] + offsets / size
        if len(views) == 1:
            locations, weights = locations.flatten(3, 4).unsqueeze(3), weights.flatten(3).unsqueeze(3)
        value = self.value_proj(torch.cat(views, dim=1)).unflatten(-1, (self.num_heads, -1))
        attended = deformable_attention(value, [shape] * len(views), locations, weights)
        return query + self.dropout(self.output_proj(attended))


@MODELS.register_module()
class OccupancySpatialAttention(nn.Module):
    """Deformable attention of each cell to the images, around the projected anchors of its pillar.

    Args:
        embed_dims: channels C of queries and image features.
        num_heads: attention heads.
        num_levels: levels of image features.
        num_anchors: anchors P a pillar.
        points_per_anchor: points that a head samples around an anchor on each level.
        dropout: of the output.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_levels: int = 4,
        num_anchors: int = 8,
        points_per_anchor: int = 4,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.num_anchors = num_anchors
        self.sampling = AnchorSampling(embed_dims, num_heads, num_levels, num_anchors, points_per_anchor)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.output_proj.weight)
        nn.init.zeros_(self.output_proj.bias)

    def forward(self, query: Tensor, position: Tensor, features: Tensor, shapes: Shapes, views: CameraViews) -> Tensor:
        """Attend.

        Args:
            query: (B, Q, C).
            position: (Q, C) position embedding.
            features: (B, N, S, C) image features of all levels, flattened.
            shapes: rows and columns of each level.
            views: the queries that each camera sees.

        Returns:
            (B, Q, C): `query` plus the mean over the cameras that see it.
        """
        asking = views.pick(query + position)
        sampled = self.sampling(asking.flatten(0, 1), views.places.flatten(0, 1), features.flatten(0, 1), shapes)
        average = views.average(sampled.view(*asking.shape[:3], -1))
        return query + self.dropout(self.output_proj(average))


class AnchorSampling(nn.Module):
    """Multi-scale deformable attention with several reference points a query; arguments as above."""

    def __init__(self, embed_dims: int, num_heads: int, num_levels: int, num_anchors: int, points_per_anchor: int):
        super().__init__()
        self.layout = (num_heads, num_levels, points_per_anchor, num_anchors)
        samples = math.prod(self.layout)
        self.sampling_offsets = nn.Linear(embed_dims, 2 * samples)
        self.attention_weights = nn.Linear(embed_dims, samples)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        rays = _rays(num_heads, num_levels, points_per_anchor)[:, :, :, None].expand(*self.layout, 2)
        _initialise(self, rays)

    def forward(self, query: Tensor, places: Tensor, features: Tensor, shapes: Shapes) -> Tensor:
        """(B, M, C) of (B, M, C) queries, (B, M, P, 2) anchors in fractions of the image, and (B, S, C) features."""
        heads, levels, points, anchors = self.layout
        offsets = self.sampling_offsets(query).unflatten(-1, (*self.layout, 2))
        pixels = constant(tuple((1 / columns, 1 / rows) for rows, columns in shapes), offsets.device)[:, None, None]
        locations = torch.addcmul(places[:, :, None, None, None], offsets, pixels).flatten(4, 5)
        weights = self.attention_weights(query).unflatten(-1, (heads, levels * points * anchors)).softmax(-1)
        weights = weights.unflatten(-1, (levels, points * anchors))
        value = self.value_proj(features).unflatten(-1, (heads, -1))
        return deformable_attention(value, shapes, locations, weights)


def _rays(heads: int, levels: int, points: int) -> Tensor:
    """(heads, levels, points, 2) offsets in pixels: a direction for each head, the k-th point k + 1 pixels out."""
    angles = torch.arange(heads) * (2 * math.pi / heads)
    directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
    directions = directions / directions.abs().amax(-1, keepdim=True)
    steps = torch.arange(1, points + 1)
    return (directions[:, None, None] * steps[:, None]).repeat(1, levels, 1, 1)


def _initialise(attention: nn.Module, rays: Tensor) -> None:
    """Start with fixed points of equal weight, like Deformable DETR."""
    nn.init.zeros_(attention.sampling_offsets.weight)
    attention.sampling_offsets.bias.data.copy_(rays.flatten())
    nn.init.zeros_(attention.attention_weights.weight)
    nn.init.zeros_(attention.attention_weights.bias)
    nn.init.xavier_uniform_(attention.value_proj.weight)
    nn.init.zeros_(attention.value_proj.bias)
