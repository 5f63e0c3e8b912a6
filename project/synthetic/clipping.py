"""Convex polygons cut by planes: exact areas for the ground truth, and the outside surface of joined solids."""

import numpy as np
from numba import njit

TOUCHING = 1e-9
"""Distance in metres below which a point counts as lying on a plane."""


@njit(cache=True)
def clip(polygon: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    """The part of a convex polygon on the side ``normal . p <= offset`` (Sutherland-Hodgman).

    Args:
        polygon: (N, 3) float64 corners in order.
        normal: (3,) float64.
        offset: distance of the plane from the origin along the normal.

    Returns:
        (M, 3) corners; M = 0 where nothing is left.
    """
    count = len(polygon)
    kept = np.empty((count + 2, 3))
    size = 0
    for i in range(count):
        a, b = polygon[i], polygon[(i + 1) % count]
        da = a[0] * normal[0] + a[1] * normal[1] + a[2] * normal[2] - offset
        db = b[0] * normal[0] + b[1] * normal[1] + b[2] * normal[2] - offset
        if da <= TOUCHING:
            kept[size] = a
            size += 1
        if (da < -TOUCHING and db > TOUCHING) or (da > TOUCHING and db < -TOUCHING):
            kept[size] = a + (b - a) * (da / (da - db))
            size += 1
    return kept[:size] if size >= 3 else kept[:0]


@njit(cache=True)
def area(polygon: np.ndarray) -> float:
    """Area of a flat polygon, (N, 3) corners in order."""
    x = y = z = 0.0
    for i in range(1, len(polygon) - 1):
        u, v = polygon[i] - polygon[0], polygon[i + 1] - polygon[0]
        x += u[1] * v[2] - u[2] * v[1]
        y += u[2] * v[0] - u[0] * v[2]
        z += u[0] * v[1] - u[1] * v[0]
    return 0.5 * np.sqrt(x * x + y * y + z * z)


@njit(cache=True)
def _apart(polygon: np.ndarray, bounds: np.ndarray) -> bool:
    for axis in range(3):
        if polygon[:, axis].min() >= bounds[axis] or polygon[:, axis].max() <= bounds[axis + 3]:
            return True
    return False


@njit(cache=True)
def outside_surface(
    corners: np.ndarray,
    counts: np.ndarray,
    owners: np.ndarray,
    planes: np.ndarray,
    starts: np.ndarray,
    bounds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut away what lies inside convex solids from polygons, and triangulate the rest.

    Args:
        corners: (P, V, 3) float64 convex polygons, padded.
        counts: (P,) number of corners of each.
        owners: (P,) solid that a polygon bounds, which does not cut it; -1 for none.
        planes: (K, 4) outward normals and offsets of all solids' faces.
        starts: (S + 1,) where each solid's planes start.
        bounds: (S, 6) highest corner, then lowest corner of each solid.

    Returns:
        (T, 3, 3) triangles and (T,) the polygon each came from.
    """
    triangles = [np.empty((3, 3)) for _ in range(0)]
    sources = [0 for _ in range(0)]
    for p in range(len(corners)):
        stack = [(corners[p, : counts[p]].copy(), 0)]
        while len(stack) > 0:
            polygon, solid = stack.pop()
            while solid < len(bounds) and (solid == owners[p] or _apart(polygon, bounds[solid])):
                solid += 1
            if solid == len(bounds):
                for i in range(1, len(polygon) - 1):
                    triangle = np.empty((3, 3))
                    triangle[0], triangle[1], triangle[2] = polygon[0], polygon[i], polygon[i + 1]
                    triangles.append(triangle)
                    sources.append(p)
                continue
            inside = polygon
            pieces = [(polygon, 0) for _ in range(0)]
            for k in range(starts[solid], starts[solid + 1]):
                piece = clip(inside, -planes[k, :3], -planes[k, 3])
                if area(piece) > 1e-10:
                    pieces.append((piece, solid + 1))
                inside = clip(inside, planes[k, :3], planes[k, 3])
                if area(inside) <= 1e-10:
                    inside = inside[:0]
                    break
            if len(inside) == 0:
                stack.append((polygon, solid + 1))
            else:
                stack.extend(pieces)
    result = np.empty((len(triangles), 3, 3))
    for i in range(len(triangles)):
        result[i] = triangles[i]
    return result, np.array(sources, dtype=np.int64)
