"""The traffic of a town: vehicles, people, objects on the street, and the ego car."""

from dataclasses import dataclass, replace

import numpy as np

from project.synthetic.crowd import NEAR, Actor, Crowd
from project.synthetic.routes import Line, Motion, lane_line, straight_line
from project.synthetic.streets import BLOCKS, SIDEWALK, Kerb, Plan
from project.synthetic.world_settings import Difficulties

UNANNOTATED, BEGINNING, ENDING = 0.12, 0.08, 0.08
"""Shares of the actors: of those that move, without boxes; of all, those that begin or end in the middle of a scene."""

DRIVEN = (
    'saloon', 'suv', 'hatchback', 'bus', 'truck', 'motorcyclist', 'cyclist', 'van', 'truck and trailer', 'pickup',
)  # fmt: skip
PARKED = {
    'saloon': 0.28, 'hatchback': 0.22, 'suv': 0.18, 'van': 0.1, 'pickup': 0.07, 'truck': 0.05, 'motorcycle': 0.06,
    'trailer': 0.02, 'bus': 0.02,
}  # fmt: skip
"""Kinds that stand in parking strips, and the share of each."""
ALWAYS = ('trailer', 'bus', 'truck', 'motorcycle', 'bicycle', 'bicycle')
"""Kinds of which one is parked close to the ego car's path in every scene; bicycles on the sidewalk."""


FOLLOWERS = (('cyclist', 7.0, 0.8), ('van', 15.0, 0.0), ('saloon', 23.0, 0.0))
"""Kinds that follow the ego car, how far behind it they stay, and how far to the right of its lane's middle, metres."""
BUSY = 28.0
"""Largest distance of busy sidewalks from the ego car's path, metres."""
LEAD_M = 30.0
"""Distance behind the ego car's start at which followers start."""


@dataclass(frozen=True)
class Route:
    """The drive of the ego car: along a street, round a corner, with a stop in a long scene.

    Attributes:
        street: index of the street along x that it starts on.
        forward: it starts towards higher coordinates.
        start: coordinate along that street.
        turns: as for :func:`lane_line`.
        speed: m/s.
        stops: (from, to) times at which it stands.
    """

    street: int
    forward: bool
    start: float
    turns: list[tuple[int, str]]
    speed: float
    stops: tuple[tuple[float, float], ...]

    def motion(self, plan: Plan, duration: float) -> Motion:
        """The drive itself."""
        line = lane_line(plan, 0, self.street, self.forward, self.start, self.turns)
        return line.drive(2.0, self.speed, duration, self.stops)

    def followed(self, plan: Plan, duration: float, gap: float, aside: float) -> Motion:
        """The drive of what stays `gap` metres behind, `aside` metres to the right, and stops and turns as well."""
        offset = plan.streets[0][self.street].lane + aside
        start = self.start - (LEAD_M if self.forward else -LEAD_M)
        line = lane_line(plan, 0, self.street, self.forward, start, self.turns, offset)
        return line.drive(LEAD_M + 2.0, self.speed, duration, self.stops, behind=gap)


def ego_route(plan: Plan, duration: float, rng: np.random.Generator) -> Route:
    """Choose the drive of the ego car."""
    street, crossing = int(rng.integers(2, BLOCKS - 1)), int(rng.integers(2, BLOCKS))
    forward = bool(rng.random() < 0.5)
    speed = rng.uniform(6.5, 8.5)
    # The corner comes in the first half of the drive, or right at the start of a very short one.
    ahead = np.clip(0.45 * duration * speed, 9.0, 55.0)
    start = plan.streets[1][crossing].centre - (1 if forward else -1) * ahead
    turns = [(crossing, str(rng.choice(['left', 'right'])))]
    stops = ((0.75 * duration, 0.75 * duration + 3.5),) if duration > 12 else ()
    return Route(street, forward, start, turns, speed, stops)


def followers(plan: Plan, route: Route, duration: float, count: int) -> list[Actor]:
    """Road users without boxes that follow the ego car: at most as many as there are :data:`FOLLOWERS`."""
    return [
        Actor(kind, route.followed(plan, duration, gap, aside), annotated=False)
        for kind, gap, aside in FOLLOWERS[:count]
    ]


