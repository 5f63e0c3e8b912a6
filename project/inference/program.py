"""The computation in an exported file: everything from the images as read to the labels."""

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from project.models.geometry import project
from project.models.views import count_seen


class Program(nn.Module):
    """A detector with its preprocessor, as a function of three tensors, for one moment.

    Args:
        model: the detector, in evaluation.
        amp: compute in bfloat16.
    """

    def __init__(self, model: nn.Module, amp: bool = False):
        super().__init__()
        self.model, self.amp = model, amp

    def forward(self, images: Tensor, image_from_grid: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Label every voxel.

        Args:
            images: (N, H, W, 3) uint8 BGR, or float32 of the same values.
            image_from_grid: (N, 4, 4) float32, homogeneous pixels of these images from the grid's frame.
            slots: (M,) int64; its length is the number of queries that are computed in each camera, and its values mean
                nothing.

        Returns:
            (X, Y, Z) uint8 labels, and the most queries that any camera sees, an int64 number. The labels are right
            if M is no less than that.
        """
        batch = {'inputs': {'imgs': [images.movedim(-1, 1)]}, 'data_samples': [BaseDataElement()]}
        pixels = self.model.data_preprocessor(batch)['inputs']['imgs']
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.amp):
            logits = self.model._logits(pixels, image_from_grid[None], capacity=slots.shape[0])
        _, visible = project(self.model.encoder.anchors, image_from_grid[None], pixels.shape[-2:])
        return logits.argmax(1)[0].to(torch.uint8), count_seen(visible).max()


class LiftProgram(nn.Module):
    """An OccupancyLift of one frame with its preprocessor, as a function of two tensors.

    Args:
        model: the detector, in evaluation.
        amp: compute in bfloat16.
        window: top, left, rows and columns of what the model sees of the images.
    """

    def __init__(self, model: nn.Module, amp: bool, window: tuple[int, int, int, int]):
        super().__init__()
        self.model, self.amp, self.window = model, amp, window

    def forward(self, images: Tensor, image_from_grid: Tensor) -> Tensor:
        """(X, Y, Z) uint8 labels; arguments as of :class:`Program`."""
        top, left, height, width = self.window
        # Numbers of 8 bits may only be cast in TensorRT, so this comes first.
        pixels = images.float()[:, top : top + height, left : left + width].movedim(-1, 1)
        batch = {'inputs': {'imgs': [pixels]}, 'data_samples': [BaseDataElement()]}
        pixels = self.model.data_preprocessor(batch)['inputs']['imgs']
        u, v, depth, last = image_from_grid.unbind(1)
        moved = torch.stack([u - left * depth, v - top * depth, depth, last], dim=1)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.amp):
            logits = self.model._logits(pixels, moved[None])
        return logits.argmax(1)[0].to(torch.uint8)
