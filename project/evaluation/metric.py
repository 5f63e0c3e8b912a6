"""The metric that mmengine's evaluator runs: streamed confusion matrices, every keyframe counted exactly once."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet3d.registry import METRICS
from mmengine.dist import all_gather_object, all_reduce, get_rank, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from project.evaluation.confusion import distance_bands
from project.evaluation.tensors import confusion_matrices
from project.evaluation.voxel_scores import VoxelScores, band_names
from project.formats.common import MASKS, written_whole
from project.label_set import LabelSet
from project.taxonomy import LABEL_NAMES


@METRICS.register_module()
class OccupancyMetric(BaseMetric):
    """Per-class IoU, mIoU and geometric IoU of predicted voxel labels, in percent; classes are those of the dataset.

    Predictions are counted and not kept; only the confusion matrix of each keyframe is. With one matrix for each
    keyframe, and not only their sum, the processes of a distributed run can drop keyframes that a sampler repeated to
    give all processes the same number.

    Args:
        mask: ``'camera'`` or ``'lidar'``: count only voxels of that visibility mask.
        bands: ascending edges of distance bands in metres, e.g. ``(20, 35)``.
        geometric: whether the table has a row for the geometric IoU.
        json_path: file for the result as JSON.
        about: entries that the JSON starts with.

    Raises:
        ValueError: the mask or the bands are not of that kind.
    """

    default_prefix = ''

    def __init__(
        self,
        mask: str | None = None,
        bands: Sequence[float] = (),
        geometric: bool = False,
        json_path: str | Path | None = None,
        about: dict | None = None,
    ):
        super().__init__()
        if mask is not None and mask not in MASKS:
            raise ValueError(f'mask={mask!r}: choose one of {tuple(MASKS)}, or None')
        if any(edge <= 0 for edge in bands) or sorted(set(bands)) != list(bands):
            raise ValueError(f'bands={tuple(bands)}: distances must be positive and ascend')
        self.mask = mask
        self.edges = tuple(bands)
        self.geometric = geometric
        self.json_path = json_path
        self.about = about or {}
        self.matrices: dict[str, Tensor] = {}
        self._bands: dict = {}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the predictions of a batch.

        Args:
            data_batch: not used.
            data_samples: of each keyframe `sample_token`, `pred_occupancy` and `gt_occupancy`, (X, Y, Z) integer;
                `mask_camera` or `mask_lidar`, (X, Y, Z) bool, and `grid` where mask and bands ask for them.

        Raises:
            ValueError: a keyframe has no ground truth or no such mask, or labels or shapes are wrong.
        """
        for sample in data_samples:
            token = sample['sample_token']
            truth = sample.get('gt_occupancy')
            mask = sample.get(MASKS[self.mask]) if self.mask else None
            if truth is None:
                raise ValueError(f'keyframe {token} has no labels: the pipeline must load them (LoadOccupancyLabels)')
            if self.mask and mask is None:
                raise ValueError(f'the labels of keyframe {token} have no {self.mask} mask: evaluate without one')
            try:
                matrices = confusion_matrices(
                    sample['pred_occupancy'], truth, mask, self._bands_of(sample), len(self.edges) + 1
                )
            except ValueError as error:
                raise ValueError(f'keyframe {token}: {error}') from None
            self.matrices[token] = matrices.int().cpu()

    def evaluate(self, size: int) -> dict[str, float]:
        """Add up the keyframes of all processes; log the table.

        Args:
            size: number of keyframes in the dataset.

        Raises:
            ValueError: not every keyframe was evaluated.
        """
        tokens_by_rank = all_gather_object(list(self.matrices))
        counted = set().union(*tokens_by_rank)
        if len(counted) != size:
            raise ValueError(f'{len(counted)} of {size} keyframes were evaluated; is each sample_token unique?')
        total = torch.zeros(len(self.edges) + 1, len(LABEL_NAMES), len(LABEL_NAMES), dtype=torch.int64)
        for token in set(self.matrices).difference(*tokens_by_rank[: get_rank()]):
            total += self.matrices[token]
        all_reduce(total)
        self.matrices.clear()
        return self._report(total, size)

    def compute_metrics(self, results: list) -> dict:
        """Not used: :meth:`evaluate` adds up matrices and never collects results."""
        raise NotImplementedError

    def _bands_of(self, sample: dict) -> Tensor | None:
        if not self.edges:
            return None
        grid, device = sample['grid'], sample['gt_occupancy'].device
        if (grid, device) not in self._bands:
            self._bands[grid, device] = torch.from_numpy(distance_bands(grid, self.edges)).to(device)
        return self._bands[grid, device]

    def _report(self, total: Tensor, size: int) -> dict[str, float]:
        matrices = total.numpy()
        bands = dict(zip(band_names(self.edges), matrices, strict=True)) if self.edges else {}
        scores = VoxelScores(matrices.sum(axis=0), size, self.mask, bands, LabelSet.stated_in(self.dataset_meta or {}))
        if is_main_process():
            print_log('\n' + scores.table(self.geometric), 'current')
            if self.json_path is not None:
                with written_whole(self.json_path) as file:
                    file.write(json.dumps({**self.about, **scores.as_json()}, indent=1).encode())
        return scores.metrics()
