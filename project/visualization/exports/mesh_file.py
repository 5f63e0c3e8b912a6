"""The voxels of a frame as a coloured mesh: GLB for slides and web pages, PLY for programs that edit meshes."""

from pathlib import Path
from typing import Any

import numpy as np

from project.formats.common import written_whole
from project.grid import VoxelGrid
from project.visualization.frame import Frame, Layer

Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""glTF looks upwards along y, the grid along z."""

_CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


def write_mesh(path: str | Path, frame: Frame, mask: str | None = None) -> None:
    """Write the prediction of a frame or, where it has none, its labels.

    Coordinates are metres in the grid's frame, z up; in a GLB y is up, as its format asks for.

    Args:
        path: a file that ends in ``.glb`` or ``.ply``.
        frame: what to write.
        mask: ``'lidar'`` or ``'camera'``: only voxels inside that mask.

    Raises:
        ValueError: the frame has no such mask, or nothing is occupied.
        ImportError: trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError:
        raise ImportError('--glb and --ply need the package trimesh: pip install trimesh') from None
    layer = next((layer for layer in frame.layers if layer.name == 'prediction'), frame.layers[0])
    vertices, faces, colours = surface(frame.grid, layer, None if mask is None else frame.mask(mask))
    if not len(faces):
        raise ValueError(f'{frame.token}: no voxel is occupied, and a mesh of nothing cannot be written')
    kind = Path(path).suffix[1:]
    if kind == 'glb':
        vertices = vertices @ Y_UP_FROM_Z_UP.T
    mesh: Any = trimesh.Trimesh(vertices, faces, vertex_colors=colours, process=False)
    with written_whole(path) as file:
        file.write(mesh.export(file_type=kind))


def surface(grid: VoxelGrid, layer: Layer, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sides of occupied voxels that no other occupied voxel covers.

    Args:
        grid: of the voxels.
        layer: their colours.
        mask: (X, Y, Z) bool, voxels to show; all by default.

    Returns:
        (4 F, 3) float64 vertices in the grid's frame, metres; (2 F, 3) int64 triangles, anticlockwise from outside;
        (4 F, 3) uint8 RGB of the vertices. F is the number of sides.
    """
    occupied = layer.occupied(mask)
    padded = np.pad(occupied, 1)
    quads, colours = [np.empty((0, 4, 3))], [np.empty((0, 3), np.uint8)]
    for axis in range(3):
        for step in (-1, 1):
            covered = np.roll(padded, -step, axis)[1:-1, 1:-1, 1:-1]
            voxels = np.argwhere(occupied & ~covered)
            corners = np.zeros((4, 3))
            corners[:, (axis + 1) % 3], corners[:, (axis + 2) % 3] = _CORNERS.T
            corners[:, axis] = step > 0
            quads.append(voxels[:, None] + (corners if step > 0 else corners[::-1]))
            colours.append(layer.palette[layer.codes[tuple(voxels.T)]])
    vertices = np.concatenate(quads).reshape(-1, 3) * grid.voxel_size + grid.minimum
    first = np.arange(0, len(vertices), 4)[:, None]
    triangles = (first + np.array([0, 1, 2, 0, 2, 3])).reshape(-1, 3)
    return vertices, triangles, np.repeat(np.concatenate(colours), 4, axis=0)
