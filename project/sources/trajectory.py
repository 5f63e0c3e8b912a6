"""The pose of the car at any time."""

from dataclasses import dataclass

import numpy as np

from project.geometry.rigid import interpolate


@dataclass(frozen=True)
class Trajectory:
    """Poses of the car at P times.

    Attributes:
        times_us: (P,) int64, increasing.
        global_from_ego: (P, 4, 4) float64.
    """

    times_us: np.ndarray
    global_from_ego: np.ndarray

    @classmethod
    def through(cls, times_us: np.ndarray, global_from_ego: np.ndarray) -> 'Trajectory':
        """A trajectory through poses, in any order and possibly repeated."""
        times_us, first = np.unique(times_us, return_index=True)
        return cls(times_us, global_from_ego[first])

    def at(self, times_us: np.ndarray) -> np.ndarray:
        """Poses at (N,) times, int64 or float64: (N, 4, 4) float64.

        At the given times the given poses are returned. Between two poses, the position is linear and the rotation
        slerp; before the first and after the last, the motion between the two nearest poses continues.
        """
        if len(self.times_us) == 1:
            return self.global_from_ego[np.zeros(len(times_us), np.int64)]
        before = np.searchsorted(self.times_us, times_us, side='right') - 1
        before = np.clip(before, 0, len(self.times_us) - 2)
        start, stop = self.times_us[before], self.times_us[before + 1]
        fractions = (times_us - start) / (stop - start)
        poses = interpolate(self.global_from_ego[before], self.global_from_ego[before + 1], fractions)
        for end, exactly in ((before, fractions == 0), (before + 1, fractions == 1)):
            poses[exactly] = self.global_from_ego[end[exactly]]
        return poses
