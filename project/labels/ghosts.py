"""Step 4b, ghosts: what many beams pass through is not there, unless something firm shows that they pass beside it.

The static world of a scene is at rest, so it is judged once for all keyframes and formats, in cells fixed to the scene.
A cell is contradicted when several times more beams pass through it than points lie in it. Most that are contradicted
are real all the same: the edge of a wall, leaves, a cable. They hang on to cells that are firm. Removed are the points
of

- what hangs on to nothing: heaps of contradicted cells that touch nothing firm but the ground, as are left by movers
  that no box tells of, by the shadows of objects and by rain;
- noise: a contradicted cell beside one with hundreds of times as many points, whose surface strays into it.

Thin things are firm: a pole of 8 cm stops a fifth of the beams through a cell of 40 cm. Ground is only ever taken for
noise, since beams at a grazing angle pass through many of its cells.
"""

from dataclasses import replace

import numpy as np
from numba import njit

from project.grid import VoxelGrid
from project.labels.beams import Beams, is_new, new_memory, origin_of
from project.labels.cloud import Cloud, World
from project.labels.columns import (
    BLOCK,
    MOST_LAYERS,
    Columns,
    bit,
    column_of,
    columns_of,
    enter_block,
    enter_grid,
    layers_crossed,
    layers_of_columns,
    line_between,
    lowest_layer,
    next_block,
    next_column,
    shares_crossed,
    spread,
    summary,
)
from project.labels.domain import TILE_M
from project.labels.ground import RAW_GROUND
from project.labels.walk import carried

CELL_M = 0.4

PASSES_PER_POINT = 4
"""A cell through which more beams than so many pass for each point in it is contradicted."""

POINTS_PER_STRAY = 200
"""Of so many points of a surface, one may stray into the next cell."""

_IS_GROUND = np.isin(np.arange(256), RAW_GROUND)


def without_ghosts(world: World, beams: Beams) -> World:
    """The world without those points of the static world that beams contradict.

    Args:
        world: the points of a scene; its arrays are used again.
        beams: all beams of the scene.
    """
    grid = _grid_around(world, beams)
    xyz, raw, cells_from_scene = world.static.points.xyz, world.static.points.raw, grid.voxels_from_frame
    cells = columns_of(np.zeros(grid.shape[:2], np.uint64), MOST_LAYERS)
    # Memory that is never touched is never taken.
    counts = np.zeros((len(cells.bits) * MOST_LAYERS, 2), np.int32)
    _count(cells, counts, xyz, raw, _IS_GROUND, cells_from_scene)
    points, above_ground = counts.T
    solid, strays = np.zeros_like(cells.bits), np.zeros_like(cells.bits)
    _judge(cells, points, above_ground, solid, strays)
    # From here on the cells have bits that are in doubt: a beam more may contradict them.
    doubtful = cells._replace(bits=solid | strays, blocks=_summaries(solid | strays))
    parts = beams.ends, beams.shares, beams.starts, beams.origins
    _cast(doubtful, _passes_to_spare(doubtful, points), *parts, new_memory(), cells_from_scene)
    contradicted = (solid | strays) & ~doubtful.bits
    firm, loose = (layers_of_columns(cells._replace(bits=solid & bits)) for bits in (doubtful.bits, contradicted))
    held = columns_of(_holding(firm, loose), MOST_LAYERS).bits
    return replace(world, static=_drop(cells._replace(bits=contradicted & (strays | ~held)), grid, world))


def _grid_around(world: World, beams: Beams) -> VoxelGrid:
    """Cells of the static world in the scene's frame, as far above the path of the lidar as below it."""
    middle = (beams.origins[..., 2].min() + beams.origins[..., 2].max()) / 2
    low = np.append(world.tile_centres.min(axis=0) - TILE_M / 2, middle - MOST_LAYERS * CELL_M / 2)
    shape = np.rint((np.ptp(world.tile_centres, axis=0) + TILE_M) / CELL_M).astype(int)
    return VoxelGrid('scene', tuple(low.tolist()), (CELL_M,) * 3, (*shape.tolist(), MOST_LAYERS))


def _summaries(bits: np.ndarray) -> np.ndarray:
    return np.bitwise_or.reduce(bits.reshape(-1, BLOCK**2), axis=1)


def _holding(firm: np.ndarray, loose: np.ndarray) -> np.ndarray:
    """Firm cells, and loose ones that hang on to them, be it by a corner: (X, Y) uint64, one bit a layer."""
    held = firm
    while True:
        near = held | held << np.uint64(1) | held >> np.uint64(1)
        further = held | loose & spread(spread(near, 1).T, 1).T
        if (further == held).all():
            return held
        held = further


@njit(cache=True, error_model='numpy')
def _count(cells, counts, xyz, raw, is_ground, cells_from_scene):
    """Mark the cells with points, and count these: all, and those that are not ground."""
    for i in range(len(raw)):
        column, layer = _cell_of(cells, carried(cells_from_scene, (xyz[i, 0], xyz[i, 1], xyz[i, 2])))
        if column >= 0:
            cell = column * MOST_LAYERS + layer
            if counts[cell, 0] == 0:
                cells.bits[column] |= bit(layer)
            counts[cell, 0] += 1
            counts[cell, 1] += not is_ground[raw[i]]


