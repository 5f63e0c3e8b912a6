"""Solids, their joined surfaces, and rays on them, against what one can work out by hand."""

import numpy as np
import pytest

from project.synthetic.bvh import Forest, Tree, nearest
from project.synthetic.clipping import area, clip
from project.synthetic.materials import Material
from project.synthetic.models import KINDS, model
from project.synthetic.solids import Mesh, box, ellipsoid, frustum, joined, prism


def surface(mesh: Mesh) -> float:
    return sum(area(triangle) for triangle in mesh.triangles)


def test_clip_keeps_the_side_below_the_plane() -> None:
    square = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], float)
    assert area(clip(square, np.array([1.0, 0, 0]), 0.5)) == pytest.approx(0.5)
    assert len(clip(square, np.array([1.0, 0, 0]), -0.1)) == 0
    assert area(clip(square, np.array([0.6, 0.8, 0]), 5.0)) == pytest.approx(2.0)


def test_surface_of_one_solid() -> None:
    assert surface(joined([box((0, 0, 0), (1, 2, 3), Material.METAL)])) == pytest.approx(22)
    assert surface(joined([prism([(0, 0), (4, 0), (0, 3)], 2, Material.METAL)])) == pytest.approx(2 * 6 + 12 * 2)
    # Octagons of circumradius 1: area 2 sqrt(2), sides 2 sin(pi / 8).
    expected = 2 * 2 * np.sqrt(2) + 8 * 2 * np.sin(np.pi / 8) * 5
    assert surface(joined([frustum((0, 0, 0), (0, 0, 5), (1, 1), Material.METAL)])) == pytest.approx(expected)


def test_inside_surface_is_cut_away() -> None:
    long, across = (
        box((-2, -0.5, -0.5), (2, 0.5, 0.5), Material.METAL),
        box((-0.5, -2, -0.4), (0.5, 2, 0.4), Material.METAL),
    )
    # The beam across keeps its two ends of 1.5 m; of the long one, two holes of 1 m x 0.8 m are hidden.
    assert surface(joined([long, across])) == pytest.approx(18 - 2 * 0.8 + 2 * (0.8 + 1.5 * 3.6))
    hidden = ellipsoid((0, 0, 0), (0.3, 0.3, 0.3), Material.LEAF)
    assert surface(joined([long, hidden])) == pytest.approx(18)


def test_a_dent_is_refused() -> None:
    with pytest.raises(ValueError, match='convex'):
        joined([prism([(0, 0), (2, 0), (1, 0.2), (0, 2)], 1, Material.METAL)])


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_models_are_closed_and_fill_their_boxes(kind: str, rng: np.random.Generator) -> None:
    shape = model(kind)
    tree = Tree.over(shape.mesh.triangles)
    width, length, height = shape.size
    low, high = (f(shape.mesh.triangles, axis=(0, 1)) for f in (np.min, np.max))
    assert (np.abs(np.array([low, high])[:, :2] - shape.centre[:2]) <= np.array([length, width]) / 2).all()
    assert -0.03 <= low[2] <= 0.03 and 0 < height - high[2] < 0.06
    # A ray from outside through a closed surface and out again crosses it an even number of times.
    for _ in range(40):
        start, goal = rng.normal(size=3) * 20, rng.uniform(low, high)
        crossings, origin = 0, start
        direction = (goal - start) / np.linalg.norm(goal - start)
        while True:
            distance, hit = nearest(*tree.arrays, 0, origin, direction, 100.0)
            if hit < 0:
                break
            crossings, origin = crossings + 1, origin + (distance + 1e-7) * direction
        assert crossings % 2 == 0


def test_nearest_hit_against_trying_every_triangle(rng: np.random.Generator) -> None:
    soups = [rng.normal(size=(count, 1, 3)) * 4 + rng.normal(size=(count, 3, 3)) for count in (1, 57, 300)]
    forest = Forest.of([Tree.over(soup) for soup in soups])
    for number, soup in enumerate(soups):
        for _ in range(60):
            origin, direction = rng.normal(size=3) * 8, rng.normal(size=3)
            distance, hit = nearest(*forest.tree.arrays, forest.roots[number], origin, direction, 50.0)
            expected = _try_all(soup, origin, direction)
            assert distance == pytest.approx(min(expected.min(), 50.0))
            if hit >= 0:
                assert forest.tree.order[hit] - forest.starts[number] == expected.argmin()


def _try_all(triangles: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    distances = np.full(len(triangles), np.inf)
    for number, (a, b, c) in enumerate(triangles):
        t, u, v = np.linalg.solve(np.column_stack([-direction, b - a, c - a]), origin - a)
        if t > 0 and u >= 0 and v >= 0 and u + v <= 1:
            distances[number] = t
    return distances
