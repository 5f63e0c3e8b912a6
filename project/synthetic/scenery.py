"""Buildings, walls, trees and poles of a town."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from project.geometry.rigid import yaw_rotation
from project.synthetic.materials import Material
from project.synthetic.solids import Mesh, Solid, box, cut, ellipsoid, frustum, joined
from project.synthetic.streets import BLOCKS, Plan
from project.synthetic.terrain import OTHER, TERRAIN, WALK, Ground
from project.taxonomy import RAW_NAMES

MANMADE, STATIC_OTHER, VEGETATION = (RAW_NAMES.index(f'static.{name}') for name in ('manmade', 'other', 'vegetation'))
BASE = 3.0
"""How far solids reach below the ground they stand on."""

FURNITURE_RADIUS = 0.2
"""How far trees, lamps, signs and hydrants reach at the height of vehicles and people."""

Lot = tuple[int, int, int, int]


@dataclass(frozen=True)
class Furniture:
    """Something that stands at a kerb: its prototype, place and heading."""

    kind: str
    x: float
    y: float
    yaw: float


def choose_lots(rng: np.random.Generator) -> tuple[dict[Lot, str], dict[Lot, int]]:
    """Use ('building' | 'park' | 'plaza' | 'yard') and lidarseg index of the ground of each lot."""
    uses, raw = {}, {}
    for block_x, block_y, x, y in np.ndindex(BLOCKS, BLOCKS, 3, 3):
        inner = x == 1 and y == 1
        use = 'yard' if inner else str(rng.choice(['building', 'park', 'plaza'], p=[0.66, 0.2, 0.14]))
        grounds = {
            'building': WALK if rng.random() < 0.4 else TERRAIN,
            'park': TERRAIN,
            'yard': TERRAIN,
            'plaza': OTHER,
        }
        uses[block_x, block_y, x, y], raw[block_x, block_y, x, y] = use, grounds[use]
    return uses, raw


def build(
    plan: Plan,
    ground: Ground,
    uses: dict[Lot, str],
    furniture: list[Furniture],
    near: np.ndarray,
    rng: np.random.Generator,
    reach: float = 125.0,
) -> Mesh:
    """The surface of the static town as far as `reach` metres from the places `near` (N, 2)."""
    meshes, footprints = [], []
    for (block_x, block_y, x, y), use in uses.items():
        (x0, x1), (y0, y1) = plan.lots[0][block_x][x], plan.lots[1][block_y][y]
        # Drawn for every lot, wanted or not, so that no lot depends on what is near.
        lot_rng = np.random.default_rng(rng.integers(2**63))
        if np.hypot(*(near - ((x0 + x1) / 2, (y0 + y1) / 2)).T).min() > reach:
            continue
        found, blocking = _LOTS[use](ground, (x0, y0, x1, y1), (x - 1, y - 1), lot_rng)
        meshes += found
        footprints += blocking
    for each in furniture:
        # Drawn for all, for the same reason.
        size = rng.uniform(0.8, 1.0) if each.kind == 'tree' else 1.0
        if np.hypot(*(near - (each.x, each.y)).T).min() < reach:
            meshes.append(_planted(each.kind, ground, each.x, each.y, each.yaw, size))
    surface = ground.mesh()
    around = (
        np.hypot(*(surface.triangles[:, None, 0, :2] - near[None, ::5]).transpose(2, 0, 1)).min(axis=1) < reach + 20
    )
    triangles, sources = cut(surface.triangles[around], np.full(around.sum(), -1), footprints)
    return Mesh.join([Mesh(triangles, surface.raw[around][sources], surface.material[around][sources]), *meshes])


def _building(ground, area, outward, rng) -> tuple[list[Mesh], list[Solid]]:
    x0, y0, x1, y1 = area
    margin = rng.uniform(0.6, 2.5, 4)
    x0, y0, x1, y1 = x0 + margin[0], y0 + margin[1], x1 - margin[2], y1 - margin[3]
    floor = ground.height((x0 + x1) / 2, (y0 + y1) / 2)
    height = rng.choice([rng.uniform(5, 9), rng.uniform(9, 20)])
    front = (Material.FACADE, Material.BRICK, Material.PLASTER)[rng.integers(3)]
    solids = [box((x0, y0, floor - BASE), (x1, y1, floor + height), front)]
    if rng.random() < 0.6:
        inset = rng.uniform(1, 3)
        solids.append(
            box(
                (x0 + inset, y0 + inset, floor + height - 1),
                (x1 - inset, y1 - inset, floor + height + rng.uniform(2, 6)),
                Material.CONCRETE,
            )
        )
    if rng.random() < 0.7:
        # A porch in the middle of the side that faces the street.
        porch, middle = rng.uniform(1.2, 2.5), np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        toward = np.array(outward if outward[0] == 0 or outward[1] == 0 else (outward[0], 0), float)
        centre = middle + toward * np.array([x1 - x0, y1 - y0]) / 2
        reach = np.where(toward != 0, min(0.55, margin.min() * 0.9), porch)
        solids.append(box((*(centre - reach), floor - BASE), (*(centre + reach), floor + 2.7), Material.CONCRETE))
    return [_static(solids, MANMADE)], solids


def _park(ground, area, outward, rng) -> tuple[list[Mesh], list[Solid]]:
    # Far enough apart and from the edges that no two crowns and no crown and wall meet.
    trees = _scatter(area, rng, count=9, apart=5.9, margin=2.5)
    bushes = _scatter(area, rng, count=3, apart=4.3, margin=2.0, avoid=trees)
    planted = [(f'wide tree {rng.integers(3)}', place, (0.8, 1.2)) for place in trees]
    planted += [('bush', place, (0.7, 1.3)) for place in bushes]
    meshes = [
        _planted(kind, ground, *place, rng.uniform(0, 2 * np.pi), rng.uniform(*scale)) for kind, place, scale in planted
    ]
    return meshes, []


def _plaza(ground, area, outward, rng) -> tuple[list[Mesh], list[Solid]]:
    places = _scatter(area, rng, count=4, apart=4.0, margin=1.8)
    kinds = ('planter', 'kiosk', 'pillar', 'planter')
    return [
        _planted(kind, ground, *place, rng.uniform(0, 2 * np.pi)) for kind, place in zip(kinds, places, strict=False)
    ], []


def _yard(ground, area, outward, rng) -> tuple[list[Mesh], list[Solid]]:
    x0, y0, x1, y1 = area
    walls = []
    if rng.random() < 0.7:
        floor = ground.height((x0 + x1) / 2, y0 + 1)
        kind, raw = (Material.CONCRETE, MANMADE) if rng.random() < 0.6 else (Material.LEAF, VEGETATION)
        top = floor + rng.uniform(1.0, 2.0)
        walls = [replace(box((x0 + 1, y0 + 0.6, floor - BASE), (x1 - 1, y0 + 1.1, top), kind), raw=raw)]
    meshes, _ = _park(ground, (x0, y0 + 3, x1, y1), outward, rng)
    return meshes + ([joined(walls)] if walls else []), walls


_LOTS = {'building': _building, 'park': _park, 'plaza': _plaza, 'yard': _yard}


def furnish(plan: Plan, rng: np.random.Generator) -> list[Furniture]:
    """Trees, lamps, signs and hydrants along all kerbs."""
    found = []
    for kerb in plan.kerbs():
        for along in np.arange(kerb.start + 2, kerb.stop - 2, 6.5):
            kind = str(rng.choice(['tree', 'lamp', 'sign', 'hydrant', 'nothing'], p=[0.3, 0.16, 0.1, 0.06, 0.38]))
            place = kerb.place(along + rng.uniform(-1, 1), kerb.street.half + (1.0 if kind == 'tree' else 0.5))
            if kind != 'nothing':
                # Lamps and signs have their arms and faces along y: towards the street.
                found.append(Furniture(kind, *place, kerb.yaw))
    return found


def _planted(kind, ground, x, y, yaw, scale=1.0) -> Mesh:
    return _prototype(kind).moved(yaw_rotation(yaw), np.array([x, y, ground.height(x, y)]), scale)


def _scatter(area, rng, count, apart, margin, avoid=()) -> list[tuple[float, float]]:
    """Up to `count` places in an area, at least `apart` from each other and from those to avoid, and
    `margin` from its edges."""
    x0, y0, x1, y1 = area
    places: list[tuple[float, float]] = []
    for x, y in zip(
        rng.uniform(x0 + margin, x1 - margin, count), rng.uniform(y0 + margin, y1 - margin, count), strict=True
    ):
        if all(np.hypot(x - a, y - b) > apart for a, b in (*places, *avoid)):
            places.append((float(x), float(y)))
    return places


def _static(solids: list[Solid], raw: int) -> Mesh:
    return joined([replace(solid, raw=raw) for solid in solids])


@cache
def _prototype(kind: str) -> Mesh:
    rng = np.random.default_rng(sum(map(ord, kind)))
    if kind == 'tree':
        # Narrow enough to stay clear of high vehicles at the kerb.
        trunk = frustum((0, 0, -BASE), (0, 0, 2.6), (0.14, 0.1), Material.BARK)
        crown = [
            ellipsoid((*rng.uniform(-0.2, 0.2, 2), z), (0.75, 0.75, 0.9), Material.LEAF, 10) for z in (2.9, 3.7, 4.5)
        ]
        return _static([trunk, *crown], VEGETATION)
    if kind.startswith('wide tree'):
        trunk = frustum((0, 0, -BASE), (0, 0, 2.9), (0.2, 0.15), Material.BARK)
        crown = [
            ellipsoid((*rng.uniform(-0.6, 0.6, 2), rng.uniform(3.2, 5.0)), rng.uniform(1.0, 1.6, 3), Material.LEAF, 10)
            for _ in range(4)
        ]
        return _static([ellipsoid((0, 0, 3.4), (1.5, 1.5, 1.3), Material.LEAF, 10), trunk, *crown], VEGETATION)
    if kind == 'bush':
        return _static(
            [ellipsoid((*rng.uniform(-0.5, 0.5, 2), 0.4), rng.uniform(0.5, 0.9, 3), Material.LEAF) for _ in range(3)],
            VEGETATION,
        )
    solids = {
        'lamp': [
            frustum((0, 0, -BASE), (0, 0, 6.5), (0.11, 0.07), Material.METAL),
            box((-0.06, -0.1, 6.3), (0.06, 1.9, 6.45), Material.METAL),
            box((-0.15, 1.3, 6.25), (0.15, 2.0, 6.5), Material.WHITE),
        ],
        'sign': [
            frustum((0, 0, -BASE), (0, 0, 2.4), (0.05, 0.05), Material.METAL, 6),
            box((-0.04, -0.35, 1.9), (0.08, 0.35, 2.6), Material.RED),
        ],
        'kiosk': [
            box((-1.0, -0.8, -BASE), (1.0, 0.8, 2.3), Material.RED),
            box((-1.3, -1.1, 2.2), (1.3, 1.1, 2.4), Material.METAL),
        ],
        'pillar': [frustum((0, 0, -BASE), (0, 0, 3.0), (0.55, 0.55), Material.CONCRETE, 12)],
        'planter': [box((-1.1, -0.5, -BASE), (1.1, 0.5, 0.5), Material.CONCRETE)],
        'hydrant': [
            frustum((0, 0, -BASE), (0, 0, 0.8), (0.15, 0.13), Material.RED),
            ellipsoid((0, 0, 0.8), (0.14, 0.14, 0.16), Material.RED),
        ],
    }[kind]
    return _static(solids, STATIC_OTHER if kind == 'hydrant' else MANMADE)
