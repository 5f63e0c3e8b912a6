"""Counting of voxel labels, against truth worked out by hand and against the baseline's numbers."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from project.evaluation import confusion, tensors
from project.evaluation.confusion import class_iou, distance_bands, geometric_iou, mean_iou
from project.grid import VoxelGrid
from project.taxonomy import CLASSES, FREE

SHAPE = (7, 5, 3)
GOLDEN = Path(os.environ.get('OCCUPANCY_GOLDEN', Path(__file__).parents[3] / 'shared/golden')) / 'metric.npz'


@pytest.fixture(params=['numpy', 'torch'])
def confusion_matrices(request):
    """Counts tensors as tensors, or as the arrays that the definition takes; returns an array."""
    if request.param == 'torch':
        return lambda *arguments, **options: tensors.confusion_matrices(*arguments, **options).numpy()

    def count(*arguments, **options):
        return confusion.confusion_matrices(*(argument.numpy() for argument in arguments), **options)

    return count


def random_labels(seed: int, with_unobserved: bool = False) -> torch.Tensor:
    labels = torch.randint(0, FREE + 1, SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    if with_unobserved:
        labels[labels == 5] = 255
    return labels


def slow_matrix(prediction: torch.Tensor, truth: torch.Tensor, counted: torch.Tensor) -> np.ndarray:
    matrix = np.zeros((FREE + 1, FREE + 1), np.int64)
    for voxel in np.ndindex(*SHAPE):
        if counted[voxel] and truth[voxel] not in (0, 255):
            matrix[truth[voxel], prediction[voxel]] += 1
    return matrix


def test_matrix_counts_every_pair_outside_noise_and_unobserved(confusion_matrices):
    prediction, truth = random_labels(0), random_labels(1, with_unobserved=True)
    expected = slow_matrix(prediction, truth, torch.ones(SHAPE))
    assert (confusion_matrices(prediction, truth)[0] == expected).all()


def test_mask_and_bands_part_the_counts(confusion_matrices):
    prediction, truth = random_labels(2), random_labels(3)
    mask = random_labels(4) > 8
    bands = torch.arange(SHAPE[0]).view(-1, 1, 1) % 3
    matrices = confusion_matrices(prediction, truth, mask, bands, num_bands=3)
    for band in range(3):
        expected = slow_matrix(prediction, truth, mask & (bands == band).expand(SHAPE))
        assert (matrices[band] == expected).all()
    assert (matrices.sum(0) == confusion_matrices(prediction, truth, mask)[0]).all()


def test_counts_do_not_stop_at_the_limits_of_small_integers(confusion_matrices):
    ones = torch.ones(1 << 17, dtype=torch.uint8)
    assert confusion_matrices(ones, ones)[0, 1, 1] == 1 << 17


def test_figures_of_a_case_worked_out_by_hand(confusion_matrices):
    #        barrier x3, bicycle x2, free x3   | barrier is found twice, once called bicycle
    truth = torch.tensor([1, 1, 1, 2, 2, FREE, FREE, FREE], dtype=torch.uint8)
    predicted = torch.tensor([1, 1, 2, 2, FREE, 1, FREE, 3], dtype=torch.uint8)
    matrix = confusion_matrices(predicted, truth)[0]
    iou = class_iou(matrix)
    assert iou[:2].tolist() == [2 / 4, 1 / 3]
    assert np.isnan(iou[2:]).all(), 'bus is predicted but does not occur'
    assert mean_iou(matrix) == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert geometric_iou(matrix) == 4 / 7


def test_figures_of_nothing_are_not_a_number():
    matrix = np.zeros((18, 18), np.int64)
    assert np.isnan(mean_iou(matrix)) and np.isnan(geometric_iou(matrix)) and np.isnan(class_iou(matrix)).all()


@pytest.mark.parametrize('wrong', [18, 254])
def test_unknown_labels_are_refused(wrong, confusion_matrices):
    labels = torch.ones(SHAPE, dtype=torch.uint8)
    bad = labels.clone()
    bad[1, 2, 0] = wrong
    with pytest.raises(ValueError, match=f'prediction holds labels from 1 to {wrong}'):
        confusion_matrices(bad, labels)
    with pytest.raises(ValueError, match=f'ground truth holds labels from 1 to {wrong}'):
        confusion_matrices(labels, bad)


def test_shapes_must_agree(confusion_matrices):
    labels = torch.ones(SHAPE, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r'\(5, 7, 3\)'):
        confusion_matrices(labels.transpose(0, 1), labels)


def test_bands_follow_the_horizontal_distance():
    grid = VoxelGrid.from_range('lidar', (-3.5, -2.5, -1, 3.5, 2.5, 2), 1)
    bands = distance_bands(grid, (1.0, 3.0))
    assert bands.shape == (7, 5, 1)
    assert bands[3, 2, 0] == 0  # the origin
    assert bands[4, 2, 0] == 1  # exactly 1 m
    assert bands[5, 4, 0] == 1  # 2.83 m
    assert bands[0, 2, 0] == 2  # exactly 3 m


@pytest.mark.skipif(not GOLDEN.exists(), reason=f'no golden numbers at {GOLDEN} (set OCCUPANCY_GOLDEN)')
@pytest.mark.parametrize('case', ['all_classes', 'class9_never_in_target', 'random'])
def test_numbers_of_the_baseline(case, confusion_matrices):
    golden = np.load(GOLDEN)
    if f'{case}.pred' not in golden:
        pytest.skip(f'{GOLDEN} has no case {case}')
    prediction, target = (torch.from_numpy(golden[f'{case}.{name}']) for name in ('pred', 'target'))
    matrix = confusion_matrices(prediction, target)[0]
    assert (matrix.sum(axis=1)[1:FREE] == golden[f'{case}.total_seen']).all()
    assert (matrix.sum(axis=0)[1:FREE] == golden[f'{case}.total_positive']).all()
    assert (matrix.diagonal()[1:FREE] == golden[f'{case}.total_correct']).all()
    # The baseline gives a class that never occurs IoU 1.
    iou = np.nan_to_num(class_iou(matrix), nan=1.0)
    np.testing.assert_allclose(iou, golden[f'{case}.per_class_iou'], atol=1e-6)
    assert 100 * iou.mean() == pytest.approx(golden[f'{case}.miou_percent'].item(), abs=1e-5)
    assert len(iou) == len(CLASSES)
