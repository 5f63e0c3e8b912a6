"""Predictions as files, in the layout of an Occ3D submission."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from project.formats.common import save_npz
from project.formats.stated import write_labels
from project.label_set import LabelSet


@HOOKS.register_module()
class OccupancyPredictionsHook(Hook):
    """Write every prediction of a test as ``<sample token>.npz``: an (X, Y, Z) uint8 array ``arr_0`` of labels 0-17.

    Beside it stand ``flow``, (X, Y, Z, 2) float16, m/s, and ``instances``, (X, Y, Z) int32, if the model predicts them.

    Args:
        directory: folder for the files; made as needed. A file appears under its name once it is whole.
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)

    def before_test_epoch(self, runner) -> None:
        """State the classes, where they are not those of nuScenes."""
        if is_main_process():
            write_labels(self.directory, LabelSet.stated_in(getattr(runner.test_dataloader.dataset, 'metainfo', {})))

    def after_test_iter(self, runner, batch_idx: int, data_batch=None, outputs: Sequence | None = None) -> None:
        """Write the predictions of a batch."""
        for sample in outputs or ():
            labels = sample.pred_occupancy.cpu().numpy().astype(np.uint8)
            flow = sample.pred_flow.cpu().numpy().astype(np.float16) if 'pred_flow' in sample else None
            objects = sample.pred_objects.cpu().numpy() if 'pred_objects' in sample else None
            arrays = {'arr_0': labels, 'flow': flow, 'instances': objects}
            save_npz(self.directory / f'{sample.sample_token}.npz', arrays)
