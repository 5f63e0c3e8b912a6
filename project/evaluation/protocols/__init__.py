"""The rules by which published benchmarks score occupancy; ``docs/evaluation.md`` explains each with an example.

A protocol turns the prediction and the ground truth of a keyframe into integer counts, and added-up counts into
scores::

    protocol = build_protocol('rayiou')
    truth = protocol.prepare(Volume(labels), origins)
    counts = total([counts, protocol.count(Volume(prediction), truth, origins)])
    scores = protocol.score(counts, frames)
"""

from dataclasses import replace

import numpy as np

from project.evaluation.names import BAND_EDGES, BASELINE_SHAPE, PROTOCOLS
from project.evaluation.protocols.interface import Counts, EvaluationProtocol, RayReadings, Scores, Volume, total
from project.evaluation.protocols.panoptic_protocol import RayPanopticProtocol, VoxelPanopticProtocol
from project.evaluation.protocols.ray_protocol import RayProtocol
from project.evaluation.protocols.voxel_protocol import VoxelProtocol
from project.formats import occ3d, openoccupancy, surroundocc
from project.formats.stated import check_classes
from project.grid import VoxelGrid
from project.label_set import LabelSet
from project.taxonomy import FREE, NOISE

BASELINE_RANGE = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)

__all__ = [
    'BAND_EDGES',
    'BASELINE_SHAPE',
    'PROTOCOLS',
    'Counts',
    'EvaluationProtocol',
    'RayProtocol',
    'RayReadings',
    'Scores',
    'Volume',
    'VoxelProtocol',
    'build_protocol',
    'total',
    'with_labels',
]

AnyProtocol = VoxelProtocol | RayProtocol


def with_labels(protocol: AnyProtocol, labels: LabelSet) -> AnyProtocol:
    """The protocol for labels of other classes: it shows and averages the existing ones.

    Raises:
        ValueError: the classes of the protocol are fixed, and these are others.
    """
    for name in protocol.formats:
        try:
            check_classes(name, labels)
        except ValueError as error:
            raise ValueError(f'{protocol.name}: {error}; the protocol baseline scores any classes') from None
    if isinstance(protocol, RayProtocol):
        kept = tuple(label for label in protocol.labels if labels.names[label])
        return replace(protocol, labels=kept, label_set=labels)
    return replace(protocol, label_set=labels)


def build_protocol(
    name: str,
    camera_mask: bool = True,
    edges: tuple[float, ...] = BAND_EDGES,
    baseline_shape: tuple[int, int, int] = BASELINE_SHAPE,
) -> AnyProtocol:
    """The protocol of that name.

    Args:
        name: one of :data:`PROTOCOLS`; ``seed`` is an earlier name of ``baseline``.
        camera_mask: whether ``occ3d`` and ``pq`` score only voxels of the camera mask, as its benchmark does.
        edges: distances that part the distance bands, metres.
        baseline_shape: number of voxels along x, y, z over the baseline's range, for ``baseline``.

    Raises:
        ValueError: there is no such protocol, or the distances are not positive and ascending.
    """
    if list(edges) != sorted({edge for edge in edges if edge > 0}):
        raise ValueError(f'distance bands end at {edges}: distances must be positive and ascend')
    if name in ('baseline', 'seed'):
        low, high = np.reshape(BASELINE_RANGE, (2, 3))
        size = tuple(((high - low) / baseline_shape).tolist())
        grid = VoxelGrid.from_range('lidar', BASELINE_RANGE, size)
        return VoxelProtocol(name, grid, ('points', 'voxels'), edges=edges)
    if name == 'occ3d':
        return VoxelProtocol(name, occ3d.GRID, ('occ3d',), noise=True, camera_mask=camera_mask, edges=edges)
    if name == 'surroundocc':
        return VoxelProtocol(name, surroundocc.GRID, ('surroundocc',), edges=edges)
    if name == 'openoccupancy':
        return VoxelProtocol(name, openoccupancy.GRID, ('openoccupancy',), edges=edges)
    if name == 'openocc':
        labels = tuple(range(NOISE + 1, FREE))
        return RayProtocol(name, occ3d.GRID, ('openocc',), labels, flow=True, dtype=np.float16, edges=edges)
    if name == 'rayiou':
        return RayProtocol(name, occ3d.GRID, ('occ3d',), tuple(range(FREE)), edges=edges)
    if name == 'raypq':
        return RayPanopticProtocol(name, occ3d.GRID, ('occ3d',), tuple(range(FREE)))
    if name == 'pq':
        return VoxelPanopticProtocol(name, occ3d.GRID, ('occ3d',), noise=True, camera_mask=camera_mask)
    raise ValueError(f'no protocol {name!r}: choose one of {", ".join(PROTOCOLS)}')