def populate(
    crowd: Crowd, difficulties: Difficulties, quiet_until: float, people: int, rng: np.random.Generator
) -> list[Actor]:
    """Fill a crowd with everybody around the ego car's path.

    Args:
        crowd: the ego car and the obstacles.
        difficulties: whether some have no boxes, and whether some begin or end.
        quiet_until: seconds before which nobody with a box exists.
        people: how many more walk or stand on each sidewalk close to the ego car's path.
        rng: chooses.

    Returns:
        All actors, with or without boxes, each with the time in which it exists.
    """
    _building_sites(crowd, rng)
    for kind in ALWAYS:
        _park_one(crowd, kind, rng)
    _drivers(crowd, rng)
    _parked(crowd, rng)
    _people(crowd, rng)
    _things(crowd, rng)
    _passers_by(crowd, people, rng)
    moving = [number for number, actor in enumerate(crowd.actors) if not actor.parked]
    hidden = rng.choice(moving, int(np.ceil(UNANNOTATED * len(moving))), replace=False)
    actors = []
    for number, actor in enumerate(crowd.actors):
        change, moment = rng.random(2)
        if difficulties.unannotated and number in hidden:
            actor = replace(actor, annotated=False)
        if difficulties.appearing:
            actor = replace(actor, present=_lifetime(change, moment * crowd.duration))
        if actor.annotated and quiet_until > 0:
            actor = replace(actor, present=(max(quiet_until, actor.present[0]), actor.present[1]))
        actors.append(actor)
    return actors


def _lifetime(change: float, moment: float) -> tuple[float, float]:
    if change < BEGINNING:
        return moment, np.inf
    return (-np.inf, moment) if change < BEGINNING + ENDING else (-np.inf, np.inf)


def _building_sites(crowd: Crowd, rng: np.random.Generator) -> None:
    """Two sites in parking strips: an excavator between barriers and cones, and workers."""
    sites = 0
    for kerb in rng.permutation(np.array(crowd.plan.kerbs(), object)):
        along, across = rng.uniform(kerb.start + 12, kerb.stop - 12), kerb.street.parking
        excavator = Actor.still('excavator', kerb.place(along, across + 0.05), kerb.yaw)
        if not crowd.near(kerb.place(along, across), reach=25 + 10 * (sites == 0)) or not crowd.add(excavator):
            continue
        for distance in (-6.5, 6.5):
            yaw = kerb.yaw + rng.normal(0, 0.1)
            crowd.add(Actor.still('barrier', kerb.place(along + distance, across), yaw))
            worker = kerb.place(along + 0.8 * distance, across + 0.5)
            crowd.add(Actor.still('worker', worker, rng.uniform(0, 2 * np.pi)))
        for distance in (-8.2, -7.4, 7.5, 8.4):
            crowd.add(Actor.still('cone', kerb.place(along + distance, across + rng.uniform(-0.9, 0.9)), kerb.yaw))
        sites += 1
        if sites == 2:
            return


def _park_one(crowd: Crowd, kind: str, rng: np.random.Generator) -> None:
    """Park one of a kind at the first free place of kerbs in random order, close to the ego car's path."""
    for kerb in rng.permutation(np.array(crowd.plan.kerbs(), object)):
        across = kerb.street.half + 2.5 if kind == 'bicycle' else kerb.street.parking
        place = kerb.place(rng.uniform(kerb.start + 6, kerb.stop - 6), across)
        if crowd.near(place, reach=28) and crowd.add(Actor.still(kind, place, kerb.yaw)):
            return


def _parked(crowd: Crowd, rng: np.random.Generator) -> None:
    for kerb in crowd.plan.kerbs():
        for along in np.arange(kerb.start + 4, kerb.stop - 4, 6.4):
            kind, wanted = str(rng.choice(list(PARKED), p=list(PARKED.values()))), rng.random() < 0.42
            shift, aside, turn = rng.normal(0, (0.3, 0.1, 0.03))
            place = kerb.place(along + shift, kerb.street.parking + aside)
            if wanted and crowd.near(place):
                crowd.add(Actor.still(kind, place, kerb.yaw + turn))


def _drivers(crowd: Crowd, rng: np.random.Generator) -> None:
    """Up to 24 vehicles on lanes near the ego car: straight on or round corners, some stop for a while."""
    plan, driving = crowd.plan, 0
    for trial in range(90):
        kind = DRIVEN[trial % len(DRIVEN)]
        at = crowd.path[rng.integers(len(crowd.path))] + rng.uniform(-55, 55, 2)
        axis, forward = int(rng.integers(2)), bool(rng.integers(2))
        street = int(np.argmin([abs(street.centre - at[1 - axis]) for street in plan.streets[axis]]))
        slow = kind == 'cyclist'
        offset = plan.streets[axis][street].island + 2.9 if slow else None
        line = lane_line(plan, axis, street, forward, at[axis], _turn(plan, axis, at[axis], forward, rng), offset)
        begin = rng.uniform(0, crowd.duration)
        stops = ((begin, begin + rng.uniform(2, 5)),) if rng.random() < 0.35 else ()
        drive = (12.0, rng.uniform(3, 5) if slow else rng.uniform(5, 10), crowd.duration, stops)
        if kind == 'truck and trailer':
            actors = [Actor('truck', line.drive(*drive)), Actor('trailer', line.drive(*drive, behind=9.3))]
        else:
            actors = [Actor(kind, line.drive(*drive))]
        driving += crowd.add(*actors)
        if driving == 24:
            return


