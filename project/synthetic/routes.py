"""Paths of road users: lines through the streets, and motion along them."""

from dataclasses import dataclass

import numpy as np

from project.synthetic.streets import Plan, Street

STEP_S = 0.05
TURN_SPEED = 5.0
BRAKING = 2.5


@dataclass(frozen=True)
class Motion:
    """Position over time; linear between the given times, constant before and after them.

    Attributes:
        times: (K,) seconds since the scene's first keyframe, ascending.
        states: (K, 3) x, y, yaw in the town frame.
    """

    times: np.ndarray
    states: np.ndarray

    @classmethod
    def still(cls, x: float, y: float, yaw: float) -> 'Motion':
        """The motion of something that does not move."""
        return cls(np.zeros(1), np.array([[x, y, yaw]], float))

    def at(self, time: float | np.ndarray) -> np.ndarray:
        """(..., 3) x, y, yaw at a time or at many."""
        return np.stack([np.interp(time, self.times, column) for column in self.states.T], axis=-1)


@dataclass(frozen=True)
class Line:
    """A smooth line: (N, 3) x, y, yaw a quarter of a metre apart, and (N,) whether the line curves there."""

    states: np.ndarray
    in_curve: np.ndarray

    SPACING = 0.25

    def drive(
        self,
        start: float,
        speed: float,
        duration: float,
        stops: tuple[tuple[float, float], ...] = (),
        behind: float = 0.0,
        lead: float = 0.1,
    ) -> Motion:
        """Motion along the line.

        Args:
            start: metres along the line at time 0.
            speed: cruising speed, m/s; slower in curves.
            duration: seconds to drive.
            stops: (from, to) times at which to stand; braking begins at the first.
            behind: how far behind the position to be reported, for what is towed.
            lead: seconds before time 0 at which the motion begins.
        """
        times = np.arange(-lead, duration + STEP_S, STEP_S)
        position, velocity = start - lead * speed, speed
        positions = np.empty(len(times))
        for step, time in enumerate(times):
            positions[step] = position
            ahead = self._index(position), self._index(position + 2 + velocity**2 / (2 * BRAKING))
            wanted = min(speed, TURN_SPEED) if self.in_curve[ahead[0] : ahead[1] + 1].any() else speed
            if any(begin <= time < end for begin, end in stops):
                wanted = 0.0
            velocity += np.clip(wanted - velocity, -BRAKING * STEP_S, BRAKING * STEP_S)
            position += velocity * STEP_S
        places = np.clip((positions - behind) / self.SPACING, 0, len(self.states) - 1)
        along = np.arange(len(self.states))
        return Motion(times, np.stack([np.interp(places, along, column) for column in self.states.T], axis=1))

    def _index(self, position: float) -> int:
        return int(np.clip(position / self.SPACING, 0, len(self.states) - 1))


def lane_line(
    plan: Plan,
    axis: int,
    street: int,
    forward: bool,
    start: float,
    turns: list[tuple[int, str]],
    offset: float | None = None,
    length: float = 260.0,
) -> Line:
    """A line in the lanes of streets.

    Args:
        plan: the town.
        axis, street: the street it starts on.
        forward: it starts towards higher coordinates.
        start: coordinate along that street where it starts.
        turns: (index of the crossing street, 'left' | 'right') one after the other.
        offset: distance to the right of the street's middle; by default the lane's.
        length: metres to go on after the last turn.
    """
    points: list[tuple] = []
    in_curve: list[bool] = []
    road = plan.streets[axis][street]
    heading = _unit(axis) * (1 if forward else -1)
    here = _unit(axis) * start + _unit(1 - axis) * road.centre + _right(heading) * _offset(road, offset)
    for crossing, turn in turns:
        other = plan.streets[1 - axis][crossing]
        onward = _right(heading) * (1 if turn == 'right' else -1)
        radius = 7.5 if turn == 'right' else 10.5
        corner = here + heading * (
            (other.centre * _unit(axis) + _right(onward) * _offset(other, offset) - here) @ heading
        )
        entry = corner - radius * heading
        _straight(points, in_curve, here, entry, heading)
        centre, sweep = entry + radius * onward, np.pi / 2 * (-1 if turn == 'right' else 1)
        angles = np.linspace(0, 1, int(radius * np.pi / 2 / Line.SPACING), endpoint=False) * sweep
        yaw = np.arctan2(heading[1], heading[0])
        radial = np.arctan2(*(entry - centre)[::-1])
        points += [(*(centre + radius * np.array([np.cos(radial + a), np.sin(radial + a)])), yaw + a) for a in angles]
        in_curve += [True] * len(angles)
        here, heading, axis = corner + radius * onward, onward, 1 - axis
    _straight(points, in_curve, here, here + length * heading, heading)
    states = np.array(points)
    states[:, 2] = np.unwrap(states[:, 2])
    return Line(states, np.array(in_curve))


def straight_line(start: tuple[float, float], end: tuple[float, float]) -> Line:
    """A line from one place to another."""
    points: list[tuple] = []
    in_curve: list[bool] = []
    direction = np.subtract(end, start)
    _straight(points, in_curve, np.array(start), np.array(end), direction / np.hypot(*direction))
    return Line(np.array(points), np.array(in_curve))


def _straight(points: list, in_curve: list, start: np.ndarray, end: np.ndarray, heading: np.ndarray) -> None:
    count = max(1, int((end - start) @ heading / Line.SPACING))
    yaw = np.arctan2(heading[1], heading[0])
    points += [(*(start + (end - start) * share), yaw) for share in np.linspace(0, 1, count, endpoint=False)]
    in_curve += [False] * count


def _unit(axis: int) -> np.ndarray:
    return np.array([1.0, 0.0]) if axis == 0 else np.array([0.0, 1.0])


def _right(heading: np.ndarray) -> np.ndarray:
    return np.array([heading[1], -heading[0]])


def _offset(street: Street, offset: float | None) -> float:
    return street.lane if offset is None else offset
