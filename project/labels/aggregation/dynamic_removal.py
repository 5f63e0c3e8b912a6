"""What many rays pass through is not there, unless something firm shows that they pass beside it.

The static world of a scene is at rest, so it is judged once for all keyframes and formats, in cells fixed to the scene.
A cell is contradicted when several times more rays pass through it than points lie in it: more rays of every fourth
sweep than points of all sweeps. Most that are contradicted are real all the same: the edge of a wall, leaves, a cable.
They hang on to cells that are firm. Removed are the points of

- what hangs on to nothing: heaps of contradicted cells that touch nothing firm but the ground, as are left by movers
  that no box tells of, by the shadows of objects and by rain;
- noise: a contradicted cell beside one with hundreds of times as many points, whose surface strays into it.

Thin things are firm: a pole of 8 cm stops a fifth of the rays through a cell of 40 cm. Ground is only ever taken for
noise, since rays at a grazing angle pass through many of its cells.
"""

from dataclasses import replace

import numpy as np
from numba import njit

from project.geometry.bitgrid import (
    BLOCK,
    MOST_LAYERS,
    BitGrid,
    bit,
    bit_grid_of,
    column_of,
    enter_block,
    enter_grid,
    layers_crossed,
    layers_of_bit_grid,
    line_between,
    lowest_layer,
    next_block,
    next_column,
    shares_crossed,
    spread,
    summary,
)
from project.geometry.traversal import transformed
from project.grid import VoxelGrid
from project.labels.aggregation.point_groups import PointGroups, ScenePoints
from project.labels.aggregation.tiles import TILE_M
from project.labels.config import DEFAULT, DynamicRemovalConfig, LabelConfig
from project.labels.visibility.rays import Rays, origin_of, read_rays
from project.sources.base import Scene


def read_sample_rays(scene: Scene, scene_from_global: np.ndarray, config: LabelConfig = DEFAULT) -> Rays:
    """The rays of a scene that its ghosts are judged by.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    return read_rays(scene, scene_from_global, config, config.dynamic_removal.every, config.dynamic_removal.cell_m)


def without_dynamic_points(
    world: ScenePoints, sample_rays: Rays, config: DynamicRemovalConfig = DEFAULT.dynamic_removal
) -> ScenePoints:
    """The world without those points of the static world that rays contradict.

    Args:
        world: the points of a scene; its arrays are used again.
        sample_rays: rays, as :func:`read_sample_rays` returns them.
        config: thresholds.
    """
    grid = _grid_around(world, sample_rays, config.cell_m)
    xyz, raw, cells_from_scene = world.static.points.xyz, world.static.points.raw, grid.voxels_from_frame
    is_ground = np.isin(np.arange(256), world.taxonomy.ground)
    cells = bit_grid_of(np.zeros(grid.shape[:2], np.uint64), MOST_LAYERS)
    # Memory that is never touched is never taken.
    counts = np.zeros((len(cells.bits) * MOST_LAYERS, 2), np.int32)
    _count(cells, counts, xyz, raw, is_ground, cells_from_scene)
    points, above_ground = counts.T
    solid, strays = np.zeros_like(cells.bits), np.zeros_like(cells.bits)
    _judge(cells, points, above_ground, solid, strays, config.points_per_stray)
    # From here on the cells have bits that are in doubt: a ray more may contradict them, and takes a point away.
    doubtful = cells._replace(bits=solid | strays, blocks=_summaries(solid | strays))
    parts = sample_rays.ends, sample_rays.shares, sample_rays.starts, sample_rays.origins
    _cast(doubtful, points, *parts, cells_from_scene)
    contradicted = (solid | strays) & ~doubtful.bits
    firm, loose = (layers_of_bit_grid(cells._replace(bits=solid & bits)) for bits in (doubtful.bits, contradicted))
    held = bit_grid_of(_holding(firm, loose), MOST_LAYERS).bits
    return replace(world, static=_drop(cells._replace(bits=contradicted & (strays | ~held)), grid, world))


def _grid_around(world: ScenePoints, rays: Rays, cell_m: float) -> VoxelGrid:
    """Cells of the static world in the scene's frame, as far above the path of the lidar as below it."""
    middle = (rays.origins[..., 2].min() + rays.origins[..., 2].max()) / 2
    low = np.append(world.tile_centres.min(axis=0) - TILE_M / 2, middle - MOST_LAYERS * cell_m / 2)
    shape = np.rint((np.ptp(world.tile_centres, axis=0) + TILE_M) / cell_m).astype(int)
    return VoxelGrid('scene', tuple(low.tolist()), (cell_m,) * 3, (*shape.tolist(), MOST_LAYERS))


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
    bits, _, shape, along_y = cells
    # Unsigned: numba asks of every other index whether it counts from the end.
    for i in range(np.uint64(len(raw))):
        column, layer = _cell_of(shape, along_y, transformed(cells_from_scene, xyz[i]))
        if column >= 0:
            cell = np.uint64(_number(column, layer))
            if counts[cell, 0] == 0:
                bits[column] |= bit(layer)
            counts[cell, 0] += 1
            counts[cell, 1] += not is_ground[raw[i]]


