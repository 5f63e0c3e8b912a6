"""Actors, and a crowd of actors that keep clear of each other."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.synthetic.models import model
from project.synthetic.routes import Motion
from project.synthetic.streets import Plan

NEAR = 62.0
"""Largest distance of road users from the ego car's path."""
CLEARANCE = 0.1
EGO_SIZE = (2.1, 5.2)
"""(width, length) of the ego car, metres."""
TICK_S = 0.1


@dataclass(frozen=True)
class Actor:
    """Something that has a box.

    Attributes:
        kind: its model.
        motion: where it is.
        parked: it never moves.
        present: (from, to) seconds at which it exists.
        annotated: it has boxes.
    """

    kind: str
    motion: Motion
    parked: bool = False
    present: tuple[float, float] = (-np.inf, np.inf)
    annotated: bool = True

    @classmethod
    def still(cls, kind: str, place: tuple[float, float], yaw: float) -> 'Actor':
        """An actor that stays at its place (x, y)."""
        return cls(kind, Motion.still(*place, yaw), parked=True)


class Crowd:
    """Collects actors that keep clear of each other, of the ego car and of what stands on the kerbs, all the time.

    Attributes:
        plan: the town.
        duration: seconds of the scene.
        path: (T, 2) places of the ego car every tenth of a second.
        actors: those taken in so far.
    """

    def __init__(self, plan: Plan, ego: Motion, duration: float, obstacles: np.ndarray):
        """Start with the ego car and with obstacles, (N, 3) x, y and radius."""
        self.plan, self.duration = plan, duration
        self.actors: list[Actor] = []
        self._times = np.arange(0, duration + TICK_S, TICK_S)
        self.path = ego.at(self._times)[:, :2]
        self._still = [(obstacles[None, :, :2], obstacles[:, 2])]
        self._moving = [_cover(ego.at(self._times), *EGO_SIZE)]

    def add(self, *actors: Actor) -> bool:
        """Add actors unless one of them touches something; they may touch each other."""
        covers = []
        for actor in actors:
            width, length, _ = model(actor.kind).size
            times = self._times[:1] if actor.parked else self._times
            centres, radii = _cover(actor.motion.at(times), width, length)
            if any(_touch(centres, radii, *other) for other in (*self._still, *self._moving)):
                return False
            covers.append((actor.parked, (centres, radii)))
        self.actors += actors
        for parked, cover in covers:
            (self._still if parked else self._moving).append(cover)
        return True

    def near(self, place: tuple[float, float], reach: float = NEAR) -> bool:
        """Whether a place is within reach of the ego car's path."""
        return bool(np.hypot(*(self.path - place).T).min() < reach)


def _cover(states: np.ndarray, width: float, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Circles that cover a box wholly: (T, C, 2) centres for (T, 3) states, (C,) radii."""
    short, long = min(width, length), max(width, length)
    count = int(np.ceil(2 * long / short))
    offsets = ((np.arange(count) + 0.5) / count - 0.5) * long
    yaw = states[:, 2] + (0 if length >= width else np.pi / 2)
    forward = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    centres = states[:, None, :2] + forward[:, None] * offsets[:, None]
    return centres, np.full(count, np.hypot(short / 2, long / count / 2))


@njit(cache=True)
def _touch(ours, our_radii, theirs, their_radii):
    """Whether circles come near each other at some time; what has one time only stands still."""
    for t in range(max(len(ours), len(theirs))):
        a, b = ours[min(t, len(ours) - 1)], theirs[min(t, len(theirs) - 1)]
        for i in range(len(a)):
            for j in range(len(b)):
                reach = our_radii[i] + their_radii[j] + CLEARANCE
                dx, dy = a[i, 0] - b[j, 0], a[i, 1] - b[j, 1]
                if dx * dx + dy * dy < reach * reach:
                    return True
    return False
