"""The protocols of benchmarks as a metric that mmengine's evaluator runs during training and testing."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmdet3d.registry import METRICS
from mmengine.dist import all_gather_object, get_rank, get_world_size, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from rich.console import Console

from project.evaluation.protocols import BAND_EDGES, RayProtocol, VoxelProtocol, build_protocol, with_labels
from project.evaluation.protocols.interface import Counts, Scores, Volume, total
from project.evaluation.protocols.posed_keyframes import OriginFinder, read_keyframes
from project.evaluation.protocols.score_tables import class_table, summary_table
from project.formats.common import written_whole
from project.label_set import LabelSet

ALL = 'all'
"""Key of the sum of all keyframes, which takes the place of their tokens."""


@METRICS.register_module()
class ProtocolMetric(BaseMetric):
    """Scores of benchmarks, beside or in place of OccupancyMetric::

        val_evaluator = [
            dict(type='OccupancyMetric'),
            dict(
                type='ProtocolMetric',
                protocols=['occ3d', 'rayiou'],
                infos='project/data/nuscenes/occupancy/nuscenes_infos_val.pkl',
                keep_truth=True,
            ),
        ]

    Predictions are counted and not kept. A single process adds the counts up at once; several processes keep those of
    each keyframe (31 kB for rays) until the end, because samplers repeat some keyframes to give all processes the same
    number. A protocol works on any grid of a model; if it is not the benchmark's grid, the title says so.

    Args:
        protocols: names of protocols, see :mod:`project.evaluation.protocols`.
        infos: index of the keyframes, for the lidar poses from which rays start.
        camera_mask: whether ``occ3d`` scores only voxels of the camera mask.
        edges: distances that part the distance bands, metres.
        json_path: file for the scores as JSON.
        keep_truth: keep the rays of the ground truth (up to 0.6 MB a keyframe) for the next validation of a training,
            which then casts those of predictions only. A test has no use for them.
    """

    default_prefix = ''

    def __init__(
        self,
        protocols: Sequence[str],
        infos: str | Path | None = None,
        camera_mask: bool = True,
        edges: Sequence[float] = BAND_EDGES,
        json_path: str | Path | None = None,
        keep_truth: bool = False,
    ):
        super().__init__()
        self.protocols = {name: build_protocol(name, camera_mask, tuple(edges)) for name in protocols}
        if infos is None and any(protocol.needs_origins for protocol in self.protocols.values()):
            raise ValueError('rays start at the lidar poses of the scene: give infos=<nuscenes_infos_val.pkl>')
        self.origins = OriginFinder(read_keyframes(Path(infos))) if infos is not None else None
        self.json_path = json_path
        self.keep_truth = keep_truth
        self.on_own_grid: set[str] = set()
        self.tokens: set[str] = set()
        self.counts: dict[str, dict[str, Counts]] = {}
        self._truths: dict[tuple[str, str], Any] = {}

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the dataset, which the evaluator hands over: classes are those that it states."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, metainfo: dict | None) -> None:
        self._dataset_meta = metainfo
        labels = LabelSet.stated_in(metainfo or {})
        self.protocols = {name: with_labels(protocol, labels) for name, protocol in self.protocols.items()}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the predictions of a batch.

        Args:
            data_batch: not used.
            data_samples: of each keyframe `sample_token`, `grid`, `pred_occupancy` and `gt_occupancy`, (X, Y, Z)
                integer; `mask_camera`, (X, Y, Z) bool, where a protocol asks for it; `gt_flow` and `pred_flow`,
                (X, Y, Z, 2) m/s, for the velocities of ``openocc``; `gt_objects` and `pred_objects`, (X, Y, Z)
                integer, for ``pq`` and ``raypq``.

        Raises:
            ValueError: a keyframe lacks ground truth, mask or pose, or labels or shapes are wrong.
        """
        for sample in data_samples:
            token = sample['sample_token']
            try:
                self._add(token, {name: self._count(name, sample) for name in self.protocols})
            except ValueError as error:
                raise ValueError(f'keyframe {token}: {error}') from None

    def evaluate(self, size: int) -> dict[str, float]:
        """Add up the keyframes of all processes, each once; log the tables.

        Args:
            size: number of keyframes in the dataset.

        Raises:
            ValueError: not every keyframe was evaluated.
        """
        tokens_by_rank = all_gather_object(self.tokens)
        if len(set().union(*tokens_by_rank)) != size:
            raise ValueError(f'{len(set().union(*tokens_by_rank))} of {size} keyframes were evaluated')
        elsewhere = set().union(*tokens_by_rank[: get_rank()])
        mine = [counts for token, counts in self.counts.items() if token not in elsewhere]
        scores = {name: self._score(name, [counts[name] for counts in mine], size) for name in self.protocols}
        self.tokens, self.counts = set(), {}
        if is_main_process():
            self._report(scores)
        return {
            f'{name}/{key}': value
            for name, result in scores.items()
            for key, value in result.summary.items()
            if not math.isnan(value)
        }

    def compute_metrics(self, results: list) -> dict:
        """Not used: :meth:`evaluate` adds up counts and never collects results."""
        raise NotImplementedError

    def _add(self, token: str, counts: dict[str, Counts]) -> None:
        if token in self.tokens:
            return
        key = token if get_world_size() > 1 else ALL
        earlier = self.counts.get(key, {})
        self.counts[key] = {name: total([earlier.get(name, {}), part]) for name, part in counts.items()}
        self.tokens.add(token)

    def _protocol(self, name: str, sample: dict) -> VoxelProtocol | RayProtocol:
        if self.protocols[name].grid != sample['grid']:
            self.protocols[name] = replace(self.protocols[name], grid=sample['grid'])
            self.on_own_grid.add(name)
        return self.protocols[name]

    def _count(self, name: str, sample: dict) -> Counts:
        if sample.get('gt_occupancy') is None:
            raise ValueError('it has no labels: the pipeline must load them (LoadOccupancyLabels)')
        protocol, token = self._protocol(name, sample), sample['sample_token']
        origins = self.origins(token, protocol.grid) if self.origins and protocol.needs_origins else None
        truth: Any = self._truths.get((name, token))
        if truth is None:
            truth = protocol.prepare(
                Volume(
                    sample['gt_occupancy'], sample.get('gt_flow'), sample.get('mask_camera'), sample.get('gt_objects')
                ),
                origins,
            )
        if self.keep_truth and protocol.needs_origins:
            self._truths[name, token] = truth
        prediction = Volume(sample['pred_occupancy'], sample.get('pred_flow'), instances=sample.get('pred_objects'))
        return protocol.count(prediction, truth, origins)

    def _score(self, name: str, counts: list[Counts], size: int) -> Scores:
        everywhere = total(part for part in all_gather_object(total(counts)) if part)
        scores = self.protocols[name].score(everywhere, size)
        if name in self.on_own_grid:
            return replace(scores, title=f"{scores.title}; on the model's grid, not the benchmark's")
        return scores

    def _report(self, scores: dict[str, Scores]) -> None:
        console = Console(width=120, color_system=None, markup=False)
        with console.capture() as text:
            for result in scores.values():
                console.print(class_table(result), summary_table(result))
        print_log('\n' + text.get(), 'current')
        if self.json_path is not None:
            with written_whole(self.json_path) as file:
                file.write(json.dumps({name: result.as_json() for name, result in scores.items()}, indent=1).encode())
