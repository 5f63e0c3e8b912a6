"""Who is on the streets of a town: vehicles, people and things that stand about, and the car with the sensors."""

from dataclasses import dataclass, replace

import numpy as np

from project.synthetic.models import model
from project.synthetic.routes import Line, Motion, lane_line, straight_line
from project.synthetic.settings import Difficulties
from project.synthetic.streets import BLOCKS, Plan

NEAR = 62.0
"""Farthest that road users are placed from the ego car's way."""
CLEARANCE = 0.25
EGO_SIZE = (2.1, 5.2)


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


def ego_motion(plan: Plan, duration: float, rng: np.random.Generator) -> Motion:
    """The drive of the car with the sensors: along a street, and after some seconds round a corner."""
    street, crossing = int(rng.integers(2, BLOCKS - 1)), int(rng.integers(2, BLOCKS))
    forward = bool(rng.random() < 0.5)
    speed = rng.uniform(6.5, 8.5)
    # The corner comes in the first two thirds of the drive, or right at the start of a very short one.
    ahead = min(55.0, max(9.0, 0.45 * duration * speed))
    start = plan.streets[1][crossing].centre - (1 if forward else -1) * ahead
    turn = str(rng.choice(['left', 'right']))
    line = lane_line(plan, 0, street, forward, start, [(crossing, turn)])
    stops = ((0.75 * duration, 0.75 * duration + 3.5),) if duration > 12 else ()
    return line.drive(2.0, speed, duration, stops)


class Crowd:
    """Collects actors that keep clear of each other and of the ego car for the whole scene."""

    def __init__(self, plan: Plan, ego: Motion, duration: float, rng: np.random.Generator):
        self.plan, self.rng, self.duration = plan, rng, duration
        self.times = np.arange(0, duration + 0.1, 0.1)
        self.way = ego.at(self.times)[:, :2]
        self.actors: list[Actor] = []
        self._places = [self._circles(ego.at(self.times), *EGO_SIZE)]
        self._radii = [np.full(self._places[0].shape[1], EGO_SIZE[0] / 2)]

    def add(self, *actors: Actor) -> bool:
        """Take actors in unless one of them touches something; they may touch each other."""
        circles = []
        for actor in actors:
            width, length, _ = model(actor.kind).size
            centres = self._circles(actor.motion.at(self.times), width, length)
            gap = np.linalg.norm(centres[:, :, None] - np.concatenate(self._places, axis=1)[:, None], axis=-1)
            if (gap < min(width, length) * 0.56 + np.concatenate(self._radii) * 1.1 + CLEARANCE).any():
                return False
            circles.append((centres, np.full(centres.shape[1], min(width, length) / 2)))
        self.actors += actors
        self._places += [centres for centres, _ in circles]
        self._radii += [radii for _, radii in circles]
        return True

    def near(self, x: float, y: float, reach: float = NEAR) -> bool:
        """Whether a place is within reach of the ego car's way."""
        return bool(np.hypot(*(self.way - (x, y)).T).min() < reach)

    def sides(self) -> list[tuple[int, int, int, tuple[float, float]]]:
        """(axis, street, side, (from, to)) of every kerb between two crossings."""
        return [
            (axis, street, side, (block[0][0], block[-1][1]))
            for axis in (0, 1)
            for street in range(BLOCKS + 1)
            for side in (-1, 1)
            for block in self.plan.lots[axis]
        ]

    @staticmethod
    def place(axis: int, along: float, across: float) -> tuple[float, float]:
        """(x, y) of coordinates along and across a street."""
        return (along, across) if axis == 0 else (across, along)

    @staticmethod
    def _circles(states: np.ndarray, width: float, length: float) -> np.ndarray:
        """(T, C, 2) centres of circles that cover a box along its longer side."""
        short, long = min(width, length), max(width, length)
        count = int(np.ceil(long / short))
        offsets = (np.arange(count) - (count - 1) / 2) * (long - short) / max(count - 1, 1)
        yaw = states[:, 2] + (0 if length >= width else np.pi / 2)
        forward = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        return states[:, None, :2] + forward[:, None] * offsets[:, None]


