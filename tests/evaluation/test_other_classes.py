"""Scores of labels with classes of their own: those that there are, by their names, and no others."""

import json

import numpy as np
import pytest
import torch

from project.evaluation.metric import OccupancyMetric
from project.evaluation.protocols import Volume, build_protocol, with_labels
from project.evaluation.protocols.inputs import check_same_labels, open_labels, open_predictions
from project.evaluation.protocols.protocol_metric import ProtocolMetric
from project.evaluation.voxel_scores import VoxelScores
from project.formats import OccupancyLabels, points, voxels
from project.formats.stated import check_classes, stated, write_labels
from project.grid import VoxelGrid
from project.label_set import LabelSet

OWN = LabelSet(names=('noise', 'tram', '', 'street', *[''] * 13, 'free'))
GRID = VoxelGrid.from_range('lidar', (-7, -5, -1, 7, 5, 2), (2, 2, 1))


def confusion() -> np.ndarray:
    """Six voxels of tram, of which two are called street; one voxel of street that is right."""
    matrix = np.zeros((18, 18), np.int64)
    matrix[1, 1], matrix[1, 3], matrix[3, 3] = 4, 2, 1
    return matrix


def sample(token: str = 'a') -> dict:
    truth = torch.full(GRID.shape, 17, dtype=torch.uint8)
    truth[:2, 0, 0], truth[3, 0, 0] = 1, 3
    prediction = truth.clone()
    prediction[1, 0, 0] = 3
    return {'sample_token': token, 'grid': GRID, 'gt_occupancy': truth, 'pred_occupancy': prediction}


def test_tables_have_the_classes_that_there_are():
    scores = VoxelScores(confusion(), 1, labels=OWN)
    assert scores.metrics() == pytest.approx(
        {'mIoU': 100 * (4 / 6 + 1 / 3) / 2, 'geometric_IoU': 100, 'IoU/tram': 100 * 4 / 6, 'IoU/street': 100 / 3}
    )
    rows = [line.split()[0] for line in scores.table().splitlines()]
    assert [name for name in rows if name in ('tram', 'street', 'car', 'bus')] == ['tram', 'street']
    assert list(scores.as_json()['IoU']) == ['tram', 'street']


def test_the_metric_takes_them_from_the_dataset():
    metric = OccupancyMetric()
    metric.dataset_meta = OWN.as_dict()
    metric.process({}, [sample()])
    assert metric.evaluate(1) == pytest.approx({'mIoU': 50, 'geometric_IoU': 100, 'IoU/tram': 50, 'IoU/street': 50})


def test_protocols_take_them_or_refuse_them(tmp_path):
    metric = ProtocolMetric(['baseline'], json_path=tmp_path / 'scores.json')
    metric.dataset_meta = OWN.as_dict()
    metric.process({}, [sample()])
    assert metric.evaluate(1)['baseline/mIoU'] == pytest.approx(50)
    assert list(json.loads((tmp_path / 'scores.json').read_text())['baseline']['classes']['IoU']) == ['tram', 'street']
    with pytest.raises(ValueError, match=r'rayiou: the format occ3d has the 16 classes of nuScenes.*tram, street'):
        with_labels(build_protocol('rayiou'), OWN)


def test_fewer_classes_of_a_benchmark_are_scored_alone():
    part = LabelSet(names=tuple(name if name in ('noise', 'car', 'free') else '' for name in LabelSet().names))
    protocol = with_labels(build_protocol('rayiou'), part)
    assert protocol.labels == (0, 4)
    voxel_protocol = with_labels(build_protocol('occ3d', camera_mask=False), part)
    truth = np.full(voxel_protocol.grid.shape, 17, np.uint8)
    truth[0, 0, 0] = 4
    scores = voxel_protocol.score(voxel_protocol.count(Volume(truth), Volume(truth)), 1)
    assert list(scores.classes['IoU']) == ['noise', 'car'] and scores.title.startswith('occ3d: 2 classes')


def test_folders_say_what_their_classes_are(tmp_path):
    labels = OccupancyLabels(voxels.GRID, np.zeros((1, 3), np.int32), np.ones(1, np.uint8))
    voxels.write(tmp_path / 'labels/voxels/scene/token.npz', labels)
    (tmp_path / 'labels/settings.json').write_text(json.dumps({'voxels': OWN.as_dict()}))
    (tmp_path / 'predictions').mkdir()
    np.savez(tmp_path / 'predictions/token.npz', np.full((100, 100, 8), 17, np.uint8))
    protocol = build_protocol('baseline')
    found = open_labels(tmp_path / 'labels', protocol)
    assert found.labels == OWN
    assert open_predictions(tmp_path / 'predictions', protocol).labels is None
    write_labels(tmp_path / 'predictions', OWN)
    predictions = open_predictions(tmp_path / 'predictions', protocol)
    check_same_labels(predictions, found.labels)
    with pytest.raises(ValueError, match=r'predictions: predicts other classes \(tram, street, \.\.\.\) than'):
        check_same_labels(predictions, LabelSet())
    (tmp_path / 'labels/settings.json').write_text('{"voxels": {"label_names": ["one"]}}')
    with pytest.raises(ValueError, match=r'settings\.json: does not state classes'):
        stated(tmp_path / 'labels', 'voxels')


def test_points_are_read_with_the_categories_that_their_folder_states(tmp_path):
    points.write(tmp_path / '0.pcd.bin', np.array([[1.5, 2.5, 0.5, 0, 2]]))
    about = OWN.as_dict() | {'category_labels': {'noise': 0, 'tram': 1, 'street': 3}}
    (tmp_path / 'settings.json').write_text(json.dumps({'points': about}))
    protocol = build_protocol('baseline')
    semantics = open_labels(tmp_path, protocol).read('0.pcd.bin').semantics
    assert set(np.unique(semantics)) == {3, 17}


def test_nothing_is_stated_beside_predictions_of_the_usual_classes(tmp_path):
    write_labels(tmp_path, LabelSet())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('layout', ['occ3d', 'surroundocc', 'openoccupancy', 'openocc'])
def test_formats_with_fixed_classes_refuse_others(layout):
    check_classes(layout, LabelSet())
    check_classes('voxels', OWN)
    with pytest.raises(ValueError, match=rf'the format {layout} has the 16 classes.*tram, street.*--label_mapping'):
        check_classes(layout, OWN)
