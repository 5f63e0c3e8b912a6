import numpy as np

from project.labels.boxes import MARGIN_M, Boxes, box_of_points, boxes_at, extended
from project.labels.geometry import inverse, poses
from project.labels.scene import Tracks

CAR, TRUCK = 17, 23
TIMES_S = np.array([0.0, 0.5, 1.0, 1.5, 2.5])


def tracks_along_x(present, places):
    present, places = np.array(present, bool), np.array(places, float)
    global_from_box = np.tile(np.eye(4), (*present.shape, 1, 1))
    global_from_box[..., 0, 3] = places
    return Tracks(present, global_from_box, np.ones((*present.shape, 3)), np.full(present.shape[1], CAR, np.uint8))


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
    boxes = boxes_at(extended(tracks, TIMES_S), tracks.present, 0, 0.25, np.eye(4))
    np.testing.assert_array_equal(boxes.tracks, [0, 1])
    np.testing.assert_allclose(boxes.scene_from_box[:, 0, 3], [1, 7])
    np.testing.assert_array_equal(boxes.guessed, [False, True])
    np.testing.assert_array_equal(boxes.guessed_at(np.array([-1, 0, 1])), [False, False, True])


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
    depth = (np.abs(local) / (boxes.sizes / 2 + MARGIN_M)).max(axis=-1)
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