def populate(
    plan: Plan, ego: Motion, duration: float, difficulties: Difficulties, quiet_until: float, rng: np.random.Generator
) -> list[Actor]:
    """Everybody on the streets around the ego car's way; nobody with a box exists before `quiet_until`."""
    crowd = Crowd(plan, ego, duration, rng)
    _drivers(crowd)
    _building_site(crowd)
    _parked(crowd)
    _people(crowd)
    _things(crowd)
    actors = crowd.actors
    if difficulties.unannotated:
        actors = [replace(actor, annotated=actor.parked or rng.random() > 0.12) for actor in actors]
    if difficulties.appearing:
        actors = [replace(actor, present=_lifetime(duration, rng)) for actor in actors]
    if quiet_until > 0:
        actors = [replace(actor, present=(max(quiet_until, actor.present[0]), actor.present[1])) for actor in actors]
    return actors


def _lifetime(duration: float, rng: np.random.Generator) -> tuple[float, float]:
    """Most exist all the time; some begin, some end in the middle."""
    chance, moment = rng.random(2)
    moment *= duration
    return (moment, np.inf) if chance < 0.08 else (-np.inf, moment) if chance < 0.16 else (-np.inf, np.inf)


def _drivers(crowd: Crowd) -> None:
    rng, plan = crowd.rng, crowd.plan
    kinds = [
        'saloon',
        'suv',
        'hatchback',
        'bus',
        'truck',
        'motorcyclist',
        'cyclist',
        'van',
        'truck and trailer',
        'pickup',
    ]
    for trial in range(90):
        if sum(not actor.parked for actor in crowd.actors) > 24:
            break
        kind = kinds[trial % len(kinds)]
        at = crowd.way[rng.integers(len(crowd.way))] + rng.uniform(-55, 55, 2)
        axis, forward = int(rng.integers(2)), bool(rng.integers(2))
        centres = np.array([street.centre for street in plan.streets[axis]])
        street = int(np.argmin(np.abs(centres - at[1 - axis])))
        slow = kind == 'cyclist'
        road = plan.streets[axis][street]
        line = lane_line(
            plan,
            axis,
            street,
            forward,
            at[axis],
            _turn(plan, axis, at[axis], forward, rng),
            offset=road.island + 2.9 if slow else None,
        )
        begin = rng.uniform(0, crowd.duration)
        stops = ((begin, begin + rng.uniform(2, 5)),) if rng.random() < 0.35 else ()
        speed = rng.uniform(3, 5) if slow else rng.uniform(5, 10)
        drive = (12.0, speed, crowd.duration, stops)
        if kind == 'truck and trailer':
            crowd.add(Actor('truck', line.drive(*drive)), Actor('trailer', line.drive(*drive, behind=9.3)))
        else:
            crowd.add(Actor(kind, line.drive(*drive)))


def _turn(plan: Plan, axis: int, start: float, forward: bool, rng: np.random.Generator) -> list[tuple[int, str]]:
    """A turn into one of the next streets, or none."""
    ahead = [
        i
        for i, street in enumerate(plan.streets[1 - axis])
        if (street.centre - start > 30) == forward and abs(street.centre - start) > 30
    ]
    if not ahead or rng.random() < 0.5:
        return []
    return [(ahead[0] if forward else ahead[-1], str(rng.choice(['left', 'right'])))]


def _parked(crowd: Crowd) -> None:
    rng = crowd.rng
    kinds = ['saloon', 'hatchback', 'suv', 'van', 'pickup', 'truck', 'motorcycle', 'trailer', 'bus']
    weights = [0.26, 0.2, 0.18, 0.1, 0.07, 0.05, 0.07, 0.04, 0.03]
    for axis, street, side, (start, stop) in crowd.sides():
        road = crowd.plan.streets[axis][street]
        for along in np.arange(start + 4, stop - 4, 6.4):
            kind, wanted, jitter = (
                str(rng.choice(kinds, p=weights)),
                rng.random() < 0.42,
                rng.normal(0, [0.3, 0.1, 0.03]),
            )
            x, y = crowd.place(axis, along + jitter[0], road.centre + side * road.parking + jitter[1])
            if wanted and crowd.near(x, y):
                yaw = axis * np.pi / 2 + (np.pi if (side > 0) == (axis == 0) else 0) + jitter[2]
                crowd.add(Actor(kind, Motion.still(x, y, yaw), parked=True))