def _turn(plan: Plan, axis: int, start: float, forward: bool, rng: np.random.Generator) -> list[tuple[int, str]]:
    """A turn into the next street that is at least 30 m ahead, or none."""
    sign = 1 if forward else -1
    ahead = [i for i, street in enumerate(plan.streets[1 - axis]) if sign * (street.centre - start) > 30]
    if not ahead or rng.random() < 0.5:
        return []
    return [(ahead[0] if forward else ahead[-1], str(rng.choice(['left', 'right'])))]


def _people(crowd: Crowd, rng: np.random.Generator) -> None:
    """Walking along the sidewalks, crossing the streets, standing."""
    for kerb in crowd.plan.kerbs():
        for kind in ('adult', 'adult', 'child', 'standing', 'crossing'):
            along, speed, begin = rng.uniform(kerb.start + 3, kerb.stop - 3), rng.uniform(0.9, 1.7), rng.uniform(-4, 4)
            across, end = kerb.street.half + rng.uniform(1.9, 2.3), rng.choice([kerb.start, kerb.stop])
            here = kerb.place(along, across)
            if rng.random() < 0.6 or not crowd.near(here, reach=45):
                continue
            if kind == 'standing':
                crowd.add(Actor.still('standing', here, rng.uniform(0, 2 * np.pi)))
            elif kind == 'crossing':
                path = straight_line(here, kerb.place(along, -kerb.street.half - 2))
                crowd.add(Actor('adult', _walk(path, speed, 2 * begin, crowd.duration)))
            else:
                path = straight_line(here, kerb.place(end, across))
                crowd.add(Actor(kind, _walk(path, speed, begin, crowd.duration)))


def _passers_by(crowd: Crowd, count: int, rng: np.random.Generator) -> None:
    """People on busy sidewalks, all over their width; one in four stands, one in eight crosses the street."""
    for kerb in crowd.plan.kerbs():
        for _ in range(count):
            along, speed, begin = rng.uniform(kerb.start, kerb.stop), rng.uniform(0.9, 1.7), rng.uniform(-4, 4)
            here = kerb.place(along, kerb.street.half + rng.uniform(0.5, SIDEWALK - 0.5))
            kind, what = str(rng.choice(['adult', 'adult', 'child'])), rng.random()
            if not crowd.near(here, reach=BUSY):
                continue
            if what < 0.25:
                crowd.add(Actor.still('standing', here, rng.uniform(0, 2 * np.pi)))
                continue
            crosses = what > 0.875
            end = kerb.place(along, -kerb.street.half - 2) if crosses else _along(kerb, here, rng)
            crowd.add(
                Actor(kind, _walk(straight_line(here, end), speed, 2 * begin if crosses else begin, crowd.duration))
            )


def _along(kerb: Kerb, here: tuple[float, float], rng: np.random.Generator) -> tuple[float, float]:
    """One end of the sidewalk, straight ahead of a place on it."""
    end = list(here)
    end[kerb.street.axis] = rng.choice([kerb.start, kerb.stop])
    return end[0], end[1]


def _walk(line: Line, speed: float, begin: float, duration: float) -> Motion:
    return line.drive(0.25, speed, duration, stops=((0.0, begin),))


def _things(crowd: Crowd, rng: np.random.Generator) -> None:
    """Rows of cones and barriers at the kerb; racks, bicycles and bins on the sidewalk."""
    groups = {'rack': 1, 'bin': 2, 'cone': 5, 'barrier': 3, 'bicycle': 2}
    for kerb in crowd.plan.kerbs():
        along, kind = rng.uniform(kerb.start + 4, kerb.stop - 14), str(rng.choice(list(groups)))
        if rng.random() < 0.25 or not crowd.near(kerb.place(along, kerb.street.half), reach=NEAR - 15):
            continue
        across = kerb.street.half + (-0.5 if kind in ('cone', 'barrier') else 2.5)
        sideways = np.pi / 2 if kind == 'barrier' else 0.0
        for number in range(groups[kind]):
            place = kerb.place(along + 2.4 * number + rng.normal(0, 0.1), across)
            crowd.add(Actor.still(kind, place, kerb.yaw + sideways + rng.normal(0, 0.05)))
