"""OccupancyLift: surround-view images in, a label for every voxel out, with the geometry built in."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmdet3d.models import Base3DDetector
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.grid import VoxelGrid
from project.models.build import build
from project.models.graphs import Graphs
from project.models.lift.depth import Lifted
from project.models.metainfo import stacked_metainfo, to_device
from project.models.ops.pull import Space


@MODELS.register_module()
class OccupancyLift(Base3DDetector):
    """Image network, depth net, view transform, network over the volume, head.

    Inputs are ``inputs['imgs']``, (B, N, 3, H, W), and data samples with the metainfo ``lidar2img``, (N, 4, 4)
    homogeneous pixels from the grid's frame. To train, samples have ``gt_occupancy``; where all of them have
    ``gt_depths`` and ``gt_image_semantics`` as well, there are losses in the images.

    Args:
        img_backbone, img_neck, depth_net, view, volume, head: modules, or their configs.
        grid: voxels of the output; a VoxelGrid or the arguments of ``VoxelGrid.from_range``. The configs of volume and
            head need not repeat it.
        image_loss: losses in the images, as module or config; None for none.
        data_preprocessor, init_cfg: as in every mmdet3d detector.
    """

    def __init__(
        self,
        img_backbone: nn.Module | dict,
        img_neck: nn.Module | dict,
        depth_net: nn.Module | dict,
        view: nn.Module | dict,
        volume: nn.Module | dict,
        head: nn.Module | dict,
        grid: VoxelGrid | dict,
        image_loss: nn.Module | dict | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(data_preprocessor, init_cfg)
        self.grid = VoxelGrid.of(grid)
        self.img_backbone = build(img_backbone)
        self.img_neck = build(img_neck)
        self.depth_net = build(depth_net, extent=self.grid.extent)
        self.view = build(view)
        self.volume = build(
            volume, grid=self.grid, in_channels=self.view.out_channels(self.depth_net.context.out_channels)
        )
        self.head = build(head, grid=self.grid, in_channels=self.volume.out_channels)
        self.image_loss = None if image_loss is None else build(image_loss, bins=self.depth_net.bins)
        self._graphs = Graphs(self)

    def loss(self, inputs: dict[str, Tensor], data_samples: Sequence, **kwargs) -> dict[str, Tensor]:
        """Losses by name."""
        names = ['gt_occupancy']
        if self.image_loss is not None and all('gt_depths' in sample for sample in data_samples):
            names += ['gt_depths', 'gt_image_semantics']
        device = inputs['imgs'].device
        targets = [torch.stack([getattr(sample, name).to(device) for sample in data_samples]) for name in names]
        return self._compute(self._losses, inputs, data_samples, *targets)

    def predict(self, inputs: dict[str, Tensor], data_samples: Sequence, **kwargs) -> Sequence:
        """The data samples, each with its ``pred_occupancy``: (X, Y, Z) uint8 labels."""
        labels = self._compute(self._logits, inputs, data_samples).argmax(1).to(torch.uint8)
        for sample, prediction in zip(data_samples, labels, strict=True):
            sample.pred_occupancy = prediction
        return data_samples

    def _forward(self, inputs: dict[str, Tensor], data_samples: Sequence, **kwargs) -> Tensor:
        """(B, classes, X, Y, Z) logits."""
        return self._compute(self._logits, inputs, data_samples).clone()  # a graph writes to the same place each time

    def _compute(self, compute: Callable, inputs: dict[str, Tensor], data_samples: Sequence, *targets: Tensor) -> Any:
        """What ``_logits`` or ``_losses`` make of a batch, by a CUDA graph where that can be."""
        images = inputs['imgs']
        tensors = images, to_device(stacked_metainfo(data_samples, 'lidar2img'), images.device), *targets
        return self._graphs(compute, tensors) if self._graphs.usable(images) else compute(*tensors)

    def _logits(self, images: Tensor, image_from_grid: Tensor) -> Tensor:
        lifted = self.look(images, image_from_grid)
        return self.head(self.volume(self.bring(lifted, images, image_from_grid)))

    def _losses(self, images: Tensor, image_from_grid: Tensor, target: Tensor, *image_targets: Tensor) -> dict:
        lifted = self.look(images, image_from_grid)
        logits = self.head(self.volume(self.bring(lifted, images, image_from_grid)))
        losses = self.head.loss(logits, target)
        return {**losses, **self.image_loss(lifted, *image_targets)} if image_targets else losses

    def look(self, images: Tensor, image_from_grid: Tensor) -> Lifted:
        """What is known of the pixels of (B, N, 3, H, W) images, given (B, N, 4, 4) projections."""
        features = self.extract_feat(images)
        return self.depth_net(features, image_from_grid, images.shape[-2:])

    def extract_feat(self, images: Tensor) -> Tensor:
        """(B, N, C, h, w) features of (B, N, 3, H, W) images."""
        x = images.flatten(0, 1)
        if x.is_cuda:
            x = x.contiguous(memory_format=torch.channels_last)
        return self.img_neck(self.img_backbone(x)).unflatten(0, images.shape[:2])

    def bring(self, lifted: Lifted, images: Tensor, image_from_grid: Tensor) -> Tensor:
        """(B, Z, X, Y, C) features of the voxels of what is known of pixels."""
        space = Space(self.grid, self.depth_net.bins, tuple(images.shape[-2:]))
        return self.view(lifted, image_from_grid, space)

    def _apply(self, fn: Callable, recurse: bool = True) -> 'OccupancyLift':
        """Move or convert the model; graphs know the places of before."""
        super()._apply(fn, recurse)
        self._graphs = Graphs(self)
        return self
