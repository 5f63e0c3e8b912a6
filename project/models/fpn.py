"""mmdet's feature pyramid, which stays in bfloat16 under autocast."""

from collections.abc import Sequence

import torch
from mmdet.models.necks import FPN
from mmdet3d.registry import MODELS
from torch import Tensor
from torch.nn.functional import interpolate, relu


@MODELS.register_module()
class OccupancyFPN(FPN):
    """mmdet's FPN; parameters and results are the same. Extra levels other than ``on_output`` are left to it.

    Under autocast, torch upsamples in float32, so everything after it is twice as large.
    """

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels, finest first, of the backbone's maps."""
        known = self.add_extra_convs == 'on_output' or self.num_outs == len(self.lateral_convs)
        if not known or self.upsample_cfg != {'mode': 'nearest'}:
            return super().forward(inputs)
        used = inputs[self.start_level : self.backbone_end_level]
        levels = [conv(x) for conv, x in zip(self.lateral_convs, used, strict=True)]
        with torch.autocast(levels[0].device.type, enabled=False):
            for index in range(len(levels) - 1, 0, -1):
                size = levels[index - 1].shape[2:]
                levels[index - 1] = levels[index - 1] + interpolate(levels[index], size, mode='nearest')
        outputs = [conv(x) for conv, x in zip(self.fpn_convs, levels, strict=False)]
        for index, conv in enumerate(self.fpn_convs[len(levels) :]):
            x = outputs[-1]
            outputs.append(conv(relu(x) if index > 0 and self.relu_before_extra_convs else x))
        return tuple(outputs)
