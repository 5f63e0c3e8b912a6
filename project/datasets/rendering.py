"""Renders labels into cameras: depth and class of the first voxel on the ray of each pixel of a feature map."""

import numpy as np
from numba import njit

from project.formats.common import OccupancyLabels
from project.geometry.bitgrid import (
    bit_grid_of_voxels,
    enter_block,
    enter_grid,
    layers_crossed,
    line_between,
    next_block,
    next_column,
    shares_crossed,
)
from project.grid import VoxelGrid
from project.taxonomy import FREE, UNOBSERVED


def rendered(
    labels: OccupancyLabels, image_from_grid: np.ndarray, shape: tuple[int, int], stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Depth and class of the first occupied voxel on the ray of each pixel.

    Args:
        labels: the finer, the better the depth; of at most 64 layers.
        image_from_grid: (N, 4, 4) homogeneous pixels of N images from the labels' frame.
        shape: rows h and columns w of the maps.
        stride: pixels of the image a pixel of the map; rays go through the middle of each.

    Returns:
        (N, h, w) float32 depth along the camera's axis at which the ray enters the voxel, metres, infinite where it
        leaves the grid without meeting one; (N, h, w) uint8 label 0-16 of the voxel, 17 where there is none, and 255
        where the ray does not come near the grid.
    """
    bits, first = bit_grid_of_voxels(labels.indices, labels.grid.shape)
    voxels = first, labels.indices[:, 2], labels.classes
    depths = np.empty((len(image_from_grid), *shape), np.float32)
    semantics = np.empty(depths.shape, np.uint8)
    far = 2 * float(np.abs(labels.grid.extent).max()) * np.sqrt(3)
    for camera, matrix in enumerate(np.asarray(image_from_grid, np.float64)):
        rays = np.linalg.inv(matrix[:3, :3])
        eye = _in_voxels(labels.grid, -rays @ matrix[:3, 3])
        ways = rays * stride / np.array(labels.grid.voxel_size)[:, None]
        ways[:, 2] /= stride
        # Rays reach as far as a depth of `far`; its direction has depth 1.
        _render(bits.bits, bits.blocks, bits.shape, bits.along_y, *voxels, eye, ways, far, depths[camera],
                semantics[camera])  # fmt: skip
    return depths, semantics


def _in_voxels(grid: VoxelGrid, point: np.ndarray) -> np.ndarray:
    return (point - grid.minimum) / grid.voxel_size


@njit(cache=True, error_model='numpy', nogil=True)
def _render(bits, blocks, shape, along_y, first, layers, classes, eye, ways, far, depths, semantics):
    for row in range(depths.shape[0]):
        for column in range(depths.shape[1]):
            u, v = column + 0.5, row + 0.5
            stop = (
                eye[0] + far * (ways[0, 0] * u + ways[0, 1] * v + ways[0, 2]),
                eye[1] + far * (ways[1, 0] * u + ways[1, 1] * v + ways[1, 2]),
                eye[2] + far * (ways[2, 0] * u + ways[2, 1] * v + ways[2, 2]),
            )
            share, found, z = _first_voxel(bits, blocks, shape, along_y, (eye[0], eye[1], eye[2]), stop)
            depths[row, column] = share * far if found >= 0 else np.inf
            if found >= 0:
                semantics[row, column] = classes[_place_of(first[found], layers, z)]
            else:
                semantics[row, column] = FREE if found == -1 else UNOBSERVED


@njit(error_model='numpy', nogil=True)
def _first_voxel(bits, blocks, shape, along_y, start, stop):
    """Share of the line at the first voxel with a bit, its column and its layer.

    The column is -1 where there is none, -2 where there is no grid.
    """
    line, enter, leave = line_between(start, stop, shape)
    if enter >= leave:
        return 1.0, -2, 0
    state = enter_grid(shape, along_y, line, enter, leave)
    while True:
        block, state = next_block(blocks, shape, along_y, line, leave, state)
        if block < 0:
            return 1.0, -1, 0
        since, until = shares_crossed(state)
        inner = enter_block(along_y, line, block, since, until)
        column, inner = next_column(bits, shape, line, until, inner)
        if column >= 0:
            since, until = shares_crossed(inner)
            z = _first_layer(bits[column] & layers_crossed(inner), line[5] >= 0)
            border = (z if line[5] >= 0 else z + 1) - line[2]
            share = max(since, border / line[5]) if line[5] != 0 else since
            return share, column, z


@njit(inline='always')
def _first_layer(found, upwards):
    """The lowest or the highest layer of those with a bit."""
    z = 0 if upwards else 63
    while not (found >> np.uint64(z)) & np.uint64(1):
        z += 1 if upwards else -1
    return z


@njit(inline='always')
def _place_of(place, layers, z):
    """Place of the voxel at a layer, in the list of voxels, whose column begins at this place and goes upwards."""
    while layers[place] != z:
        place += 1
    return place
