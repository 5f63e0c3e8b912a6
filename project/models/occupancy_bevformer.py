"""Occupancy-BEVFormer: surround-view images in, a label for every voxel out."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.grid import VoxelGrid
from project.models.build import build
from project.models.detector import OccupancyDetector
from project.models.encoder import History
from project.models.evaluating import evaluating
from project.models.geometry import motions_between
from project.models.metainfo import stacked_metainfo, to_device


@MODELS.register_module()
class OccupancyBEVFormer(OccupancyDetector):
    """Backbone, neck, encoder and head, with a queue of earlier frames if the data brings one.

    Inputs are ``inputs['imgs']``, (B, N, 3, H, W), or (B, T, N, 3, H, W) with the oldest of T frames first and the
    present one last, and data samples with the metainfo

    - ``lidar2img``: (N, 4, 4), or (T, N, 4, 4) with a queue, homogeneous pixels from the grid's frame of that moment;
    - ``global_from_grid``: (T, 4, 4) float64 pose of the grid's frame, with a queue only;
    - ``frame_exists``: (T,) bool, with a queue only; False for frames before the start of the scene.

    Args:
        img_backbone, img_neck, encoder, head: modules, or their configs; those of encoder and head need not repeat
            `grid` and `baseline_compatible`.
        grid: voxels of the output; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        baseline_compatible: compute like the baseline, including its errors, so that its checkpoints give its
            predictions. (An encoder and a head given as modules must be set up for it.)
        data_preprocessor, init_cfg: as in every mmdet3d detector.
    """

    def __init__(
        self,
        img_backbone: nn.Module | dict,
        img_neck: nn.Module | dict,
        encoder: nn.Module | dict,
        head: nn.Module | dict,
        grid: VoxelGrid | dict,
        baseline_compatible: bool = False,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(data_preprocessor, init_cfg)
        self.grid = VoxelGrid.of(grid)
        self.img_backbone = build(img_backbone)
        self.img_neck = build(img_neck)
        self.encoder = build(encoder, grid=self.grid, baseline_compatible=baseline_compatible)
        self.head = build(head, grid=self.grid, baseline_compatible=baseline_compatible)

    def loss(self, inputs: dict[str, Tensor], data_samples: Sequence, **kwargs) -> dict[str, Tensor]:
        """Losses by name, against each sample's ``gt_occupancy``: (X, Y, Z) integer labels."""
        target = torch.stack([sample.gt_occupancy.to(inputs['imgs'].device) for sample in data_samples])
        return self._compute(self._losses, inputs, data_samples, target)

    def _compute(self, compute: Callable, inputs: dict[str, Tensor], data_samples: Sequence, *target: Tensor) -> Any:
        """Run ``_outputs`` or ``_losses`` on a batch."""
        images = inputs['imgs']
        image_from_grid = to_device(stacked_metainfo(data_samples, 'lidar2img'), images.device)
        if images.dim() == 5:
            return self._run(compute, images, image_from_grid, *target)
        motions, exists = self._motions(data_samples, images.device)
        history = self.remember(images[:, :-1], image_from_grid[:, :-1], motions, exists)
        return self._run(compute, images[:, -1], image_from_grid[:, -1], *target, *history)

    def _run(self, compute: Callable, images: Tensor, image_from_grid: Tensor, *others: Tensor) -> Any:
        """Compute, with a CUDA graph if possible; the next call of the same kind overwrites the results."""
        tensors = images, image_from_grid, *others
        if not self._graphs.usable(images):
            return compute(*tensors)
        return self._graphs(compute, tensors, lambda: self.encoder.most_seen(image_from_grid, images.shape[-2:]))

    def _outputs(self, images: Tensor, image_from_grid: Tensor, *history: Tensor, **options) -> dict[str, Tensor]:
        return {'logits': self._logits(images, image_from_grid, *history, **options)}

    def _logits(self, images: Tensor, image_from_grid: Tensor, *history: Tensor, capacity: int | None = None) -> Tensor:
        return self.head(self.extract_bev(images, image_from_grid, *history, capacity=capacity))

    def _losses(self, images: Tensor, image_from_grid: Tensor, target: Tensor, *history: Tensor, **options) -> dict:
        return self.head.loss(self._logits(images, image_from_grid, *history, **options), target)

    @staticmethod
    def _motions(data_samples: Sequence, device: torch.device) -> tuple[Tensor, Tensor]:
        """(B, T - 1, 4, 4) motion into each frame from the one after it, and (B, T) bool: the frame exists."""
        poses = stacked_metainfo(data_samples, 'global_from_grid')
        motions = to_device(motions_between(poses[:, :-1], poses[:, 1:]), device)
        return motions, to_device(stacked_metainfo(data_samples, 'frame_exists'), device)

    def extract_bev(
        self, images: Tensor, image_from_grid: Tensor, *history: Tensor, capacity: int | None = None
    ) -> Tensor:
        """(B, C, X, Y) bird's-eye view of (B, N, 3, H, W) images.

        Args:
            images, image_from_grid, capacity: as of the encoder.
            history: the parts of a ``History``, or nothing.
        """
        past = History(*history) if history else None
        return self.encoder(self.extract_feat(images), image_from_grid, images.shape[-2:], past, capacity)

    def extract_feat(self, images: Tensor) -> list[Tensor]:
        """One (B, N, C, h, w) tensor for each level, of (B, N, 3, H, W) images."""
        levels = self.img_neck(self.img_backbone(images.flatten(0, 1)))
        return [level.unflatten(0, images.shape[:2]) for level in levels]

    @torch.no_grad()
    def remember(self, images: Tensor, image_from_grid: Tensor, motions: Tensor, exists: Tensor) -> History:
        """Compute the earlier frames one after the other, without gradients and in evaluation mode.

        Args:
            images: (B, T - 1, N, 3, H, W), oldest first.
            image_from_grid: (B, T - 1, N, 4, 4).
            motions: (B, T - 1, 4, 4), each frame from the one after it.
            exists: (B, T) bool.
        """
        # The first frame also gets a previous view, zeros that are marked as missing, so all frames are the same
        # computation.
        queries, shape = self.encoder.queries, tuple(self.encoder.shape)
        nothing = queries.new_zeros((len(images), queries.shape[1], *shape))
        still = torch.eye(4, device=images.device).repeat(len(images), 1, 1)
        history = History(nothing, still, torch.zeros_like(exists[:, 0]))
        with evaluating(self):
            for frame in range(images.shape[1]):
                bev = self._run(self.extract_bev, images[:, frame], image_from_grid[:, frame], *history)
                history = History(bev, motions[:, frame], exists[:, frame])
        return history
