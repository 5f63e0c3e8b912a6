"""How far predictions of the fast path are from those of the plain one: in logits, labels and mIoU."""

from itertools import islice

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from project.evaluation.confusion import mean_iou
from project.evaluation.tensors import confusion_matrices


def agreement(plain: Tensor, fast: Tensor) -> dict[str, float]:
    """Relative error of logits (B, classes, ...), and the share of voxels with the same arg-max."""
    return {
        'relative_error': float((fast - plain).norm() / plain.norm()),
        'same_argmax': float((fast.argmax(1) == plain.argmax(1)).float().mean()),
    }


@torch.no_grad()
def validation(model: torch.nn.Module, config: Config, frames: int) -> tuple[Tensor, float]:
    """Logits (frames, classes, X, Y, Z) of the first frames of a configuration's validation data, and their mIoU, %."""
    model.eval()
    logits, matrix = [], 0
    for data in islice(Runner.build_dataloader(config.val_dataloader), frames):
        data = model.data_preprocessor(data)
        found = model(**data, mode='tensor').float()
        truth = torch.stack([sample.gt_occupancy for sample in data['data_samples']]).to(found.device)
        matrix = matrix + confusion_matrices(found.argmax(1), truth).sum(0).cpu().numpy().astype(np.int64)
        logits.append(found.cpu())
    return torch.cat(logits), 100 * mean_iou(matrix)
