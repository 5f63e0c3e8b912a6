"""The ground of a town: triangles on a grid of uneven lines, kerbs where its level steps."""

import itertools
from dataclasses import dataclass

import numpy as np
from numba import njit

from project.synthetic.materials import Material
from project.synthetic.solids import Mesh
from project.synthetic.streets import SIDEWALK, Plan
from project.taxonomy import RAW_NAMES

KERB = 0.15
STEP = 6.0
"""Longest side of a cell of the ground."""

ROAD, OTHER, WALK, TERRAIN = (
    RAW_NAMES.index(f'flat.{name}') for name in ('driveable_surface', 'other', 'sidewalk', 'terrain')
)
MATERIALS = {ROAD: Material.ASPHALT, OTHER: Material.PLAZA, WALK: Material.PAVING, TERRAIN: Material.GRASS}


@dataclass(frozen=True)
class Ground:
    """Ground over cells between lines; a diagonal divides each cell into two triangles.

    Attributes:
        x, y: (X + 1,) and (Y + 1,) lines, ascending, metres.
        heights: (X + 1, Y + 1) height of the road's level at the lines' crossings.
        falling: (X, Y) bool, the diagonal runs from (x high, y low) to (x low, y high), else from low to high.
        raw: (X, Y, 2) uint8 lidarseg index of both triangles, the one with the lower y first.
    """

    x: np.ndarray
    y: np.ndarray
    heights: np.ndarray
    falling: np.ndarray
    raw: np.ndarray

    def height(self, x: float, y: float) -> float:
        """Height of the ground; the nearest cell's outside of the town."""
        a, b, c = surface(self.x, self.y, self.heights, self.falling, self.raw, x, y)
        return a * x + b * y + c

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The arrays for :func:`surface`."""
        return self.x, self.y, self.heights, self.falling, self.raw

    def mesh(self) -> Mesh:
        """Its triangles, kerbs included."""
        corners, raw, kerbs = _triangles(*self.arrays)
        material = np.array([MATERIALS.get(index, 0) for index in range(len(RAW_NAMES))], np.uint8)[raw]
        material[len(raw) - kerbs :] = Material.KERB
        return Mesh(corners, raw, material)


def make_ground(
    plan: Plan, lot_raw: dict[tuple[int, int, int, int], int], hilly: bool, rng: np.random.Generator
) -> Ground:
    """Ground of a plan.

    Args:
        plan: streets and lots.
        lot_raw: lidarseg index of the lot (block x, block y, lot x, lot y).
        hilly: hills of about a metre; else the roads are level.
        rng: for hills and bumps.
    """
    lines = [_lines(plan, axis) for axis in (0, 1)]
    middles = [(line[1:] + line[:-1]) / 2 for line in lines]
    zones = [[_zone(plan, axis, at) for at in middles[axis]] for axis in (0, 1)]
    raw = np.empty((len(middles[0]), len(middles[1]), 2), np.uint8)
    falling = np.zeros(raw.shape[:2], bool)
    for i, (kind_x, block_x, lot_x) in enumerate(zones[0]):
        for j, (kind_y, block_y, lot_y) in enumerate(zones[1]):
            raw[i, j] = _kind(kind_x, kind_y, lot_raw.get((block_x, block_y, lot_x, lot_y)))
            if kind_x in _WALKS and kind_y in _WALKS:
                # The road cuts the corner of a block.
                falling[i, j] = kind_x == kind_y
                raw[i, j, int(kind_y == 'walk before street')] = ROAD
    x, y = np.meshgrid(*lines, indexing='ij')
    heights = hills(x, y, rng) if hilly else np.zeros_like(x)
    heights += _bumps(raw, rng)
    return Ground(lines[0], lines[1], heights, falling, raw)


_WALKS = ('walk after street', 'walk before street')


def hills(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth random height, about a metre up and down over some tens of metres."""
    total = np.zeros_like(x)
    for _ in range(4):
        length, heading, phase = rng.uniform(80, 180), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
        total += 0.5 * np.sin(2 * np.pi / length * (x * np.cos(heading) + y * np.sin(heading)) + phase)
    return total


def _lines(plan: Plan, axis: int) -> np.ndarray:
    """Lines across an axis: edges of streets, islands, sidewalks and lots, and further ones between them."""
    edges: set[float] = set()
    for street in plan.streets[1 - axis]:
        offsets = [street.half, street.half + SIDEWALK, street.island]
        edges.update(round(street.centre + sign * offset, 6) for offset in offsets for sign in (-1, 1))
    edges.update(round(edge, 6) for block in plan.lots[axis] for lot in block for edge in lot)
    marks = sorted(edges)
    parts = [np.linspace(a, b, int(np.ceil((b - a) / STEP)), endpoint=False) for a, b in itertools.pairwise(marks)]
    return np.concatenate([*parts, marks[-1:]])


def _zone(plan: Plan, axis: int, at: float) -> tuple[str, int, int]:
    """What lies at a coordinate: ('road' | 'island' | 'walk ...' | 'lot', block, lot)."""
    for street in plan.streets[1 - axis]:
        offset = at - street.centre
        if abs(offset) < street.island:
            return 'island', -1, -1
        if abs(offset) < street.half:
            return 'road', -1, -1
        if abs(offset) < street.half + SIDEWALK:
            return ('walk after street' if offset > 0 else 'walk before street'), -1, -1
    for block, lots in enumerate(plan.lots[axis]):
        for lot, (start, stop) in enumerate(lots):
            if start <= at <= stop:
                return 'lot', block, lot
    raise ValueError(f'{at} lies outside of the town')


