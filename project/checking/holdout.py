"""Holds out sweeps: labels are made without them, and checked against them."""

import numpy as np

from project.sources.base import Scene


def held_out_sweeps(scene: Scene, every: int) -> np.ndarray:
    """Sweeps to hold out: every n-th between the keyframes or, if there are none between them, keyframes.

    The first and the last keyframe are never held out.

    Raises:
        ValueError: nothing can be held out.
    """
    first, last = scene.keyframe_sweeps[0], scene.keyframe_sweeps[-1]
    between = np.setdiff1d(np.arange(first, last + 1), scene.keyframe_sweeps)
    if not len(between):
        # Holding out every keyframe would leave no labels.
        between, every = scene.keyframe_sweeps[1:-1], max(every, 2)
    if not len(between):
        raise ValueError(f'{scene.name}: has too few sweeps to hold some out')
    return between[::every]
