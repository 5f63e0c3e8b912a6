import numpy as np
import pytest

from project.labels.aggregation.label_propagation import DROPPED, OBJECT, label_map, mark_movers, propagate
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import tile_map_around
from project.labels.config import DEFAULT
from project.taxonomy import Taxonomy

ROAD, SIDEWALK, TERRAIN, WALL, LEAVES = 24, 26, 27, 28, 30
DOMAIN = tile_map_around(np.array([(0, 0, 1.8), (40, 10, 1.8)]))


def map_of(points: Points):
    return label_map(DOMAIN, points, Taxonomy.nuscenes(), DEFAULT)


def labelled(*parts):
    """Points of (xyz, lidarseg index) pairs."""
    xyz = np.concatenate([np.reshape(xyz, (-1, 3)) for xyz, _ in parts]).astype(np.float32)
    raw = np.concatenate([np.full(np.size(xyz) // 3, raw, np.uint8) for xyz, raw in parts])
    return Points(xyz, raw, np.zeros(len(raw), np.uint8))


def told(labels, xyz, in_box=False, labelled_object=False, guessed=False):
    xyz = np.reshape(xyz, (-1, 3)).astype(np.float32)
    flags = (np.full(len(xyz), flag) for flag in (in_box, labelled_object, guessed))
    return propagate(labels, xyz, *flags).tolist()


def ring(x, z=0.0):
    y = np.arange(-3, 3, 0.1)
    return np.column_stack([np.full(len(y), x), y, np.full(len(y), z)])


@pytest.fixture
def street():
    """Road at height 0 in rings three metres apart, a wall at x = 10, leaves at x = 6."""
    wall = ring(10.0, z=1.0)
    return map_of(labelled((ring(2.0), ROAD), (ring(5.0), ROAD), (wall, WALL), (ring(6.1, z=2.0), LEAVES)))


def test_ground_reaches_far_along_itself_and_hardly_upwards(street):
    assert told(street, [(3.5, 0, 0.02), (3.5, 0, 0.12), (3.5, 0, 0.5), (-2.5, 0, 0), (-4.5, 0, 0)]) == [
        ROAD, ROAD, DROPPED, ROAD, DROPPED,
    ]  # fmt: skip


def test_other_things_reach_as_far_as_a_metre(street):
    assert told(street, [(9.4, 0, 1.0), (10.2, 0.4, 1.3), (8.7, 0, 1.0), (6.3, 0, 2.6), (6.3, 0, 3.6)]) == [
        WALL, WALL, DROPPED, LEAVES, DROPPED,
    ]  # fmt: skip


def test_the_nearest_label_counts_and_the_answer_is_the_same_when_asked_again(street):
    middle = [(7.9, 0, 1.6), (6.9, 0, 1.8), (9.2, 0, 1.2)]
    labels = map_of(labelled((ring(8.6, z=1.6), WALL), (ring(7.6, z=1.6), LEAVES)))
    first = told(labels, middle)
    assert first[0] == LEAVES and first == told(labels, middle)


def test_a_kerb_is_told_by_height():
    labels = map_of(labelled((ring(2.05), ROAD), (ring(2.2, z=0.15), SIDEWALK), (ring(2.7, z=0.15), SIDEWALK)))
    assert told(labels, [(2.1, 0, 0.01), (2.1, 0, 0.14), (2.6, 0, 0.0), (1.6, 0, 0.15)]) == [
        ROAD,
        SIDEWALK,
        ROAD,
        SIDEWALK,
    ]


def test_a_kerb_between_rings_is_told_by_height():
    """The nearest label is the road's, 1.5 m away; that of the sidewalk, 2 m away, is at the point's height."""
    labels = map_of(labelled((ring(2.0), ROAD), (ring(5.5, z=0.15), SIDEWALK)))
    assert told(labels, [(3.5, 0, 0.0), (3.5, 0, 0.15), (4.0, 0, 0.0)]) == [ROAD, SIDEWALK, ROAD]
    assert told(labels, [(3.5, 0, 0.15)], in_box=True) == [OBJECT]


def test_a_step_counts_for_no_more_than_a_metre():
    labels = map_of(labelled((ring(2.0), ROAD), (ring(4.0, z=0.14), SIDEWALK)))
    assert told(labels, [(2.3, 0, 0.14), (3.3, 0, 0.14)]) == [ROAD, SIDEWALK]


def test_a_line_between_classes_on_one_level_is_straight():
    """Scattered labels leave a gap of 1.2 m around x = 5, now more to one side and now more to the other."""
    parts = []
    for row, y in enumerate(np.arange(-4.0, 4.0, 0.5)):
        end, start = (4.9, 6.1) if row % 2 else (3.9, 5.1)
        for raw, x in ((SIDEWALK, np.arange(end, 1, -0.2)), (TERRAIN, np.arange(start, 9, 0.2))):
            parts.append((np.column_stack([x, np.full(len(x), y), np.zeros(len(x))]), raw))
    labels = map_of(labelled(*parts))
    along = np.arange(-2.0, 2.0, 0.25)
    for x, raw in ((4.6, SIDEWALK), (5.4, TERRAIN)):
        assert told(labels, np.column_stack([np.full(len(along), x), along, 0 * along])) == [raw] * len(along)


def test_a_strip_is_kept_where_it_was_labelled():
    strip = ring(5.1)
    around = [(ring(x), SIDEWALK) for x in np.arange(2.1, 8, 0.25) if abs(x - 5.1) > 0.2]
    labels = map_of(labelled((strip, TERRAIN), *around))
    assert set(told(labels, strip)) == {TERRAIN}


def test_in_a_box_ground_stays_ground_and_the_rest_is_the_object(street):
    points = [(3.5, 0, 0.02), (3.5, 0, 0.1), (3.5, 0, 0.6)]
    assert told(street, points, in_box=True) == [ROAD, ROAD, OBJECT]
    assert told(street, points, in_box=True, labelled_object=True) == [ROAD, OBJECT, OBJECT]
    assert told(street, points, in_box=True, guessed=True) == [ROAD, ROAD, DROPPED]
    # What lies below the ground is noise of the ground, whatever was labelled there.
    assert told(street, [(3.5, 0, -0.1), (3.5, 0, -0.2)], in_box=True, labelled_object=True) == [ROAD, OBJECT]


def test_an_object_far_from_any_label_is_an_object(street):
    assert told(street, [(-500, 0, 0)], in_box=True) == [OBJECT]
    assert told(street, [(-500, 0, 0)]) == [DROPPED]


def test_near_an_unboxed_mover_only_ground_remains_and_only_for_a_while(street):
    beside_wall = np.array([(9.6, 0, 1.0), (9.6, 0, 0.0), (9.6, 2, 1.0)], np.float32)
    mover = np.array([(9.6, 0, 1.0), (9.6, 0, 0.1)], np.float32)
    mark_movers(street, mover, True)
    assert told(street, beside_wall) == [DROPPED, ROAD, WALL]
    mark_movers(street, mover, False)
    assert told(street, beside_wall) == [WALL, ROAD, WALL]


def test_the_majority_of_labels_in_a_cell_counts():
    labels = map_of(labelled(([(1.1, 1.1, 1.1)] * 3, LEAVES), ([(1.1, 1.2, 1.1)] * 2, WALL)))
    assert told(labels, [(1.15, 1.15, 1.15)]) == [LEAVES]
