"""Shapes of everything that has a box: x forward, y left, z up, standing on z = 0 around the origin, metres."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from project.synthetic.materials import Material
from project.synthetic.solids import Mesh, Solid, box, ellipsoid, frustum, joined, prism
from project.taxonomy import RAW_NAMES

BOX_MARGIN = 0.05
"""Annotators leave some room: boxes exceed the surface by this much, except below."""


@dataclass(frozen=True)
class Model:
    """A shape and the box that an annotator draws around it.

    Attributes:
        mesh: its outside surface.
        raw: lidarseg index of its category.
        size: (width, length, height) of the box, metres.
        centre: (3,) centre of the box in the model's frame.
    """

    mesh: Mesh
    raw: int
    size: tuple[float, float, float]
    centre: np.ndarray


@cache
def model(kind: str) -> Model:
    """The model of a kind, one of :data:`KINDS`."""
    category, shape = KINDS[kind]
    raw = RAW_NAMES.index(category)
    mesh = joined([replace(solid, raw=raw) for solid in shape()])
    low, high = mesh.triangles.min(axis=(0, 1)) - BOX_MARGIN, mesh.triangles.max(axis=(0, 1)) + BOX_MARGIN
    low[2] = 0.0
    length, width, height = high - low
    return Model(mesh, raw, (width, length, height), (low + high) / 2)


def _wheel(x: float, y: float, radius: float, width: float = 0.2) -> Solid:
    return frustum((x, y - width / 2, radius), (x, y + width / 2, radius), (radius, radius), Material.RUBBER, sides=12)


def _wheels(xs: tuple[float, ...], track: float, radius: float) -> list[Solid]:
    return [_wheel(x, side * track / 2, radius) for x in xs for side in (-1, 1)]


def _car(length: float = 4.6, width: float = 1.84, height: float = 1.5, boot: float = 0.75) -> list[Solid]:
    front, back, waist = length / 2, -length / 2, 0.55 * height
    body = [
        (back + 0.1, 0.25),
        (front - 0.1, 0.25),
        (front, 0.45),
        (front - 0.1, waist - 0.1),
        (front - 1.1, waist),
        (back + 0.05, waist),
        (back, 0.5),
    ]
    cabin = [
        (back + boot, waist - 0.05),
        (front - 1.0, waist - 0.05),
        (front - 1.75, height),
        (back + boot + 0.35, height),
    ]
    mirrors = [
        box((front - 1.75, side - 0.12, waist), (front - 1.6, side + 0.12, waist + 0.14), Material.PAINT)
        for side in (-width / 2, width / 2)
    ]
    return [
        prism(body, width, Material.PAINT, top=0.96),
        prism(cabin, width * 0.92, Material.GLASS, top=0.78),
        box((back + boot + 0.4, -0.55, height - 0.1), (front - 1.85, 0.55, height + 0.03), Material.PAINT),
        *_wheels((front - 0.9, back + 0.85), width - 0.16, 0.33),
        *mirrors,
    ]


def _van() -> list[Solid]:
    return [
        prism([(-2.5, 0.3), (2.5, 0.3), (2.55, 0.8), (1.7, 1.2), (-2.47, 1.2)], 1.95, Material.PAINT, top=0.97),
        prism([(-2.46, 1.1), (1.75, 1.1), (1.2, 2.0), (-2.42, 2.05)], 1.88, Material.PAINT, top=0.9),
        box((-1.5, -0.925, 1.3), (1.15, 0.925, 1.7), Material.GLASS),
        *_wheels((1.6, -1.55), 1.79, 0.36),
    ]


def _truck() -> list[Solid]:
    cab = [(2.2, 0.5), (4.1, 0.5), (4.15, 1.4), (3.9, 2.6), (2.2, 2.7)]
    return [
        box((-4.1, -0.45, 0.6), (3.0, 0.45, 1.0), Material.METAL),
        prism(cab, 2.3, Material.PAINT, top=0.93),
        box((3.5, -1.05, 1.5), (4.07, 1.05, 2.2), Material.GLASS),
        box((-4.1, -1.22, 0.95), (1.95, 1.22, 3.3), Material.WHITE),
        *_wheels((3.1, -2.1, -3.1), 2.24, 0.48),
    ]


def _pickup() -> list[Solid]:
    return [
        box((-2.6, -0.9, 0.45), (2.6, 0.9, 0.95), Material.PAINT),
        box((-2.6, -0.9, 0.9), (-2.5, 0.9, 1.25), Material.PAINT),
        *(box((-2.55, side - 0.05, 0.9), (-0.55, side + 0.05, 1.25), Material.PAINT) for side in (-0.85, 0.85)),
        prism([(-0.6, 0.9), (1.5, 0.9), (0.75, 1.8), (-0.45, 1.8)], 1.7, Material.GLASS, top=0.85),
        box((1.2, -0.82, 0.9), (2.5, 0.82, 1.15), Material.PAINT),
        *_wheels((1.65, -1.6), 1.64, 0.4),
    ]


def _bus() -> list[Solid]:
    body = [(-5.4, 0.35), (5.4, 0.35), (5.5, 0.9), (5.35, 3.1), (-5.4, 3.1)]
    return [
        prism(body, 2.55, Material.PAINT, top=0.96),
        box((-4.9, -1.27, 1.3), (5.43, 1.27, 2.3), Material.GLASS),
        box((-3.0, -0.8, 3.0), (0.5, 0.8, 3.3), Material.WHITE),
        *_wheels((3.2, -2.6), 2.4, 0.5),
    ]


def _trailer() -> list[Solid]:
    return [
        box((-4.5, -1.25, 1.0), (4.5, 1.25, 3.6), Material.WHITE),
        box((-4.4, -0.4, 0.75), (4.2, 0.4, 1.1), Material.METAL),
        *_wheels((-3.6, -2.5), 2.2, 0.48),
        *(box((2.4, side - 0.08, 0.0), (2.6, side + 0.08, 1.05), Material.METAL) for side in (-0.8, 0.8)),
    ]


def _excavator() -> list[Solid]:
    arm = [
        frustum((0.9, 0.5, 1.5), (3.2, 0.5, 3.5), (0.28, 0.22), Material.YELLOW),
        frustum((3.1, 0.5, 3.6), (4.6, 0.5, 1.3), (0.22, 0.16), Material.YELLOW),
        prism([(4.2, 0.4), (5.1, 0.5), (4.9, 1.4), (4.4, 1.4)], 1.0, Material.METAL, y=0.5),
    ]
    tracks = [
        prism(
            [(-1.8, 0.25), (-1.4, 0.0), (1.4, 0.0), (1.8, 0.25), (1.5, 0.75), (-1.5, 0.75)], 0.5, Material.RUBBER, y=y
        )
        for y in (-1.0, 1.0)
    ]
    return [
        *tracks,
        box((-1.2, -0.9, 0.45), (1.2, 0.9, 0.9), Material.METAL),
        box((-2.0, -1.15, 0.85), (1.2, 1.15, 1.7), Material.YELLOW),
        prism([(-0.2, 1.6), (1.3, 1.6), (1.1, 2.9), (-0.2, 2.9)], 1.0, Material.GLASS, top=0.9, y=-0.55),
        *arm,
    ]


def _rider(x: float, seat: float) -> list[Solid]:
    legs = [
        frustum((x - 0.05, side * 0.12, seat), (x + 0.25, side * 0.16, 0.3), (0.09, 0.06), Material.CLOTH, 6)
        for side in (-1, 1)
    ]
    return [
        *legs,
        frustum((x - 0.1, 0, seat - 0.05), (x + 0.15, 0, seat + 0.58), (0.17, 0.2), Material.PAINT),
        ellipsoid((x + 0.22, 0, seat + 0.74), (0.12, 0.11, 0.15), Material.SKIN),
        *(
            frustum(
                (x + 0.14, side * 0.2, seat + 0.48),
                (x + 0.62, side * 0.24, seat + 0.2),
                (0.06, 0.05),
                Material.PAINT,
                6,
            )
            for side in (-1, 1)
        ),
    ]


def _bicycle(ridden: bool) -> list[Solid]:
    frame = [
        frustum((-0.5, 0, 0.34), (0.12, 0, 0.42), (0.04, 0.04), Material.PAINT, 6),
        frustum((0.02, 0, 0.3), (-0.2, 0, 0.92), (0.04, 0.035), Material.PAINT, 6),
        frustum((0.08, 0, 0.36), (0.42, 0, 0.82), (0.04, 0.04), Material.PAINT, 6),
        frustum((0.56, 0, 0.34), (0.4, 0, 1.02), (0.035, 0.035), Material.METAL, 6),
        frustum((0.38, -0.28, 0.99), (0.38, 0.28, 0.99), (0.035, 0.035), Material.METAL, 6),
        box((-0.32, -0.09, 0.88), (-0.06, 0.09, 0.97), Material.RUBBER),
    ]
    return [_wheel(-0.54, 0, 0.34, 0.06), _wheel(0.57, 0, 0.34, 0.06), *frame, *(_rider(-0.2, 0.95) if ridden else [])]


def _motorcycle(ridden: bool) -> list[Solid]:
    tank = [(-0.75, 0.62), (-0.55, 0.42), (0.4, 0.35), (0.55, 0.8), (0.2, 0.98), (-0.3, 0.8)]
    return [
        _wheel(-0.68, 0, 0.32, 0.16),
        _wheel(0.72, 0, 0.32, 0.14),
        prism(tank, 0.36, Material.PAINT, top=0.8),
        frustum((0.74, 0, 0.34), (0.45, 0, 1.05), (0.06, 0.06), Material.METAL, 6),
        frustum((0.44, -0.34, 1.02), (0.44, 0.34, 1.02), (0.04, 0.04), Material.METAL, 6),
        *(_rider(-0.25, 0.82) if ridden else []),
    ]


def _person(height: float = 1.74, clothes: Material = Material.PAINT, stride: float = 0.18) -> list[Solid]:
    k = height / 1.74
    limbs = [
        frustum(
            (side * stride * k, side * 0.09 * k, 0),
            (0, side * 0.09 * k, 0.88 * k),
            (0.075 * k, 0.1 * k),
            Material.CLOTH,
            6,
        )
        for side in (-1, 1)
    ]
    limbs += [
        frustum(
            (-side * stride * k, side * 0.3 * k, 0.8 * k),
            (0, side * 0.22 * k, 1.4 * k),
            (0.045 * k, 0.06 * k),
            clothes,
            6,
        )
        for side in (-1, 1)
    ]
    return [
        *limbs,
        frustum((0, 0, 0.82 * k), (0, 0, 1.5 * k), (0.19 * k, 0.23 * k), clothes),
        ellipsoid((0.02 * k, 0, 1.61 * k), (0.11 * k, 0.1 * k, 0.14 * k), Material.SKIN),
    ]


def _cone() -> list[Solid]:
    return [
        box((-0.2, -0.2, 0.0), (0.2, 0.2, 0.06), Material.RUBBER),
        frustum((0, 0, 0.04), (0, 0, 0.42), (0.17, 0.1), Material.ORANGE),
        frustum((0, 0, 0.4), (0, 0, 0.58), (0.11, 0.07), Material.WHITE),
        frustum((0, 0, 0.56), (0, 0, 0.76), (0.075, 0.04), Material.ORANGE),
    ]


def _barrier() -> list[Solid]:
    # Drawn out along y: a barrier is wider than it is long, as nuScenes' boxes have it.
    return [
        prism([(-0.3, 0.0), (0.3, 0.0), (0.12, 0.35), (-0.12, 0.35)], 2.0, Material.WHITE),
        prism([(-0.13, 0.3), (0.13, 0.3), (0.09, 0.95), (-0.09, 0.95)], 1.96, Material.RED),
    ]


def _bin() -> list[Solid]:
    return [
        prism([(-0.3, 0.08), (0.3, 0.08), (0.36, 1.0), (-0.36, 1.0)], 0.6, Material.PAINT),
        box((-0.4, -0.33, 0.98), (0.4, 0.33, 1.08), Material.RUBBER),
        *_wheels((-0.28,), 0.5, 0.1),
    ]


def _rack() -> list[Solid]:
    hoops = [frustum((x, 0, 0), (x, 0, 0.8), (0.04, 0.04), Material.METAL, 6) for x in np.arange(-1.5, 1.6, 0.75)]
    return [*hoops, frustum((-1.6, 0, 0.78), (1.6, 0, 0.78), (0.05, 0.05), Material.METAL, 6)]


KINDS: dict[str, tuple[str, Callable[[], list[Solid]]]] = {
    'saloon': ('vehicle.car', _car),
    'hatchback': ('vehicle.car', lambda: _car(3.9, 1.72, 1.48, 0.15)),
    'suv': ('vehicle.car', lambda: _car(4.8, 1.95, 1.76, 0.12)),
    'van': ('vehicle.car', _van),
    'truck': ('vehicle.truck', _truck),
    'pickup': ('vehicle.truck', _pickup),
    'bus': ('vehicle.bus.rigid', _bus),
    'trailer': ('vehicle.trailer', _trailer),
    'excavator': ('vehicle.construction', _excavator),
    'cyclist': ('vehicle.bicycle', lambda: _bicycle(ridden=True)),
    'bicycle': ('vehicle.bicycle', lambda: _bicycle(ridden=False)),
    'motorcyclist': ('vehicle.motorcycle', lambda: _motorcycle(ridden=True)),
    'motorcycle': ('vehicle.motorcycle', lambda: _motorcycle(ridden=False)),
    'adult': ('human.pedestrian.adult', _person),
    'standing': ('human.pedestrian.adult', lambda: _person(1.68, stride=0.02)),
    'child': ('human.pedestrian.child', lambda: _person(1.2)),
    'worker': ('human.pedestrian.construction_worker', lambda: _person(1.78, Material.ORANGE)),
    'cone': ('movable_object.trafficcone', _cone),
    'barrier': ('movable_object.barrier', _barrier),
    'bin': ('movable_object.pushable_pullable', _bin),
    'rack': ('static_object.bicycle_rack', _rack),
}
"""Category and shape of each kind."""