def _drop(ghosts: Columns, grid: VoxelGrid, world: World) -> Cloud:
    """The static world without the points in ghosts."""
    points, starts = world.static.points, world.static.starts.copy()
    haunted = _tiles_with(ghosts, grid, world.tile_centres)
    n = _dropped(ghosts, haunted, grid.voxels_from_frame, points.xyz, points.raw, points.intensity, starts)
    return Cloud(points[:n], starts)


def _tiles_with(ghosts: Columns, grid: VoxelGrid, tile_centres: np.ndarray) -> np.ndarray:
    """(tiles,) bool: there are ghosts in the tile."""
    across = round(TILE_M / CELL_M)
    layers = layers_of_columns(ghosts)
    tiles = layers.reshape(len(layers) // across, across, -1, across).any(axis=(1, 3))
    places = np.floor((tile_centres - grid.minimum[:2]) / TILE_M).astype(int)
    return tiles[places[:, 0], places[:, 1]]


@njit(cache=True, error_model='numpy')
def _dropped(ghosts, haunted, cells_from_scene, xyz, raw, intensity, starts):
    """Move all points but those in ghosts to the front, and `starts` with them; return their number."""
    n, at = 0, 0
    for group in range(starts.shape[0]):
        for step in range(starts.shape[1]):
            # The last column is the end of the group.
            stop = starts[group, step]
            for i in range(at, stop):
                column = -1
                if haunted[group]:
                    column, layer = _cell_of(ghosts, carried(cells_from_scene, (xyz[i, 0], xyz[i, 1], xyz[i, 2])))
                if column < 0 or ghosts.bits[column] & bit(layer) == 0:
                    if n < i:
                        xyz[n], raw[n], intensity[n] = xyz[i], raw[i], intensity[i]
                    n += 1
            at = stop
            starts[group, step] = n
    return n


@njit(inline='always')
def _cell_of(cells, point):
    """Column and layer of a point, -1 outside."""
    x, y, z = int(np.floor(point[0])), int(np.floor(point[1])), int(np.floor(point[2]))
    if 0 <= x < cells.shape[0] and 0 <= y < cells.shape[1] and 0 <= z < cells.shape[2]:
        return column_of(cells.along_y, x, y), z
    return -1, 0


@njit(cache=True, error_model='numpy')
def _judge(cells, points, above_ground, solid, strays):
    """Which cells with points are more than ground, and which have few points beside one with many."""
    size_x, size_y, size_z = cells.shape
    for x in range(size_x):
        for y in range(size_y):
            column = column_of(cells.along_y, x, y)
            for z in range(size_z if cells.bits[column] else 0):
                here = points[column * MOST_LAYERS + z]
                if here == 0:
                    continue
                if 2 * above_ground[column * MOST_LAYERS + z] > here:
                    solid[column] |= bit(z)
                for dx, dy, dz in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
                    if 0 <= x + dx < size_x and 0 <= y + dy < size_y and 0 <= z + dz < size_z:
                        beside = column_of(cells.along_y, x + dx, y + dy)
                        if points[beside * MOST_LAYERS + z + dz] >= POINTS_PER_STRAY * here:
                            strays[column] |= bit(z)


@njit(cache=True, error_model='numpy')
def _passes_to_spare(doubtful, points):
    """How many beams may pass through doubtful cells before they are contradicted; takes the place of their points."""
    for column in np.flatnonzero(doubtful.bits):
        for layer in range(MOST_LAYERS):
            if doubtful.bits[column] & bit(layer):
                points[column * MOST_LAYERS + layer] *= PASSES_PER_POINT
    return points


@njit(cache=True, error_model='numpy')
def _cast(doubtful, to_spare, ends, shares, starts, origins, memory, cells_from_scene):
    """Cast all beams, those from one cell to one cell once, and clear the bits of cells that they contradict."""
    for sweep in range(len(origins)):
        origin = origins[sweep]
        for i in range(starts[sweep], starts[sweep + 1]):
            start, end = origin_of(origin, shares[i]), (ends[i, 0], ends[i, 1], ends[i, 2])
            if is_new(memory, start, end, CELL_M):
                _pass(doubtful, to_spare, carried(cells_from_scene, start), carried(cells_from_scene, end))


@njit(inline='always', error_model='numpy')
def _pass(doubtful, to_spare, start, stop):
    bits, blocks = doubtful.bits, doubtful.blocks
    line, enter, leave = line_between(start, stop, doubtful.shape)
    if enter >= leave:
        return
    last, last_layer = _cell_of(doubtful, stop)
    way = enter_grid(doubtful, line, enter, leave)
    block, way = next_block(doubtful, line, leave, way)
    while block >= 0:
        since, until = shares_crossed(way)
        inner = enter_block(doubtful, line, block, since, until)
        column, inner = next_column(doubtful, line, until, inner)
        while column >= 0:
            crossed = bits[column] & layers_crossed(inner)
            if column == last:
                crossed &= ~bit(last_layer)
            for layer in range(lowest_layer(inner), MOST_LAYERS):
                if crossed < bit(layer):
                    break
                if crossed & bit(layer):
                    cell = column * MOST_LAYERS + layer
                    to_spare[cell] -= 1
                    if to_spare[cell] < 0:
                        bits[column] ^= bit(layer)
                        blocks[block] = summary(bits, block)
            column, inner = next_column(doubtful, line, until, inner)
        block, way = next_block(doubtful, line, leave, way)
