"""Readers and writers of occupancy label formats, one module a format; no torch, no mm*.

Each module in :data:`FORMATS` has ``NAME``, ``GRID``, ``path(keyframe)``, ``write(path, labels)`` and ``read(path)``,
with :class:`OccupancyLabels` in and out; ``points`` alone has arrays of points there.
"""

from types import ModuleType

from project.formats import occ3d, openocc, openoccupancy, points, surroundocc, voxels
from project.formats.common import Keyframe, LabelFormat, OccupancyLabels

FORMATS: dict[str, ModuleType] = {
    module.NAME: module for module in (voxels, points, occ3d, surroundocc, openoccupancy, openocc)
}

__all__ = ['FORMATS', 'Keyframe', 'LabelFormat', 'OccupancyLabels']
