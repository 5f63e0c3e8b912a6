"""Whole folders of predictions and labels, opened, matched and checked: what ``occ-evaluate`` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np

from project.cli import usable_cores
from project.evaluation.names import BAND_EDGES, BASELINE_SHAPE
from project.evaluation.protocols import EvaluationProtocol, Scores, build_protocol, with_labels
from project.evaluation.protocols.inputs import Source, check_same_labels, open_labels, open_predictions
from project.evaluation.protocols.posed_keyframes import OriginFinder, PosedKeyframe, read_keyframes
from project.evaluation.protocols.scoring import Evaluation, match_keyframes
from project.formats import Keyframe
from project.label_set import LabelSet


@dataclass(frozen=True)
class FolderEvaluation:
    """Methods, the labels that they are compared with, and the keyframes of both.

    Attributes:
        evaluation: labels and rules.
        methods: predictions of each method.
        keyframes: those that are scored.
    """

    evaluation: Evaluation
    methods: list[Source]
    keyframes: list[Keyframe]

    @classmethod
    def open(
        cls,
        predictions: Sequence[str | Path],
        labels: str | Path,
        protocol: str,
        *,
        infos: str | Path | None = None,
        dataroot: str | Path | None = None,
        version: str | None = None,
        camera_mask: bool = True,
        partial: bool = False,
        edges: Sequence[float] = BAND_EDGES,
        shape: tuple[int, int, int] = BASELINE_SHAPE,
        device: str | None = None,
    ) -> 'FolderEvaluation':
        """Find out what the folders hold, and whether it fits.

        Args:
            predictions: folder or file of each method.
            labels: folder of the ground truth.
            protocol: one of :data:`project.evaluation.names.PROTOCOLS`.
            infos: index of the split to score; also the lidar poses from which rays start.
            dataroot: nuScenes itself as the source of lidar poses.
            version: of nuScenes, where the dataroot holds several.
            camera_mask: whether ``occ3d`` scores only voxels of the camera mask.
            partial: score only the keyframes that every method predicts.
            edges: distances that part the distance bands, metres.
            shape: voxels of ``baseline``.
            device: where to count and cast rays; by default a GPU where torch has one, else the CPU, without torch.

        Raises:
            FileNotFoundError, ValueError: something is missing or does not fit; the message says what.
        """
        device = _device(device)
        plain = build_protocol(protocol, camera_mask, tuple(edges), shape)
        truth = open_labels(Path(labels), cast(EvaluationProtocol, plain))
        rules = cast(EvaluationProtocol, with_labels(plain, truth.labels or LabelSet()))
        methods = [open_predictions(Path(path), rules) for path in predictions]
        for method in methods:
            check_same_labels(method, rules.label_set)
        split = read_keyframes(Path(infos)) if infos else None
        named = None if split is None else [frame.keyframe for frame in split]
        keyframes = match_keyframes(methods, truth, named, partial)
        origins = _origins(rules, split, dataroot, version)
        return cls(Evaluation(rules, truth, origins, device), methods, keyframes)

    def run(self, workers: int | None = None, progress: Callable = iter) -> list[Scores]:
        """Scores of each method.

        Args:
            workers: threads, by default one for each core; the result does not depend on them.
            progress: wraps the iteration over keyframes.

        Raises:
            FileNotFoundError, ValueError: as :meth:`Evaluation.run`.
        """
        return self.evaluation.run(self.methods, self.keyframes, workers or usable_cores(), progress)


def _device(name: str | None) -> str:
    """The device of that name; by default a GPU where torch is installed and sees one."""
    if name == 'cpu' or (name is None and find_spec('torch') is None):
        return 'cpu'
    if find_spec('torch') is None:
        raise ValueError(f"device {name} needs torch: pip install 'occupancy-bevformer[model]', or take cpu")
    from project.evaluation.tensors import usable_device

    return usable_device(name)


def _origins(
    protocol: EvaluationProtocol, split: list[PosedKeyframe] | None, dataroot: str | Path | None, version: str | None
) -> Callable[[str], np.ndarray] | None:
    """Ray origins by sample token, from the tables of nuScenes or the index of keyframes; None without either."""
    if not protocol.needs_origins or (split is None and dataroot is None):
        return None
    if dataroot is not None:
        from project.sources.nuscenes.source import NuScenesSource

        source = NuScenesSource(Path(dataroot), version, labelled=False)
        finder = OriginFinder(record for name in source.scene_names for record in source.keyframes(name))
    else:
        finder = OriginFinder(split or ())
    return lambda sample_token: finder(sample_token, protocol.grid)