def _drop(ghosts: BitGrid, grid: VoxelGrid, world: ScenePoints) -> PointGroups:
    """The static world without the points in ghosts."""
    points, starts = world.static.points, world.static.starts.copy()
    haunted = np.flatnonzero(_tiles_with(ghosts, grid, world.tile_centres))
    _remove(ghosts, haunted, grid.voxels_from_frame, points.xyz, points.raw, points.intensity, starts)
    return PointGroups(points, starts)


def _tiles_with(ghosts: BitGrid, grid: VoxelGrid, tile_centres: np.ndarray) -> np.ndarray:
    """(tiles,) bool: there are ghosts in the tile."""
    across = round(TILE_M / grid.voxel_size[0])
    layers = layers_of_bit_grid(ghosts)
    tiles = layers.reshape(len(layers) // across, across, -1, across).any(axis=(1, 3))
    places = np.floor((tile_centres - grid.minimum[:2]) / TILE_M).astype(int)
    return tiles[places[:, 0], places[:, 1]]


@njit(cache=True, error_model='numpy')
def _remove(ghosts, groups, cells_from_scene, xyz, raw, intensity, starts):
    """Move all points of some groups but those in ghosts to the front of their group, and `starts` with them."""
    bits, _, shape, along_y = ghosts
    for group in groups:
        n = at = starts[group, 0]
        for step in range(1, starts.shape[1]):
            stop = starts[group, step]
            for i in range(at, stop):
                column, layer = _cell_of(shape, along_y, transformed(cells_from_scene, xyz[i]))
                if column < 0 or bits[column] & bit(layer) == 0:
                    xyz[n], raw[n], intensity[n] = xyz[i], raw[i], intensity[i]
                    n += 1
            at = stop
            starts[group, step] = n


@njit(inline='always')
def _cell_of(shape, along_y, point):
    """Column and layer of a point, -1 outside."""
    x, y, z = point
    if not (0 <= x < shape[0] and 0 <= y < shape[1] and 0 <= z < shape[2]):
        return -1, 0
    # Not negative here, so that cutting the fraction off is the floor.
    return column_of(along_y, int(x), int(y)), int(z)


@njit(inline='always')
def _number(column, layer):
    """Number of a cell: block after block and layer after layer, so that layers without points are never touched."""
    return ((column // BLOCK**2) * MOST_LAYERS + layer) * BLOCK**2 + column % BLOCK**2


@njit(cache=True, error_model='numpy')
def _judge(cells, points, above_ground, solid, strays, points_per_stray):
    """Which cells with points are more than ground, and which have few points beside one with many."""
    size_x, size_y, size_z = cells.shape
    for x in range(size_x):
        for y in range(size_y):
            column = column_of(cells.along_y, x, y)
            for z in range(size_z if cells.bits[column] else 0):
                here = points[_number(column, z)]
                if here == 0:
                    continue
                if 2 * above_ground[_number(column, z)] > here:
                    solid[column] |= bit(z)
                for dx, dy, dz in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
                    if 0 <= x + dx < size_x and 0 <= y + dy < size_y and 0 <= z + dz < size_z:
                        beside = column_of(cells.along_y, x + dx, y + dy)
                        if points[_number(beside, z + dz)] >= points_per_stray * here:
                            strays[column] |= bit(z)


@njit(cache=True, error_model='numpy')
def _cast(doubtful, points, ends, shares, starts, origins, cells_from_scene):
    """Cast all rays, and clear the bits of cells that they contradict."""
    bits, blocks, shape, along_y = doubtful
    for sweep in range(len(origins)):
        origin = origins[sweep]
        for i in range(starts[sweep], starts[sweep + 1]):
            start = transformed(cells_from_scene, origin_of(origin, shares[i]))
            stop = transformed(cells_from_scene, ends[i])
            _pass(bits, blocks, shape, along_y, points, start, stop)


@njit(inline='always', error_model='numpy')
def _pass(bits, blocks, shape, along_y, points, start, stop):
    line, enter, leave = line_between(start, stop, shape)
    if enter >= leave:
        return
    last, last_layer = _cell_of(shape, along_y, stop)
    way = enter_grid(shape, along_y, line, enter, leave)
    block, way = next_block(blocks, shape, along_y, line, leave, way)
    while block >= 0:
        since, until = shares_crossed(way)
        inner = enter_block(along_y, line, block, since, until)
        column, inner = next_column(bits, shape, line, until, inner)
        while column >= 0:
            crossed = bits[column] & layers_crossed(inner)
            if column == last:
                crossed &= ~bit(last_layer)
            for layer in range(lowest_layer(inner), MOST_LAYERS):
                if crossed < bit(layer):
                    break
                if crossed & bit(layer):
                    cell = _number(column, layer)
                    points[cell] -= 1
                    if points[cell] < 0:
                        bits[column] ^= bit(layer)
                        blocks[block] = summary(bits, block)
            column, inner = next_column(bits, shape, line, until, inner)
        block, way = next_block(blocks, shape, along_y, line, leave, way)
