"""Nearest hit of rays on triangles, through a tree of boxes split by the surface area heuristic."""

from dataclasses import dataclass

import numpy as np
from numba import njit

LEAF = 4
BINS = 12
EDGE = 1e-9
"""Rays this close (in barycentric coordinates) outside a triangle still hit it, so that none slips between two."""


@dataclass(frozen=True)
class Tree:
    """A bounding volume hierarchy over triangles.

    Attributes:
        boxes: (B, 6) float64 lowest and highest corner of each node.
        children: (B, 2) int64; inner node: its two children; leaf: start of its triangles and minus their number.
        triangles: (T, 3, 3) float64: corner, and the two edges from it, in the order of the leaves.
        order: (T,) int64 index of each of these in the mesh.
    """

    boxes: np.ndarray
    children: np.ndarray
    triangles: np.ndarray
    order: np.ndarray

    @classmethod
    def over(cls, triangles: np.ndarray) -> 'Tree':
        """Tree over (T, 3, 3) corners."""
        boxes, children, order = _build(triangles.min(axis=1), triangles.max(axis=1))
        edges = triangles[order].copy()
        edges[:, 1:] -= edges[:, :1]
        return cls(boxes, children, edges, order)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The arrays for :func:`nearest`."""
        return self.boxes, self.children, self.triangles


@dataclass(frozen=True)
class Forest:
    """Several trees in one set of arrays.

    Attributes:
        tree: their nodes and triangles, one tree after the other.
        roots: (N,) int64 root node of each.
        starts: (N + 1,) int64 where each tree's triangles start, in `tree.triangles` and in the joined meshes.
    """

    tree: Tree
    roots: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, trees: list[Tree]) -> 'Forest':
        """Trees in the order of the meshes that they were built over."""
        roots = np.cumsum([0] + [len(tree.boxes) for tree in trees])
        starts = np.cumsum([0] + [len(tree.triangles) for tree in trees])
        children = []
        for tree, root, start in zip(trees, roots[:-1], starts[:-1], strict=True):
            leaf = tree.children[:, 1:] < 0
            children.append(tree.children + np.where(leaf, (start, 0), root))
        return cls(
            Tree(
                np.concatenate([tree.boxes for tree in trees]),
                np.concatenate(children),
                np.concatenate([tree.triangles for tree in trees]),
                np.concatenate([tree.order + start for tree, start in zip(trees, starts[:-1], strict=True)]),
            ),
            roots[:-1],
            starts,
        )


@njit(cache=True)
def nearest(boxes, children, triangles, root, origin, direction, limit):
    """Nearest hit of a ray nearer than `limit`: its distance in units of the direction, and the position of the
    triangle among the tree's, or (limit, -1)."""
    best, hit = limit, -1
    inverse = np.empty(3)
    for axis in range(3):
        d = direction[axis]
        inverse[axis] = 1.0 / d if abs(d) > 1e-300 else 1e300
    stack = np.empty(64, np.int64)
    stack[0] = root
    size = 1
    while size > 0:
        size -= 1
        node = stack[size]
        if _enters(boxes[node], origin, inverse, best) >= best:
            continue
        first, second = children[node]
        while second >= 0:
            near = _enters(boxes[first], origin, inverse, best)
            far = _enters(boxes[second], origin, inverse, best)
            if far < near:
                near, far, first, second = far, near, second, first
            if near >= best:
                break
            if far < best:
                stack[size] = second
                size += 1
            first, second = children[first]
        if second < 0:
            for t in range(first, first - second):
                distance = _meets(triangles[t], origin, direction)
                if distance < best:
                    best, hit = distance, t
    return best, hit


@njit(cache=True, inline='always')
def _enters(box, origin, inverse, limit):
    low, high = 0.0, limit
    for axis in range(3):
        a = (box[axis] - origin[axis]) * inverse[axis]
        b = (box[axis + 3] - origin[axis]) * inverse[axis]
        low = max(low, min(a, b))
        high = min(high, max(a, b))
    return low if low <= high * 1.0000001 else np.inf