def _kind(x: str, y: str, lot: int | None) -> int:
    if x == 'lot' and y == 'lot' and lot is not None:
        return lot
    if x in ('road', 'island') and y in ('road', 'island'):
        return ROAD
    if 'island' in (x, y):
        # Islands stop short of crossings, at the sidewalks.
        return OTHER if 'lot' in (x, y) else ROAD
    return ROAD if 'road' in (x, y) else WALK


def _bumps(raw: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unevenness of crossings that terrain surrounds."""
    terrain = np.zeros((raw.shape[0] + 2, raw.shape[1] + 2), bool)
    terrain[1:-1, 1:-1] = (raw == TERRAIN).all(axis=2)
    around = terrain[1:, 1:] & terrain[:-1, 1:] & terrain[1:, :-1] & terrain[:-1, :-1]
    return around * rng.uniform(-0.15, 0.25, around.shape)


@njit(cache=True)
def surface(x_lines, y_lines, heights, falling, raw, x, y):
    """The plane z = a x + b y + c of the ground at a place: (a, b, c)."""
    i = min(max(np.searchsorted(x_lines, x, side='right') - 1, 0), len(x_lines) - 2)
    j = min(max(np.searchsorted(y_lines, y, side='right') - 1, 0), len(y_lines) - 2)
    dx, dy = x_lines[i + 1] - x_lines[i], y_lines[j + 1] - y_lines[j]
    u, v = (x - x_lines[i]) / dx, (y - y_lines[j]) / dy
    z00, z10, z01, z11 = heights[i, j], heights[i + 1, j], heights[i, j + 1], heights[i + 1, j + 1]
    if falling[i, j]:
        side = 0 if u + v < 1 else 1
        a, b = (z10 - z00, z01 - z00) if side == 0 else (z11 - z01, z11 - z10)
        c = z00 if side == 0 else z10 + z01 - z11
    else:
        side = 0 if u > v else 1
        a, b = (z10 - z00, z11 - z10) if side == 0 else (z11 - z01, z01 - z00)
        c = z00
    level = 0.0 if raw[i, j, side] == ROAD else KERB
    a, b = a / dx, b / dy
    return a, b, c + level - a * x_lines[i] - b * y_lines[j]


@njit(cache=True)
def _level(raw):
    return 0.0 if raw == ROAD else KERB


@njit(cache=True)
def _triangles(x, y, heights, falling, raw):
    """Corners (T, 3, 3), lidarseg index (T,), and how many of the last triangles belong to kerbs."""
    cells_x, cells_y = falling.shape
    capacity = cells_x * cells_y * 8
    corners, kinds = np.empty((capacity, 3, 3)), np.empty(capacity, np.uint8)
    size = 0
    for i in range(cells_x):
        for j in range(cells_y):
            first = ((0, 0), (1, 0), (0, 1)) if falling[i, j] else ((0, 0), (1, 0), (1, 1))
            second = ((1, 0), (1, 1), (0, 1)) if falling[i, j] else ((0, 0), (1, 1), (0, 1))
            for side in range(2):
                for k in range(3):
                    a, b = first[k] if side == 0 else second[k]
                    z = heights[i + a, j + b] + _level(raw[i, j, side])
                    corners[size, k] = (x[i + a], y[j + b], z)
                kinds[size] = raw[i, j, side]
                size += 1
    flat = size
    for i in range(cells_x):
        for j in range(cells_y):
            low, high = ((1, 0), (0, 1)) if falling[i, j] else ((0, 0), (1, 1))
            size = _kerb(
                corners,
                kinds,
                size,
                x,
                y,
                heights,
                i + low[0],
                j + low[1],
                i + high[0],
                j + high[1],
                raw[i, j, 0],
                raw[i, j, 1],
            )
            if i + 1 < cells_x:
                # The right edge belongs to the second triangle where the diagonal falls, else to the first.
                size = _kerb(
                    corners,
                    kinds,
                    size,
                    x,
                    y,
                    heights,
                    i + 1,
                    j,
                    i + 1,
                    j + 1,
                    raw[i, j, int(falling[i, j])],
                    raw[i + 1, j, 1 - int(falling[i + 1, j])],
                )
            if j + 1 < cells_y:
                size = _kerb(
                    corners, kinds, size, x, y, heights, i, j + 1, i + 1, j + 1, raw[i, j, 1], raw[i, j + 1, 0]
                )
    return corners[:size].copy(), kinds[:size].copy(), size - flat


@njit(cache=True)
def _kerb(corners, kinds, size, x, y, heights, i0, j0, i1, j1, one, other):
    if _level(one) == _level(other):
        return size
    a, b = (x[i0], y[j0], heights[i0, j0]), (x[i1], y[j1], heights[i1, j1])
    top_a, top_b = (a[0], a[1], a[2] + KERB), (b[0], b[1], b[2] + KERB)
    corners[size, 0], corners[size, 1], corners[size, 2] = a, b, top_b
    corners[size + 1, 0], corners[size + 1, 1], corners[size + 1, 2] = a, top_b, top_a
    kinds[size] = kinds[size + 1] = max(one, other)
    return size + 2
