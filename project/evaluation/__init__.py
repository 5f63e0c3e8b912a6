"""Evaluation of predicted voxels.

``evaluate`` scores a folder of predictions, and ``project.evaluation.protocols`` arrays. Both need numpy and numba
only; what registers with mmengine, and needs it and torch, is in ``metric``, ``prediction_hook`` and
``protocols.protocol_metric``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from project.evaluation.protocols import Scores


def evaluate(
    predictions: str | Path, labels: str | Path, protocol: str, *, workers: int | None = None, **options
) -> 'Scores':
    """Score a folder of predictions by the rules of a benchmark::

        scores = project.evaluation.evaluate('predictions', 'occ3d/gts', 'rayiou', infos='nuscenes_infos_val.pkl')
        print(scores.summary['RayIoU'], scores.classes['RayIoU']['car'])

    Args:
        predictions: folder (or file) of predictions in any layout of ``docs/evaluation.md``.
        labels: folder of the ground truth.
        protocol: one of :data:`project.evaluation.names.PROTOCOLS`.
        workers: threads, by default one for each core; the result does not depend on them.
        options: `infos`, `dataroot`, `version`, `camera_mask`, `partial`, `edges`, `shape`, `device`, as
            :meth:`project.evaluation.folder_evaluation.FolderEvaluation.open` takes them.

    Raises:
        FileNotFoundError, ValueError: something is missing or does not fit; the message says what.
    """
    return compare([predictions], labels, protocol, workers=workers, **options)[0]


def compare(
    predictions: Sequence[str | Path], labels: str | Path, protocol: str, *, workers: int | None = None, **options
) -> list['Scores']:
    """Scores of several methods: as :func:`evaluate`, but labels are read, and their rays cast, once for all."""
    # Imported late: ``--help`` of a command lists protocols, and should answer at once.
    from project.evaluation.folder_evaluation import FolderEvaluation

    return FolderEvaluation.open(predictions, labels, protocol, **options).run(workers)
