"""OccupancyMetric in one process and in several, and predictions as files."""

import json

import numpy as np
import pytest
import torch
from mmdet3d.registry import METRICS

from project.datasets.data_sample import OccupancyDataSample
from project.evaluation.confusion import mean_iou
from project.evaluation.metric import OccupancyMetric
from project.evaluation.prediction_hook import OccupancyPredictionsHook
from project.evaluation.tensors import confusion_matrices
from project.formats import predictions
from project.grid import VoxelGrid

GRID = VoxelGrid.from_range('lidar', (-7, -5, -1, 7, 5, 5), 2)


def keyframe(index: int) -> dict:
    """Sample as the evaluator hands it to a metric, different for every index."""
    generator = torch.Generator().manual_seed(index)
    draw = lambda high: torch.randint(0, high, GRID.shape, generator=generator, dtype=torch.uint8)  # noqa: E731
    return {
        'sample_token': f'{index:032x}',
        'grid': GRID,
        'gt_occupancy': draw(18),
        'pred_occupancy': draw(18),
        'mask_camera': draw(2).bool(),
    }


def whole_matrix(keyframes: list[dict]) -> np.ndarray:
    pairs = [(sample['pred_occupancy'], sample['gt_occupancy']) for sample in keyframes]
    return sum(confusion_matrices(*pair)[0] for pair in pairs).numpy()


def test_is_registered():
    assert METRICS.get('OccupancyMetric') is OccupancyMetric


def test_batches_add_up_and_the_next_evaluation_starts_anew():
    keyframes = [keyframe(index) for index in range(5)]
    metric = OccupancyMetric()
    for _ in range(2):
        metric.process({}, keyframes[:3])
        metric.process({}, keyframes[3:])
        assert metric.evaluate(5)['mIoU'] == 100 * mean_iou(whole_matrix(keyframes))


def test_mask_bands_and_json(tmp_path):
    metric = OccupancyMetric(mask='camera', bands=(4, 6), json_path=tmp_path / 'result.json')
    metric.process({}, [keyframe(0)])
    metrics = metric.evaluate(1)
    result = json.loads((tmp_path / 'result.json').read_text())
    assert set(result['bands']) == {'0-4 m', '4-6 m', '6+ m'}
    counted = keyframe(0)['mask_camera'] & (keyframe(0)['gt_occupancy'] > 0)
    assert np.sum(result['confusion_matrix']) == counted.sum()
    assert result['bands']['0-4 m']['mIoU'] == pytest.approx(metrics['mIoU/0-4 m'])


def test_what_is_missing_is_named():
    sample = keyframe(3)
    with pytest.raises(ValueError, match=f'{sample["sample_token"]} have no lidar mask'):
        OccupancyMetric(mask='lidar').process({}, [sample])
    del sample['gt_occupancy']
    with pytest.raises(ValueError, match='has no labels'):
        OccupancyMetric().process({}, [sample])
    with pytest.raises(ValueError, match=r'bands=\(35, 20\)'):
        OccupancyMetric(bands=(35, 20))
    with pytest.raises(ValueError, match="mask='radar'"):
        OccupancyMetric(mask='radar')


def test_a_keyframe_that_was_not_evaluated_is_an_error():
    metric = OccupancyMetric()
    metric.process({}, [keyframe(0), keyframe(0)])
    with pytest.raises(ValueError, match='1 of 2 keyframes'):
        metric.evaluate(2)


@pytest.mark.parametrize('flow', [False, True])
def test_predictions_are_written_for_submission(tmp_path, flow):
    sample = OccupancyDataSample(metainfo={'sample_token': 'a' * 32})
    sample.pred_occupancy = keyframe(1)['pred_occupancy'].long()
    if flow:
        sample.pred_flow = torch.randn(*sample.pred_occupancy.shape, 2)
    OccupancyPredictionsHook(tmp_path / 'predictions').after_test_iter(None, 0, outputs=[sample])
    path = tmp_path / 'predictions' / f'{"a" * 32}.npz'
    with np.load(path) as saved:
        assert saved.files == ['arr_0', 'flow'] if flow else ['arr_0']
        assert saved['arr_0'].dtype == np.uint8
        assert (saved['arr_0'] == sample.pred_occupancy.numpy()).all()
    if flow:
        np.testing.assert_array_equal(predictions.read(path).flow, sample.pred_flow.half().numpy())
