import numpy as np

from project.geometry.rigid import inverse, poses
from project.labels.aggregation.boxes import Boxes, box_of_points, boxes_at, extended, track_curvature
from project.sources.base import Tracks

CAR, TRUCK = 17, 23
TIMES_S = np.array([0.0, 0.5, 1.0, 1.5, 2.5])


def tracks_along_x(present, places):
    present, places = np.array(present, bool), np.array(places, float)
    global_from_box = np.tile(np.eye(4), (*present.shape, 1, 1))
    global_from_box[..., 0, 3] = places
    return Tracks(present, global_from_box, np.ones((*present.shape, 3)), np.full(present.shape[1], CAR, np.uint8))


def boxes_between(tracks, annotated, k, fraction, curvature=None):
    (boxes,) = boxes_at(tracks, annotated, np.array([k]), np.array([fraction]), np.eye(4), curvature)
    return boxes


def test_tracks_go_on_for_one_keyframe_at_their_last_velocity():
    tracks = tracks_along_x([[0], [1], [1], [0], [0]], [[0], [10], [12], [0], [0]])
    longer = extended(tracks, TIMES_S)
    np.testing.assert_array_equal(longer.present[:, 0], [True, True, True, True, False])
    np.testing.assert_allclose(longer.global_from_box[:4, 0, 0, 3], [8, 10, 12, 14])
    assert tracks.present.sum() == 2


def test_a_track_of_one_annotation_stands_and_time_between_keyframes_counts():
    alone = extended(tracks_along_x([[0], [1], [0], [0], [0]], [[0], [10], [0], [0], [0]]), TIMES_S)
    np.testing.assert_allclose(alone.global_from_box[:3, 0, 0, 3], 10)
    leaving = extended(tracks_along_x([[0], [0], [1], [1], [0]], [[0], [0], [10], [12], [0]]), TIMES_S)
    np.testing.assert_allclose(leaving.global_from_box[4, 0, 0, 3], 16)


def test_boxes_between_keyframes_are_interpolated_and_guesses_are_marked():
    tracks = tracks_along_x([[1, 0], [1, 1], [1, 1], [0, 0], [0, 0]], [[0, 0], [4, 7], [8, 7], [0, 0], [0, 0]])
    boxes = boxes_between(extended(tracks, TIMES_S), tracks.present, 0, 0.25)
    np.testing.assert_array_equal(boxes.tracks, [0, 1])
    np.testing.assert_allclose(boxes.scene_from_box[:, 0, 3], [1, 7])
    np.testing.assert_array_equal(boxes.guessed, [False, True])
    np.testing.assert_array_equal(boxes.guessed_at(np.array([-1, 0, 1])), [False, False, True])


def places_between(way, present, fraction, k):
    """Where boxes_at puts a track that follows way(time), an (N, 3) function, between keyframes k and k + 1."""
    tracks = tracks_along_x([[each] for each in present], np.zeros((5, 1)))
    tracks.global_from_box[:, 0, :3, 3] = way(TIMES_S)
    boxes = boxes_between(tracks, tracks.present, k, fraction, track_curvature(tracks, TIMES_S))
    time = TIMES_S[k] + fraction * (TIMES_S[k + 1] - TIMES_S[k])
    return boxes.scene_from_box[0, :3, 3], way(np.array([time]))[0]


def test_boxes_follow_a_track_that_turns_and_brakes():
    def parabola(t):
        return np.column_stack([10 * t - 1.5 * t**2, 2 * t**2, 0 * t])

    def curve(t):
        return np.column_stack([8 * np.sin(t), 8 * np.cos(t), 0 * t])

    for k in range(4):
        for fraction in (0.2, 0.5, 0.9):
            np.testing.assert_allclose(*places_between(parabola, [1] * 5, fraction, k), atol=1e-9)
    place, truth = places_between(curve, [1] * 5, 0.5, 1)
    straight = curve(TIMES_S[1:3]).mean(axis=0)
    assert np.linalg.norm(place - truth) < 0.02 < 0.2 < np.linalg.norm(straight - truth)


def test_a_way_goes_over_from_one_parabola_to_the_next():
    """Where acceleration changes, it is the parabola of the past near its start and the one to come near its end."""

    def way(t):
        return np.column_stack([t**3, 5 * t, -2 * t**3])

    for k in (1, 2):
        for fraction in (0.25, 0.75):
            place, _ = places_between(way, [1] * 5, fraction, k)
            time = TIMES_S[k] + fraction * (TIMES_S[k + 1] - TIMES_S[k])
            past, coming = (
                np.polyfit(TIMES_S[three], way(TIMES_S[three]), 2) for three in (slice(k - 1, k + 2), slice(k, k + 3))
            )
            blended = (1 - fraction) * past + fraction * coming
            np.testing.assert_allclose(place, (time**2, time, 1) @ blended, atol=1e-9)


def test_boxes_go_straight_where_too_little_is_known_of_their_track():
    def parabola(t):
        return np.column_stack([t, 2 * t**2, 0 * t])

    np.testing.assert_allclose(*places_between(parabola, [0, 0, 1, 1, 1], 0.5, 2), atol=1e-9)
    place, _ = places_between(parabola, [0, 1, 1, 0, 1], 0.5, 1)
    np.testing.assert_allclose(place, parabola(TIMES_S[1:3]).mean(axis=0))
    alone = tracks_along_x([[1]], [[3]])
    assert track_curvature(alone, TIMES_S[:1]).shape == (0, 1, 2, 3)


def random_boxes(rng, n):
    quaternions = rng.normal(size=(n, 4)) * (1, 0.1, 0.1, 1)
    scene_from_box = poses(quaternions, rng.uniform(-20, 20, (n, 3)) * (1, 1, 0.1))
    categories = rng.choice([CAR, TRUCK], n).astype(np.uint8)
    return Boxes(np.arange(n), scene_from_box, rng.uniform(1, 8, (n, 3)), categories, np.zeros(n, bool))


def test_points_find_their_box_as_if_every_box_were_tried():
    rng = np.random.default_rng(0)
    boxes, xyz = random_boxes(rng, 23), rng.uniform(-30, 30, (4000, 3)).astype(np.float32) * np.float32((1, 1, 0.1))
    raw = rng.choice([CAR, TRUCK, 255], 4000).astype(np.uint8)
    local = np.einsum('bij,nj->nbi', inverse(boxes.scene_from_box)[:, :3], np.column_stack([xyz, np.ones(4000)]))
    depth = (np.abs(local) / boxes.half_sizes).max(axis=-1)
    score = np.where(depth > 1, np.inf, depth + ((raw[:, None] != boxes.categories) & (raw[:, None] != 255)))
    expected = np.where(np.isfinite(score.min(axis=1)), score.argmin(axis=1), -1)
    assert (expected >= 0).mean() > 0.05
    np.testing.assert_array_equal(box_of_points(xyz, raw, boxes), expected)


def test_no_boxes_or_no_points():
    boxes = random_boxes(np.random.default_rng(0), 3)
    fields = ('tracks', 'scene_from_box', 'sizes', 'categories', 'guessed')
    nothing = Boxes(*(getattr(boxes, name)[:0] for name in fields))
    raw = np.full(2, 255, np.uint8)
    np.testing.assert_array_equal(box_of_points(np.zeros((2, 3), np.float32), raw, nothing), [-1, -1])
    assert box_of_points(np.zeros((0, 3), np.float32), raw[:0], boxes).shape == (0,)
