"""Scores whole folders: chooses keyframes, reads and compares them, and adds up the counts."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from project.evaluation.names import RAYS
from project.evaluation.protocols.inputs import Source
from project.evaluation.protocols.interface import Counts, EvaluationProtocol, RayReadings, Scores, Volume, total
from project.formats import Keyframe

_UNKNOWN = Keyframe('', '', '', '', '')
_SHOWN = 3


def match_keyframes(
    predictions: Sequence[Source], labels: Source, keyframes: Sequence[Keyframe] | None = None, partial: bool = False
) -> list[Keyframe]:
    """The keyframes to score: those of a split or, where none is given, those that have labels.

    Args:
        predictions: of one or more methods.
        labels: the ground truth.
        keyframes: those of a split.
        partial: score only those that have labels and a prediction of every method, and do not ask for the rest.

    Returns:
        Keyframes; without a split only the field that all sources go by is filled.

    Raises:
        ValueError: a keyframe lacks a prediction or labels; or sources name keyframes differently without a split.
    """
    if keyframes is None:
        named_by = labels.named_by
        for source in predictions:
            if source.named_by != named_by:
                raise ValueError(
                    f'{source.path} names keyframes by {source.named_by} and {labels.path} by {named_by}: '
                    'give the index of the split that knows both (--infos nuscenes_infos_val.pkl)'
                )
            if not partial:
                _check_missing(
                    labels, source.frames, f'which {source.path} has; --partial scores only those with labels'
                )
        keyframes = [replace(_UNKNOWN, **{named_by: name}) for name in labels.frames]
    if partial:
        sources = (labels, *predictions)
        keyframes = [k for k in keyframes if all(getattr(k, source.named_by) in source.frames for source in sources)]
    for source in (labels, *predictions):
        hint = f'; --partial scores only those that {"have labels" if source is labels else "are predicted"}'
        _check_missing(source, [getattr(keyframe, source.named_by) for keyframe in keyframes], f'to be scored{hint}')
    if not keyframes:
        raise ValueError(f'{labels.path}: no keyframe to score')
    return list(keyframes)


@dataclass(frozen=True)
class Evaluation:
    """What is needed to score keyframes.

    Attributes:
        protocol: the rules.
        labels: the ground truth.
        origins: ray origins (O, 3) of a sample token; None where no rays are cast.
        device: where voxels are counted and rays are cast, e.g. ``cpu`` or ``cuda``.
    """

    protocol: EvaluationProtocol
    labels: Source
    origins: Callable[[str], np.ndarray] | None = None
    device: str = 'cpu'

    def run(
        self, methods: Sequence[Source], keyframes: Sequence[Keyframe], workers: int = 1, progress: Callable = iter
    ) -> list[Scores]:
        """Scores of each method; each ground truth is read, and its rays are cast, once for all of them.

        Args:
            methods: predictions.
            keyframes: as :func:`match_keyframes` returns them.
            workers: threads; the result does not depend on them.
            progress: wraps the iteration over keyframes.

        Raises:
            FileNotFoundError, ValueError: a file is missing, damaged or of another shape; the message names it. Or the
                ground truth holds nothing to score.
        """
        totals: list[Counts] = [{} for _ in methods]
        with ThreadPoolExecutor(workers) as pool:
            try:
                for counts in progress(pool.map(lambda keyframe: self.count(methods, keyframe), keyframes)):
                    totals = [total(pair) for pair in zip(totals, counts, strict=True)]
            finally:
                # After an error the remaining keyframes are skipped.
                pool.shutdown(cancel_futures=True)
        scores = [self.protocol.score(counts, len(keyframes)) for counts in totals]
        if all(math.isnan(value) for result in scores for value in next(iter(result.classes.values())).values()):
            raise ValueError(f'{self.labels.path}: holds nothing to score of any class ({scores[0].title})')
        return scores

    def count(self, methods: Sequence[Source], keyframe: Keyframe) -> list[Counts]:
        """Counts of one keyframe for each method."""
        origins = self.ray_origins(keyframe, (self.labels, *methods))
        with _about(self.labels, keyframe):
            truth = self.protocol.prepare(self.read(self.labels, keyframe), origins)
        counts = []
        for source in methods:
            with _about(source, keyframe):
                counts.append(self.protocol.count(self.read(source, keyframe), truth, origins))
        return counts

    def read(self, source: Source, keyframe: Keyframe) -> Volume | RayReadings:
        """Prediction or labels of a keyframe, voxels on the device."""
        content = source.read(getattr(keyframe, source.named_by))
        if isinstance(content, Volume) and self.device != 'cpu':
            from project.evaluation.tensors import on_device

            content = replace(content, semantics=on_device(content.semantics, self.device))
        return content

    def ray_origins(self, keyframe: Keyframe, sources: Sequence[Source]) -> np.ndarray | None:
        """Where the rays of a keyframe start; None where all sources are rays already, or none are needed."""
        if not self.protocol.needs_origins or all(source.layout == RAYS for source in sources):
            return None
        if self.origins is None:
            raise ValueError(
                f'{self.protocol.name} casts rays from the lidar poses of each scene: '
                'give them with --infos nuscenes_infos_val.pkl or --dataroot'
            )
        return self.origins(keyframe.sample_token)


@contextmanager
def _about(source: Source, keyframe: Keyframe) -> Iterator[None]:
    """Add the name of the compared source to an error that lacks it."""
    try:
        yield
    except ValueError as error:
        if str(source.path) in str(error):
            raise
        raise ValueError(f'{source.path}, keyframe {getattr(keyframe, source.named_by)}: {error}') from None


def _check_missing(source: Source, names: Collection[str], wanted: str) -> None:
    missing = [name for name in names if name not in source.frames]
    if missing:
        shown = ', '.join(missing[:_SHOWN]) + (', ...' if len(missing) > _SHOWN else '')
        raise ValueError(f'{source.path}: lacks {len(missing)} of {len(names)} keyframes {wanted}: {shown}')
