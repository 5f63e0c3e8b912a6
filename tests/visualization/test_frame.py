"""Differences, layers and what a frame refuses."""

import known_world as worlds
import numpy as np
import pytest
from known_world import CAR, GRID, ROAD, TREE

from project.taxonomy import FREE, NOISE, UNOBSERVED
from project.visualization.frame import INVENTED, MISSED, NOTHING, RIGHT, WRONG_CLASS, Frame, difference
from project.visualization.scores import frame_scores


def test_difference_of_every_kind_of_pair():
    truth = np.array([ROAD, ROAD, ROAD, FREE, FREE, NOISE, NOISE, UNOBSERVED, UNOBSERVED], np.uint8)
    prediction = np.array([ROAD, CAR, FREE, CAR, FREE, CAR, FREE, CAR, FREE], np.uint8)
    expected = [RIGHT, WRONG_CLASS, MISSED, INVENTED, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING]
    assert difference(truth, prediction).tolist() == expected


def test_layers_are_what_is_known():
    assert [layer.name for layer in worlds.frame().layers] == ['truth', 'prediction', 'difference']
    assert [layer.name for layer in worlds.frame(truth=None, masks={}).layers] == ['prediction']


def test_unobserved_and_free_voxels_are_not_drawn():
    truth = worlds.road()
    truth[0, 0, 0] = UNOBSERVED
    (layer,) = worlds.frame(truth=truth, prediction=None).layers
    drawn = layer.occupied()
    assert not drawn[0, 0, 0]
    assert drawn.sum() == (truth < FREE).sum()


def test_scores_count_what_the_mask_shows():
    frame = worlds.frame()
    scores = frame_scores(frame)
    car, road, tree = (scores.class_iou[label - 1] for label in (CAR, ROAD, TREE))
    # 8 car voxels, half of them called tree, one invented; one row of the road is missed.
    assert car == pytest.approx(4 / 9)
    assert road == pytest.approx(13 / 14)
    assert np.isnan(tree)
    assert scores.mean_iou == pytest.approx((car + road) / 2)
    everything = np.ones(GRID.shape, bool)
    everything[:, 0] = False
    masked = frame_scores(worlds.frame(masks={'lidar': everything}), 'lidar')
    assert masked.class_iou[ROAD - 1] == 1


def test_a_frame_needs_labels_or_a_prediction_of_the_right_shape():
    with pytest.raises(ValueError, match='neither labels nor a prediction'):
        Frame('scene', 0, 'token', GRID)
    with pytest.raises(ValueError, match='prediction of shape'):
        Frame('scene', 0, 'token', GRID, prediction=np.zeros((7, 5, 3), np.uint8))
    with pytest.raises(ValueError, match='no lidar mask'):
        worlds.frame().mask('lidar')


@pytest.mark.parametrize('lacking', ['truth', 'prediction'])
def test_a_frame_without_one_of_the_two_has_no_score(lacking):
    with pytest.raises(ValueError, match=f'has no {lacking}'):
        frame_scores(worlds.frame(**{lacking: None}))
