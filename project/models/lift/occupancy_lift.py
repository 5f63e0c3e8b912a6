"""OccupancyLift: surround-view images in, a label for every voxel out, with the geometry built in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.grid import VoxelGrid
from project.models.build import build
from project.models.detector import OccupancyDetector
from project.models.evaluating import evaluating
from project.models.geometry import motions_between
from project.models.lift.depth import Lifted
from project.models.lift.temporal_fusion import FrameMemory
from project.models.metainfo import stacked_metainfo, to_device
from project.models.ops.pull import Space

KEPT_FRAMES = 8
"""Number of frames whose volumes are cached for later frames."""


@MODELS.register_module()
class OccupancyLift(OccupancyDetector):
    """Image network, depth net, view transform, network over the volume, heads.

    Inputs are ``inputs['imgs']``, (B, N, 3, H, W), and data samples with the metainfo ``lidar2img``, (N, 4, 4)
    homogeneous pixels from the grid's frame. To train, samples have ``gt_occupancy``; where all of them have
    ``gt_depths`` and ``gt_image_semantics`` as well, there are losses in the images of the present frame. Further heads
    have targets of their own.

    With a history, images are (B, T, N, 3, H, W), the oldest of T frames first, ``lidar2img`` is (T, N, 4, 4), and
    there are ``global_from_grid``, (T, 4, 4) float64, ``frame_exists``, (T,) bool, and, for predictions that cache
    volumes of frames, ``frame_tokens``, T names of frames. Where :meth:`keeps` says so, the images of the present frame
    are enough, (B, 1, N, 3, H, W).

    To train with a history, a batch may also hold consecutive keyframes with their own images only, (B, N, 3, H, W),
    and ``lidar2img`` and ``global_from_grid`` of these. Then the earlier frames of a sample are those samples of the
    batch that ``frame_tokens`` name; what is not in the batch is ignored, as before the start of a scene. Each frame is
    computed once for its own losses and for those after it.

    Args:
        img_backbone, img_neck, depth_net, view, volume, head: modules, or their configs.
        grid: voxels of the output; a VoxelGrid or the arguments of ``VoxelGrid.from_range``. The configs of volume and
            head need not repeat it.
        image_loss: image losses, as module or config; None for none.
        history: fusion of earlier frames, as module or config; None for a model of one frame.
        extra_heads: heads for more than labels by name, as modules or configs, such as ``OccupancyFlowHead``.
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
        history: nn.Module | dict | None = None,
        extra_heads: Mapping[str, nn.Module | dict] | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(data_preprocessor, init_cfg)
        self.grid = VoxelGrid.of(grid)
        self.img_backbone = build(img_backbone)
        self.img_neck = build(img_neck)
        self.depth_net = build(depth_net, extent=self.grid.extent)
        self.view = build(view)
        channels = self.view.out_channels(self.depth_net.context.out_channels)
        self.history = None if history is None else build(history, grid=self.grid, in_channels=channels)
        channels = channels if self.history is None else self.history.out_channels
        self.volume = build(volume, grid=self.grid, in_channels=channels)
        self.head = build(head, grid=self.grid, in_channels=self.volume.out_channels)
        self.image_loss = None if image_loss is None else build(image_loss, bins=self.depth_net.bins)
        self.extra_heads = nn.ModuleDict(
            {
                name: build(each, grid=self.grid, in_channels=self.volume.out_channels)
                for name, each in (extra_heads or {}).items()
            }
        )
        self._memory = FrameMemory(KEPT_FRAMES)

    def train(self, mode: bool = True) -> 'OccupancyLift':
        """Switch between training and evaluation; volumes cached with other weights are dropped."""
        self._memory.clear()
        return super().train(mode)

    def loss(self, inputs: dict[str, Tensor], data_samples: Sequence, **kwargs) -> dict[str, Tensor]:
        """Losses by name.

        Raises:
            ValueError: a sample lacks what a head is trained on.
        """
        names = ['gt_occupancy', *(name for head in self.extra_heads.values() for name in head.targets)]
        if missing := [name for name in names if any(name not in sample for sample in data_samples)]:
            raise ValueError(
                f'the data samples have no {" and no ".join(missing)}, which this model is trained on: the training '
                'pipeline must load it (options of LoadOccupancyLabels)'
            )
        if self.image_loss is not None and all('gt_depths' in sample for sample in data_samples):
            names += ['gt_depths', 'gt_image_semantics']
        device = inputs['imgs'].device
        targets = [torch.stack([getattr(sample, name).to(device) for sample in data_samples]) for name in names]
        return self._compute(self._losses, inputs, data_samples, *targets)

    def _predictions(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        predictions = super()._predictions(outputs)
        for head in self.extra_heads.values():
            predictions.update(head.predict(outputs, predictions['pred_occupancy']))
        return predictions

    def _compute(self, compute: Callable, inputs: dict[str, Tensor], data_samples: Sequence, *targets: Tensor) -> Any:
        """Run ``_outputs`` or ``_losses`` on a batch."""
        images = inputs['imgs']
        matrices = to_device(stacked_metainfo(data_samples, 'lidar2img'), images.device)
        if self.history is None:
            return self._run(compute, images, matrices, *targets)
        if images.dim() == 5:
            if compute != self._losses:
                raise ValueError('this model predicts from earlier frames as well: leave earlier_images of the data on')
            earlier = self.find_earlier(data_samples, images.device)
            return self._run(self._losses_within, images, matrices, *earlier, *targets)
        now = images[:, -1], matrices[:, -1]
        if compute == self._losses:
            past = self.remember(images[:, :-1], matrices[:, :-1], data_samples)
            return self._run(self._losses_after, *now, *past, *targets)
        # The present comes first: it stands in for frames before the start of the scene.
        volume = self._kept(*now, [_name(sample, -1) for sample in data_samples])
        past = self.remember(images[:, :-1], matrices[:, :-1], data_samples)
        return self._run(self._outputs_of, volume, *past)

    def _run(self, compute: Callable, *tensors: Tensor) -> Any:
        """Compute, with a CUDA graph if possible; the next call of the same kind overwrites the results."""
        return self._graphs(compute, tensors) if self._graphs.usable(tensors[0]) else compute(*tensors)

    def _logits(self, images: Tensor, image_from_grid: Tensor) -> Tensor:
        return self.head(self.volume(self._frame_volume(images, image_from_grid)))

    def _outputs(self, images: Tensor, image_from_grid: Tensor) -> dict[str, Tensor]:
        return self._outputs_of(self._frame_volume(images, image_from_grid))

    def _outputs_of(self, volume: Tensor, *past: Tensor) -> dict[str, Tensor]:
        """Outputs of a frame's (B, Z, X, Y, C) volume, and of what ``remember`` returns."""
        return self._outputs_of_fused(self._fused(volume, *past))

    def _fused(self, volume: Tensor, *past: Tensor) -> Tensor:
        if not past or self.history is None:
            return volume
        *volumes, motions, exists = past
        return self.history(volume, volumes, motions, exists)

    def _outputs_of_fused(self, volume: Tensor) -> dict[str, Tensor]:
        features = self.volume(volume)
        outputs = {'logits': self.head(features)}
        for head in self.extra_heads.values():
            outputs.update(head(features))
        return outputs

    def _losses(self, images: Tensor, image_from_grid: Tensor, *targets: Tensor) -> dict:
        lifted, volume = self._lifted_volume(images, image_from_grid)
        return self._losses_of(lifted, volume, targets)

    def _losses_after(self, images: Tensor, image_from_grid: Tensor, *others: Tensor) -> dict:
        """Losses with earlier frames: what ``remember`` returns comes before the targets."""
        count = self.history.frames + 2
        lifted, volume = self._lifted_volume(images, image_from_grid)
        return self._losses_of(lifted, self._fused(volume, *others[:count]), others[count:])

    def _losses_within(
        self, images: Tensor, image_from_grid: Tensor, rows: Tensor, motions: Tensor, exists: Tensor, *targets: Tensor
    ) -> dict:
        """Losses with earlier frames that are in the same batch: what ``find_earlier`` returns."""
        lifted, volume = self._lifted_volume(images, image_from_grid)
        return self._losses_of(lifted, self.history.within(volume, rows, motions, exists), targets)

    def _losses_of(self, lifted: Lifted, fused: Tensor, targets: Sequence[Tensor]) -> dict:
        outputs = self._outputs_of_fused(fused)
        labels, *others = targets
        losses = self.head.loss(outputs['logits'], labels)
        for head in self.extra_heads.values():
            count = len(head.targets)
            losses = {**losses, **head.loss(outputs, labels, *others[:count])}
            others = others[count:]
        if self.image_loss is not None and others:
            losses = {**losses, **self.image_loss(lifted, *others)}
        return losses

    def _lifted_volume(self, images: Tensor, image_from_grid: Tensor) -> tuple[Lifted, Tensor]:
        """Pixels of one frame, and its (B, Z, X, Y, C) volume."""
        lifted = self.lift_images(images, image_from_grid)
        return lifted, self.fill_volume(lifted, images, image_from_grid)

    def _frame_volume(self, images: Tensor, image_from_grid: Tensor) -> Tensor:
        """(B, Z, X, Y, C) volume of one frame."""
        return self._lifted_volume(images, image_from_grid)[1]

    def find_earlier(self, data_samples: Sequence, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Where the earlier frames of each sample are in the same batch.

        Args:
            data_samples: B keyframes, each of which names T frames and has its own pose.
            device: of what is returned.

        Returns:
            (B, T - 1) int64 samples, oldest first, (B, T - 1, 4, 4) motions from each sample's frame to theirs, and
            (B, T - 1) bool, whether they are there; where not, the sample itself stands in.

        Raises:
            ValueError: there are more or fewer frames than the history is for.
        """
        names = stacked_metainfo(data_samples, 'frame_tokens').tolist()
        self._check_length(len(names[0]) - 1)
        found = {present: row for row, (*_, present) in reversed(list(enumerate(names)))}
        rows = np.array([[found.get(name, -1) for name in earlier] for *earlier, _ in names])
        exists = (rows >= 0) & stacked_metainfo(data_samples, 'frame_exists')[:, :-1]
        rows = np.where(exists, rows, np.arange(len(rows))[:, None])
        poses = stacked_metainfo(data_samples, 'global_from_grid')[:, -1]
        motions = to_device(motions_between(poses[rows], poses[:, None]), device)
        return to_device(rows, device), motions, to_device(exists, device)

    def _check_length(self, earlier: int) -> None:
        if earlier != self.history.frames:
            raise ValueError(
                f'the data has {earlier} earlier frames and the model history.frames={self.history.frames}: '
                "make the dataset's queue_length one more than that"
            )

    @torch.no_grad()
    def remember(self, images: Tensor, image_from_grid: Tensor, data_samples: Sequence) -> tuple[Tensor, ...]:
        """Volumes of the earlier frames, without gradients and in evaluation mode.

        Args:
            images: (B, T - 1, N, 3, H, W), oldest first, or (B, 0, N, 3, H, W) if all are cached.
            image_from_grid: (B, T - 1, N, 4, 4).
            data_samples: give the poses of the frames, and which exist.

        Returns:
            T - 1 volumes (B, Z, X, Y, C), (B, T - 1, 4, 4) motions from the present to each frame, (B, T - 1) bool.

        Raises:
            ValueError: there are more or fewer frames than the history is for.
        """
        frames = image_from_grid.shape[1]
        self._check_length(frames)
        poses = stacked_metainfo(data_samples, 'global_from_grid')
        motions = to_device(motions_between(poses[:, :-1], poses[:, -1:]), images.device)
        exists = to_device(stacked_metainfo(data_samples, 'frame_exists')[:, :-1], images.device)
        # While weights are trained, the volume of a frame changes, so it is not cached.
        names = [None if self.training else _name(sample, t) for sample in data_samples for t in range(frames)]
        if images.shape[1] != frames and not all(name in self._memory for name in names):
            raise ValueError(f'{images.shape[1]} of {frames} earlier frames have images, and not all others are cached')
        with evaluating(self):
            # All at once, so that a queue is one computation, and not a graph for each number of frames.
            volumes = self._kept(images.flatten(0, 1), image_from_grid.flatten(0, 1), names)
        return *volumes.unflatten(0, (-1, frames)).unbind(1), motions, exists

    def _kept(self, images: Tensor, image_from_grid: Tensor, names: list) -> Tensor:
        """(B, Z, X, Y, C) volumes of B frames; those of named frames are computed once."""
        if torch.is_grad_enabled() or None in names:
            return self._run(self._frame_volume, images, image_from_grid).clone()
        return self._memory.get(names, lambda rows: self._run(self._frame_volume, images[rows], image_from_grid[rows]))

    def lift_images(self, images: Tensor, image_from_grid: Tensor) -> Lifted:
        """Depth, class and features of the pixels of (B, N, 3, H, W) images, given (B, N, 4, 4) projections."""
        features = self.extract_feat(images)
        return self.depth_net(features, image_from_grid, images.shape[-2:])

    def extract_feat(self, images: Tensor) -> Tensor:
        """(B, N, C, h, w) features of (B, N, 3, H, W) images."""
        x = images.flatten(0, 1)
        if x.is_cuda:
            x = x.contiguous(memory_format=torch.channels_last)
        return self.img_neck(self.img_backbone(x)).unflatten(0, images.shape[:2])

    def fill_volume(self, lifted: Lifted, images: Tensor, image_from_grid: Tensor) -> Tensor:
        """(B, Z, X, Y, C) features of the voxels, lifted from pixels."""
        space = Space(self.grid, self.depth_net.bins, tuple(images.shape[-2:]))
        return self.view(lifted, image_from_grid, space)

    def keeps(self, earlier: Sequence, present: Any) -> bool:
        """Whether predictions need no images of the earlier frames, given the names of these and of the present one."""
        return self.history is not None and all(name == present or name in self._memory for name in earlier)

    def forget(self) -> None:
        """Drop the cached frames."""
        self._memory.clear()

    def _apply(self, fn: Callable, recurse: bool = True) -> 'OccupancyLift':
        """Move or convert the model, and drop graphs and volumes of frames."""
        super()._apply(fn, recurse)
        self._memory.clear()
        return self


def _name(sample: Any, frame: int) -> str | None:
    """The name of a frame of a sample."""
    names = sample.metainfo.get('frame_tokens')
    return None if names is None else names[frame]
