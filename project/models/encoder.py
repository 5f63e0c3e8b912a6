"""BEVFormer's encoder (Li et al., ECCV 2022): from image features of all cameras to a bird's-eye view."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.grid import VoxelGrid
from project.models.build import build
from project.models.geometry import align, baseline_pillar_anchors, pillar_anchors, project
from project.models.views import CameraViews, most_seen


class History(NamedTuple):
    """The bird's-eye view of the previous frame.

    Attributes:
        bev: (B, C, X, Y) bird's-eye view of the previous frame, in its own coordinates.
        previous_from_current: (B, 4, 4) motion of the grid's frame.
        exists: (B,) bool, False for samples at the start of their scene; their `bev` is ignored.
    """

    bev: Tensor
    previous_from_current: Tensor
    exists: Tensor


@MODELS.register_module()
class OccupancyEncoderLayer(nn.Module):
    """Self-attention, cross-attention and a feed-forward network, each followed by a norm.

    Args:
        self_attention, cross_attention: modules, or their configs.
        embed_dims: channels of a query.
        feedforward_dims: hidden channels of the feed-forward network.
        dropout: within the feed-forward network.
    """

    def __init__(
        self,
        self_attention: nn.Module | dict,
        cross_attention: nn.Module | dict,
        embed_dims: int = 256,
        feedforward_dims: int = 512,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.self_attention = build(self_attention)
        self.cross_attention = build(cross_attention)
        self.feedforward = nn.Sequential(
            nn.Linear(embed_dims, feedforward_dims),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(feedforward_dims, embed_dims),
            nn.Dropout(dropout),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dims) for _ in range(3))

    def forward(self, query: Tensor, to_view: dict, to_images: dict) -> Tensor:
        """Refine (B, Q, C) queries; the other arguments are those of the self-attention and of the cross-attention."""
        query = self.norms[0](self.self_attention(query, **to_view))
        query = self.norms[1](self.cross_attention(query, **to_images))
        return self.norms[2](query + self.feedforward(query))


@MODELS.register_module()
class OccupancyEncoder(nn.Module):
    """Learned queries, one for each cell of the ground, that collect image features layer by layer.

    Args:
        layers: modules, or their configs.
        grid: voxels over the cells; ``grid.shape[:2]`` is (X, Y). A VoxelGrid or the arguments of
            ``VoxelGrid.from_range``.
        embed_dims: channels C of queries and image features.
        num_cameras: largest number of cameras N; each has its own embedding. With fewer cameras the first embeddings
            are used.
        num_levels: levels of image features.
        baseline_compatible: compute like the baseline, for its checkpoints: query [i, j] stands for the i-th cell along
            y and the j-th along x, and position embeddings are scrambled and not used in the self-attention.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module | dict],
        grid: VoxelGrid | dict,
        embed_dims: int = 256,
        num_cameras: int = 6,
        num_levels: int = 4,
        baseline_compatible: bool = False,
    ):
        super().__init__()
        self.grid = VoxelGrid.of(grid)
        self.shape = self.grid.shape[:2]
        self.baseline_compatible = baseline_compatible
        self.layers = nn.ModuleList(build(layer) for layer in layers)
        self.queries = nn.Parameter(torch.randn(self.shape[0] * self.shape[1], embed_dims))
        self.position = PositionEmbedding(self.shape, embed_dims)
        self.camera_embed = nn.Parameter(torch.randn(num_cameras, embed_dims))
        self.level_embed = nn.Parameter(torch.randn(num_levels, embed_dims))
        anchors = baseline_pillar_anchors if baseline_compatible else pillar_anchors
        points = anchors(self.grid, self.layers[0].cross_attention.num_anchors)
        self.register_buffer('anchors', torch.from_numpy(points).flatten(0, 1).float(), persistent=False)
        self.register_buffer('reference', _cell_centres(self.shape), persistent=False)

    def forward(
        self,
        features: Sequence[Tensor],
        image_from_grid: Tensor,
        image_shape: tuple[int, int],
        history: History | None = None,
        capacity: int | None = None,
    ) -> Tensor:
        """Collect image features.

        Args:
            features: one (B, N, C, h, w) tensor for each level.
            image_from_grid: (B, N, 4, 4) homogeneous pixels from the grid's frame.
            image_shape: rows and columns of the images that the features come from, padding included.
            history: the previous view; not with `baseline_compatible`.
            capacity: number of queries to compute in each camera, at least ``most_seen``, which is the default.

        Returns:
            (B, C, X, Y) bird's-eye view.

        Raises:
            ValueError: there are more cameras than the encoder was built for, or another number of levels; or images
                and projections are of different numbers of cameras.
        """
        query = self.queries.expand(len(image_from_grid), -1, -1)
        position = self._position()
        to_images = {
            'position': position,
            'features': self._flatten(features, image_from_grid.shape[1]),
            'shapes': [level.shape[-2:] for level in features],
            'views': CameraViews.of(*project(self.anchors, image_from_grid, image_shape), capacity),
        }
        to_view = {
            'position': None if self.baseline_compatible else position,
            'reference': self.reference,
            'shape': self.shape,
            **self._past(history),
        }
        for layer in self.layers:
            query = layer(query, to_view, to_images)
        return query.transpose(1, 2).unflatten(2, self.shape)

    def most_seen(self, image_from_grid: Tensor, image_shape: tuple[int, int]) -> Tensor:
        """() int64, the most queries that any camera sees; the least `capacity` for these cameras."""
        return most_seen(project(self.anchors, image_from_grid, image_shape)[1])

    def _position(self) -> Tensor:
        embedding = self.position()
        if self.baseline_compatible:
            return embedding.permute(2, 0, 1).reshape(len(self.queries), -1)
        return embedding.flatten(0, 1)

    def _flatten(self, features: Sequence[Tensor], projections: int) -> Tensor:
        cameras, most = features[0].shape[1], len(self.camera_embed)
        if cameras != projections:
            raise ValueError(f'the images are of {cameras} cameras, and the projections of {projections}')
        if cameras > most:
            raise ValueError(
                f'the images are of {cameras} cameras, and the encoder was built for {most}: set '
                f'model.encoder.num_cameras={cameras}, or choose cameras of the dataset'
            )
        if len(features) != len(self.level_embed):
            raise ValueError(f'{len(features)} levels of features; the encoder was built for {len(self.level_embed)}')
        embeddings = (self.camera_embed[:cameras] + self.level_embed[:, None])[:, :, None].to(features[0].dtype)
        flat = [level.flatten(3).transpose(2, 3) for level in features]
        return torch.cat([level + embedding for level, embedding in zip(flat, embeddings, strict=True)], dim=2)

    def _past(self, history: History | None) -> dict[str, Tensor]:
        if history is None:
            return {}
        if self.baseline_compatible:
            raise ValueError('the baseline has no history: use baseline_compatible=False with queue_length > 1')
        past, inside = align(history.bev, history.previous_from_current, self.grid)
        known = inside & history.exists[:, None, None]
        return {'past': past.flatten(2).transpose(1, 2), 'known': known.flatten(1)}


class PositionEmbedding(nn.Module):
    """A learned embedding of each cell: half of the channels encode the column, half the row.

    Args:
        shape: rows and columns.
        embed_dims: channels C.
    """

    def __init__(self, shape: tuple[int, int], embed_dims: int):
        super().__init__()
        self.row_embed = nn.Parameter(torch.rand(shape[0], embed_dims // 2))
        self.column_embed = nn.Parameter(torch.rand(shape[1], embed_dims // 2))

    def forward(self) -> Tensor:
        """(rows, columns, C)."""
        rows, columns = len(self.row_embed), len(self.column_embed)
        across = self.column_embed.expand(rows, -1, -1)
        down = self.row_embed[:, None].expand(-1, columns, -1)
        return torch.cat([across, down], dim=-1)


def _cell_centres(shape: tuple[int, int]) -> Tensor:
    """(rows * columns, 2) float32 centres (column, row) in fractions of a map."""
    rows, columns = ((torch.arange(count) + 0.5) / count for count in shape)
    return torch.stack(torch.meshgrid(columns, rows, indexing='xy'), dim=-1).flatten(0, 1)