@njit(cache=True, inline='always')
def _meets(triangle, origin, direction):
    """Distance along a ray to a triangle (corner and two edges), or infinity (Moeller and Trumbore)."""
    e1x, e1y, e1z = triangle[1, 0], triangle[1, 1], triangle[1, 2]
    e2x, e2y, e2z = triangle[2, 0], triangle[2, 1], triangle[2, 2]
    px = direction[1] * e2z - direction[2] * e2y
    py = direction[2] * e2x - direction[0] * e2z
    pz = direction[0] * e2y - direction[1] * e2x
    determinant = e1x * px + e1y * py + e1z * pz
    if abs(determinant) < 1e-14:
        return np.inf
    tx, ty, tz = origin[0] - triangle[0, 0], origin[1] - triangle[0, 1], origin[2] - triangle[0, 2]
    u = (tx * px + ty * py + tz * pz) / determinant
    if u < -EDGE or u > 1 + EDGE:
        return np.inf
    qx = ty * e1z - tz * e1y
    qy = tz * e1x - tx * e1z
    qz = tx * e1y - ty * e1x
    v = (direction[0] * qx + direction[1] * qy + direction[2] * qz) / determinant
    if v < -EDGE or u + v > 1 + EDGE:
        return np.inf
    distance = (e2x * qx + e2y * qy + e2z * qz) / determinant
    return distance if distance > 1e-6 else np.inf


@njit(cache=True)
def _build(low, high):
    count = len(low)
    centres = 0.5 * (low + high)
    order = np.arange(count)
    boxes = np.empty((2 * count, 6))
    children = np.empty((2 * count, 2), np.int64)
    stack = np.empty((128, 3), np.int64)
    stack[0] = (0, 0, count)
    size, nodes = 1, 1
    while size > 0:
        size -= 1
        node, start, stop = stack[size]
        for axis in range(3):
            boxes[node, axis], boxes[node, axis + 3] = np.inf, -np.inf
            for i in range(start, stop):
                boxes[node, axis] = min(boxes[node, axis], low[order[i], axis])
                boxes[node, axis + 3] = max(boxes[node, axis + 3], high[order[i], axis])
        middle = _split(order, centres, low, high, start, stop) if stop - start > LEAF else start
        if middle == start:
            children[node] = (start, start - stop)
            continue
        children[node] = (nodes, nodes + 1)
        stack[size] = (nodes, start, middle)
        stack[size + 1] = (nodes + 1, middle, stop)
        size += 2
        nodes += 2
    return boxes[:nodes], children[:nodes], order


@njit(cache=True)
def _split(order, centres, low, high, start, stop):
    """Reorder ``order[start:stop]`` into two halves; returns where the second starts."""
    best, best_axis, best_bin, best_low, best_scale = np.inf, -1, 0, 0.0, 0.0
    counts = np.empty(BINS, np.int64)
    bounds = np.empty((BINS, 6))
    right = np.empty(BINS)
    for axis in range(3):
        least, most = np.inf, -np.inf
        for i in range(start, stop):
            least, most = min(least, centres[order[i], axis]), max(most, centres[order[i], axis])
        if most - least < 1e-9:
            continue
        scale = BINS / (most - least)
        counts[:] = 0
        bounds[:, :3] = np.inf
        bounds[:, 3:] = -np.inf
        for i in range(start, stop):
            t = order[i]
            b = min(BINS - 1, int((centres[t, axis] - least) * scale))
            counts[b] += 1
            for k in range(3):
                bounds[b, k] = min(bounds[b, k], low[t, k])
                bounds[b, k + 3] = max(bounds[b, k + 3], high[t, k])
        running = np.array([np.inf, np.inf, np.inf, -np.inf, -np.inf, -np.inf])
        total = 0
        for b in range(BINS - 1, 0, -1):
            total += counts[b]
            _grow(running, bounds[b])
            right[b] = total * _half_area(running) if total > 0 else np.inf
        running[:3], running[3:] = np.inf, -np.inf
        total = 0
        for b in range(BINS - 1):
            total += counts[b]
            _grow(running, bounds[b])
            cost = total * _half_area(running) + right[b + 1] if total > 0 else np.inf
            if cost < best:
                best, best_axis, best_bin, best_low, best_scale = cost, axis, b, least, scale
    if best_axis < 0:
        # All centres coincide: any halves do.
        return (start + stop) // 2
    i, j = start, stop - 1
    while i <= j:
        if min(BINS - 1, int((centres[order[i], best_axis] - best_low) * best_scale)) <= best_bin:
            i += 1
        else:
            order[i], order[j] = order[j], order[i]
            j -= 1
    return i


@njit(cache=True)
def _grow(box, other):
    for k in range(3):
        box[k], box[k + 3] = min(box[k], other[k]), max(box[k + 3], other[k + 3])


@njit(cache=True)
def _half_area(box):
    x, y, z = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    return x * y + y * z + z * x
