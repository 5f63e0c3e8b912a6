"""Tables and plain data of results."""

import json

import numpy as np

from project.evaluation.voxel_scores import VoxelScores, band_names
from project.taxonomy import CLASSES, FREE


def two_class_scores() -> VoxelScores:
    matrix = np.zeros((18, 18), np.int64)
    matrix[4, 4], matrix[4, FREE] = 2, 1  # car: 2 / 3
    matrix[16, 16] = 5  # vegetation: 1
    matrix[FREE, 3] = 4  # bus is predicted where nothing is
    return VoxelScores(matrix, samples=3)


def test_table_lists_classes_in_order_and_the_mean_last():
    lines = two_class_scores().table().splitlines()
    rows = {line.split()[0]: line.split()[1] for line in lines if line.startswith((*CLASSES, 'mIoU'))}
    assert list(rows) == [*CLASSES, 'mIoU']
    assert rows['car'] == '66.667' and rows['vegetation'] == '100.000' and rows['mIoU'] == '83.333'
    assert rows['bus'] == rows['barrier'] == '\\'
    assert 'geometric' not in two_class_scores().table()
    assert 'geometric IoU 58.333' in ' '.join(two_class_scores().table(geometric=True).split())


def test_bands_become_columns():
    scores = two_class_scores()
    bands = dict(zip(band_names((20, 35.5)), [scores.matrix, np.zeros_like(scores.matrix), scores.matrix], strict=True))
    table = VoxelScores(scores.matrix, 3, 'camera', bands).table()
    assert 'class IoU 0-20 m 20-35.5 m 35.5+ m' in ' '.join(table.split())
    car = next(line.split() for line in table.splitlines() if line.startswith('car'))
    assert car == ['car', '66.667', '66.667', '\\', '66.667']
    assert 'camera mask' in table


def test_json_has_every_figure_and_null_for_what_does_not_occur():
    result = json.loads(json.dumps(two_class_scores().as_json(), allow_nan=False))
    assert list(result['IoU']) == list(CLASSES)
    assert result['IoU']['bus'] is None and result['IoU']['car'] == 66.666667
    assert result['mIoU'] == 83.333333 and result['samples'] == 3
    assert np.array(result['confusion_matrix']).sum() == 12


def test_logged_figures_leave_out_what_does_not_occur():
    metrics = two_class_scores().metrics()
    assert set(metrics) == {'mIoU', 'geometric_IoU', 'IoU/car', 'IoU/vegetation'}
