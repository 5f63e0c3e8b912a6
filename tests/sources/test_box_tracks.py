import numpy as np
import pytest

from project.geometry.rigid import poses
from project.sources.box_tracks import DatedBoxes, annotations_of, box_records, tracks_at
from project.sources.taxonomies import taxonomy_of_boxes

TAXONOMY = taxonomy_of_boxes(['car', 'tram'])


def boxes(*of_boxes):
    """(time in ms, track, category, x) each."""
    times, tracks, categories, x = zip(*of_boxes, strict=True)
    positions = np.column_stack([x, np.zeros(len(x)), np.zeros(len(x))])
    rotations = np.tile([1.0, 0, 0, 0], (len(x), 1))
    sizes = np.tile([4.0, 2, 1.5], (len(x), 1))
    return DatedBoxes(np.array(times) * 1000, tracks, categories, poses(rotations, positions), sizes)


def test_boxes_become_tracks_over_all_their_times():
    annotations, names = annotations_of(
        boxes((100, 'b', 'tram', 3), (0, 'a', 'car', 1), (100, 'a', 'car', 2)), TAXONOMY
    )
    assert names == ['a', 'b'] and annotations.times_us.tolist() == [0, 100_000]
    assert annotations.tracks.present.tolist() == [[True, False], [True, True]]
    assert annotations.tracks.global_from_box[1, :, 0, 3].tolist() == [2, 3]
    assert annotations.tracks.categories.tolist() == [1, 2]


def test_tracks_are_interpolated_unless_there_was_no_box_for_long():
    some = boxes((0, 'a', 'car', 0), (200, 'a', 'car', 2), (0, 'b', 'car', 0), (2000, 'b', 'car', 9))
    found = tracks_at(annotations_of(some, TAXONOMY)[0], np.array([0, 150_000, 200_400, 300_000]))
    assert found.present.tolist() == [[True, True], [True, False], [True, False], [False, False]]
    np.testing.assert_allclose(found.global_from_box[:3, 0, 0, 3], [0, 1.5, 2])


def test_keyframes_name_their_boxes():
    annotations, names = annotations_of(boxes((0, 'a', 'car', 1), (0, 'b', 'tram', 2), (50, 'a', 'car', 1)), TAXONOMY)
    record = box_records(annotations.tracks, 0, names, TAXONOMY)
    assert record.instances == ('a', 'b') and record.categories == ('car', 'tram')
    assert len(box_records(annotations.tracks, 1, names, TAXONOMY).instances) == 1


@pytest.mark.parametrize(
    'some,message',
    [
        ([(0, 'a', 'car', 0), (0, 'a', 'car', 1)], 'the track a has two boxes at 0 us'),
        ([(0, 'a', 'car', 0), (1, 'a', 'tram', 1)], 'the track a is a car and a tram'),
        ([(0, 'a', 'ship', 0)], 'no category ship'),
    ],
)
def test_what_is_wrong_is_named(some, message):
    with pytest.raises(ValueError, match=message):
        annotations_of(boxes(*some), TAXONOMY)
