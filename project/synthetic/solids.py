"""Convex closed solids, and meshes of the outside surface of several that are joined."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from project.synthetic.clipping import outside_surface
from project.synthetic.materials import Material


@dataclass(frozen=True)
class Solid:
    """A convex polyhedron.

    Attributes:
        faces: flat convex polygons, each (N, 3), metres.
        material: what it is made of.
        raw: lidarseg index of its surface.
    """

    faces: tuple[np.ndarray, ...]
    material: Material
    raw: int = 0

    def planes(self) -> np.ndarray:
        """(F, 4) outward normal and offset of each face.

        Raises:
            ValueError: the solid is not convex.
        """
        corners = np.concatenate(self.faces)
        centre = corners.mean(axis=0)
        found = []
        for face in self.faces:
            # The longest cross product of two edges: also right where two corners of a face coincide.
            edges = face[1:] - face[0]
            normals = np.cross(edges[:-1], edges[1:])
            normal = normals[np.argmax((normals**2).sum(axis=1))]
            normal = normal / np.linalg.norm(normal)
            normal *= np.sign(normal @ (face[0] - centre))
            found.append((*normal, normal @ face[0]))
        planes = np.array(found)
        if (corners @ planes[:, :3].T > planes[:, 3] + 1e-6).any():
            raise ValueError(f'a solid of {self.material.name} is not convex')
        return planes


@dataclass(frozen=True)
class Mesh:
    """Triangles of outside surfaces.

    Attributes:
        triangles: (T, 3, 3) float64 corners, metres.
        raw: (T,) uint8 lidarseg index.
        material: (T,) uint8 value of :class:`Material`.
    """

    triangles: np.ndarray
    raw: np.ndarray
    material: np.ndarray

    @classmethod
    def join(cls, meshes: Sequence['Mesh']) -> 'Mesh':
        """One mesh of several, in order; surfaces inside one another stay."""
        parts = ([getattr(mesh, name) for mesh in meshes] for name in ('triangles', 'raw', 'material'))
        return cls(*(np.concatenate(part) for part in parts))

    def moved(self, rotation: np.ndarray, translation: np.ndarray, scale: float = 1.0) -> 'Mesh':
        """The mesh scaled, then turned by a (3, 3) rotation, then shifted."""
        return replace(self, triangles=scale * self.triangles @ rotation.T + translation)


def joined(solids: Sequence[Solid]) -> Mesh:
    """The outside surface of a union of solids. Solids may overlap; faces must not coincide."""
    surface = [(face, number) for number, solid in enumerate(solids) for face in solid.faces]
    owners = np.array([number for _, number in surface])
    triangles, sources = cut([face for face, _ in surface], owners, solids)
    origin = owners[sources]
    raw = np.array([solid.raw for solid in solids], np.uint8)[origin]
    return Mesh(triangles, raw, np.array([solid.material for solid in solids], np.uint8)[origin])


def cut(polygons: Sequence[np.ndarray], owners: np.ndarray, solids: Sequence[Solid]) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of polygons without what lies inside solids (see :func:`clipping.outside_surface`)."""
    counts = np.array([len(polygon) for polygon in polygons])
    corners = np.zeros((len(polygons), counts.max(), 3))
    for row, polygon in zip(corners, polygons, strict=True):
        row[: len(polygon)] = polygon
    planes = [solid.planes() for solid in solids]
    starts = np.cumsum([0] + [len(part) for part in planes])
    points = [np.concatenate(solid.faces) for solid in solids]
    bounds = np.array([(*part.max(axis=0), *part.min(axis=0)) for part in points])
    return outside_surface(corners, counts, owners, np.concatenate(planes), starts, bounds)


def prism(
    profile: Sequence[tuple[float, float]], width: float, material: Material, top: float = 1.0, y: float = 0.0
) -> Solid:
    """A convex (x, z) outline drawn out along y, centred on `y`.

    `top` narrows the width linearly towards the highest point of the outline, to that share of it.
    """
    outline = np.array(profile, float)
    low, high = outline[:, 1].min(), outline[:, 1].max()
    half = width / 2 * (1 - (1 - top) * (outline[:, 1] - low) / (high - low))
    left = np.column_stack([outline[:, 0], y + half, outline[:, 1]])
    right = np.column_stack([outline[:, 0], y - half, outline[:, 1]])
    around = [np.stack([right[i], right[j], left[j], left[i]]) for i, j in _edges(len(outline))]
    return Solid((left, right, *around), material)


def box(low: Sequence[float], high: Sequence[float], material: Material) -> Solid:
    """A box from its lowest to its highest corner."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    return prism([(x0, z0), (x1, z0), (x1, z1), (x0, z1)], y1 - y0, material, y=(y0 + y1) / 2)


def frustum(start: ArrayLike, end: ArrayLike, radii: tuple[float, float], material: Material, sides: int = 8) -> Solid:
    """A cone cut off, or a cylinder, with as many sides, from `start` to `end`; radii are its corners' distances."""
    first, last = np.asarray(start, float), np.asarray(end, float)
    axis = (last - first) / np.linalg.norm(last - first)
    across = np.cross(axis, (1, 0, 0) if abs(axis[0]) < 0.9 else (0, 1, 0))
    across /= np.linalg.norm(across)
    angles = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    ring = np.outer(np.cos(angles), across) + np.outer(np.sin(angles), np.cross(axis, across))
    low, high = first + radii[0] * ring, last + radii[1] * ring
    around = [np.stack([low[i], low[j], high[j], high[i]]) for i, j in _edges(sides)]
    return Solid((low, high, *around), material)


def ellipsoid(centre: ArrayLike, radii: ArrayLike, material: Material, sides: int = 8) -> Solid:
    """A polyhedron with its corners on an ellipsoid: `sides` around, half as many from pole to pole."""
    rings = sides // 2 + 1
    polar = np.pi * np.arange(rings) / (rings - 1)
    angles = 2 * np.pi * np.arange(sides) / sides
    unit = np.stack(
        [
            np.outer(np.sin(polar), np.cos(angles)),
            np.outer(np.sin(polar), np.sin(angles)),
            np.outer(np.cos(polar), np.ones(sides)),
        ],
        axis=-1,
    )
    grid = np.asarray(centre) + unit * np.asarray(radii)
    faces = []
    for row in range(rings - 1):
        for i, j in _edges(sides):
            quad = [grid[row, i], grid[row, j], grid[row + 1, j], grid[row + 1, i]]
            # At the poles two corners are the same point.
            faces.append(np.stack(quad[1:] if row == 0 else quad[:3] if row == rings - 2 else quad))
    return Solid(tuple(faces), material)


def _edges(count: int) -> list[tuple[int, int]]:
    return [(i, (i + 1) % count) for i in range(count)]