def _building_site(crowd: Crowd) -> None:
    """Sites in parking strips: an excavator behind barriers and cones, and workers."""
    rng, sites = crowd.rng, 0
    kerbs = [kerb for kerb in crowd.sides() if kerb[3][1] - kerb[3][0] > 30]
    for index in rng.permutation(len(kerbs)):
        axis, street, side, (start, stop) = kerbs[index]
        road = crowd.plan.streets[axis][street]
        along = rng.uniform(start + 12, stop - 12)
        turn = axis * np.pi / 2

        def still(kind, ds, dn, yaw=0.0, axis=axis, road=road, side=side, along=along, turn=turn):
            x, y = Crowd.place(axis, along + ds, road.centre + side * (road.parking + dn))
            return Actor(kind, Motion.still(x, y, turn + yaw), parked=True)

        if not crowd.near(*still('cone', 0, 0).motion.states[0, :2], reach=22) or not crowd.add(
            still('excavator', 0, 0.05)
        ):
            continue
        for ds in (-6.5, 6.5):
            crowd.add(still('barrier', ds, 0.0, rng.normal(0, 0.1)))
        for ds in (-8.0, -7.6, 7.8, 8.4):
            crowd.add(still('cone', ds, rng.uniform(-0.9, 0.9)))
        for ds in (-5.2, 5.2):
            crowd.add(still('worker', ds, 0.5, rng.uniform(0, 6)))
        sites += 1
        if sites == 2:
            return


def _people(crowd: Crowd) -> None:
    """Walking along the sidewalks, crossing the streets, standing."""
    rng = crowd.rng
    for axis, street, side, (start, stop) in crowd.sides():
        road = crowd.plan.streets[axis][street]
        for kind in ('adult', 'adult', 'child', 'standing', 'crossing'):
            along, wanted, speed, forward = (
                rng.uniform(start + 3, stop - 3),
                rng.random() < 0.4,
                rng.uniform(0.9, 1.7),
                rng.integers(2),
            )
            across = road.centre + side * (road.half + rng.uniform(1.9, 2.4))
            if not wanted or not crowd.near(*crowd.place(axis, along, across), reach=45):
                continue
            here = np.array(crowd.place(axis, along, across))
            if kind == 'standing':
                crowd.add(Actor('standing', Motion.still(*here, rng.uniform(0, 2 * np.pi)), parked=True))
            elif kind == 'crossing':
                there = np.array(crowd.place(axis, along, road.centre - side * (road.half + 2)))
                crowd.add(_walk('adult', straight_line(here, there), speed, rng.uniform(0, 8), crowd.duration))
            else:
                there = np.array(crowd.place(axis, stop if forward else start, across))
                crowd.add(_walk(kind, straight_line(here, there), speed, rng.uniform(-3, 3), crowd.duration))


def _walk(kind: str, line: Line, speed: float, begin: float, duration: float) -> Actor:
    motion = line.drive(0.25, speed, duration, stops=((0.0, begin),))
    return Actor(kind, motion)


def _things(crowd: Crowd) -> None:
    """Rows of cones and barriers at the kerb; racks, bicycles and bins on the sidewalk."""
    rng = crowd.rng
    for axis, street, side, (start, stop) in crowd.sides():
        road = crowd.plan.streets[axis][street]
        along, group, wanted = (
            rng.uniform(start + 4, stop - 8),
            str(rng.choice(['rack', 'bin', 'cones', 'barriers', 'bicycle'])),
            rng.random(),
        )
        if wanted > 0.75 or not crowd.near(*crowd.place(axis, along, road.centre), reach=40):
            continue
        turn = axis * np.pi / 2
        kinds = {
            'rack': ['rack'],
            'bin': ['bin', 'bin'],
            'cones': ['cone'] * 5,
            'barriers': ['barrier'] * 3,
            'bicycle': ['bicycle'] * 2,
        }[group]
        inside = -0.5 if group in ('cones', 'barriers') else 2.75
        for number, kind in enumerate(kinds):
            x, y = crowd.place(
                axis, along + 2.4 * number + rng.normal(0, 0.1), road.centre + side * (road.half + inside)
            )
            sideways = np.pi / 2 if kind == 'barrier' else 0.0
            crowd.add(Actor(kind, Motion.still(x, y, turn + sideways + rng.normal(0, 0.05)), parked=True))
