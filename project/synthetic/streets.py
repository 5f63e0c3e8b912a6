"""The plan of a town: streets in two directions and blocks with lots between them.

The town frame: x and y along the streets, z up; the town's middle is the origin.
"""

import itertools
from dataclasses import dataclass

import numpy as np

BLOCKS = 5
SIDEWALK = 3.0
MEDIAN = 0.9
"""Half the width of the island in the middle of some streets."""
LANE = 3.4
PARKING = 2.5


@dataclass(frozen=True)
class Street:
    """A straight street through the whole town.

    Attributes:
        axis: 0 where it runs along x, 1 along y.
        centre: its coordinate on the other axis.
        median: an island divides its two directions.
    """

    axis: int
    centre: float
    median: bool

    @property
    def island(self) -> float:
        """Half the width of its island."""
        return MEDIAN if self.median else 0.0

    @property
    def lane(self) -> float:
        """Distance from its centre to the middle of the lane to the right."""
        return self.island + LANE / 2

    @property
    def parking(self) -> float:
        """Distance from its centre to the middle of the parking strip."""
        return self.island + LANE + PARKING / 2

    @property
    def half(self) -> float:
        """Distance from its centre to the kerb."""
        return self.island + LANE + PARKING


@dataclass(frozen=True)
class Kerb:
    """One side of a street between two crossings.

    Attributes:
        street: the street.
        side: 1 where the coordinate across the street is higher than its centre, else -1.
        start, stop: coordinates along the street between which blocks, not sidewalks of crossings, lie beside it.
    """

    street: Street
    side: int
    start: float
    stop: float

    @property
    def yaw(self) -> float:
        """Heading of the traffic on this side, radians: it keeps to the right."""
        return self.street.axis * np.pi / 2 + (np.pi if (self.side > 0) == (self.street.axis == 0) else 0.0)

    def place(self, along: float, across: float) -> tuple[float, float]:
        """(x, y) of a coordinate along the street and a distance from its centre to this side."""
        other = self.street.centre + self.side * across
        return (along, other) if self.street.axis == 0 else (other, along)


@dataclass(frozen=True)
class Plan:
    """Streets of a town, and the lines that divide its blocks into lots.

    Attributes:
        streets: those along x, then those along y, each ascending.
        lots: for either axis, the (start, stop) intervals of the lots between two streets, ascending.
    """

    streets: tuple[tuple[Street, ...], tuple[Street, ...]]
    lots: tuple[tuple[tuple[tuple[float, float], ...], ...], ...]

    def kerbs(self) -> list[Kerb]:
        """Both sides of all streets, crossing by crossing."""
        return [
            Kerb(street, side, block[0][0], block[-1][1])
            for axis in (0, 1)
            for street in self.streets[axis]
            for side in (-1, 1)
            for block in self.lots[axis]
        ]


def make_plan(rng: np.random.Generator) -> Plan:
    """A plan drawn at random: :data:`BLOCKS` blocks along either axis."""
    streets, lots = [], []
    for axis in (0, 1):
        # Streets along x (axis 0) have their centres on y.
        centres = np.cumsum(rng.uniform(66, 82, BLOCKS + 1))
        centres = np.round(centres - centres.mean(), 1)
        first = int(rng.integers(2))
        streets.append(tuple(Street(axis, float(c), (i + first) % 2 == 0) for i, c in enumerate(centres)))
    for axis in (0, 1):
        across = streets[1 - axis]
        lots.append(
            tuple(
                _divide(a.centre + a.half + SIDEWALK, b.centre - b.half - SIDEWALK, rng)
                for a, b in itertools.pairwise(across)
            )
        )
    return Plan((streets[0], streets[1]), (lots[0], lots[1]))


def _divide(start: float, stop: float, rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    depth = rng.uniform(13, 17, 2).round(1)
    return ((start, start + depth[0]), (start + depth[0], stop - depth[1]), (stop - depth[1], stop))
