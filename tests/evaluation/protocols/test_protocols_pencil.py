"""Every protocol on three keyframes that ``docs/evaluation.md`` works out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pencil import DIRECTIONS, ORIGIN, ray_frames, voxel_frames

from project.evaluation.names import SEMANTIC_PROTOCOLS
from project.evaluation.protocols import Scores, Volume, build_protocol, total
from project.taxonomy import FREE


def score(protocol, frames, origins=None) -> Scores:
    counts = [protocol.count(prediction, protocol.prepare(truth, origins), origins) for truth, prediction in frames]
    assert all(array.dtype == np.int64 for part in counts for array in part.values())
    return protocol.score(total(counts), len(counts))


def ray_score(name: str) -> Scores:
    protocol = replace(build_protocol(name), directions=DIRECTIONS)
    return score(protocol, ray_frames(protocol.grid), ORIGIN)


def occurring(column: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in column.items() if not np.isnan(value)}


@pytest.mark.parametrize('name', ['baseline', 'surroundocc', 'openoccupancy'])
def test_voxels_without_noise(name):
    protocol = build_protocol(name)
    scores = score(protocol, voxel_frames(protocol.grid))
    assert occurring(scores.classes['IoU']) == pytest.approx(
        {'car': 100 * 2 / 4, 'pedestrian': 100 * 1 / 2, 'driveable_surface': 100 * 2 / 3}
    )
    assert scores.summary == pytest.approx({'mIoU': 100 * (2 / 4 + 1 / 2 + 2 / 3) / 3, 'geometric IoU': 100 * 6 / 8})
    assert scores.frames == 3
    assert scores.bands['0-20 m'] == pytest.approx(
        {'mIoU': 100 * (2 / 4 + 1 / 2 + 0 / 1) / 3, 'geometric IoU': 100 * 4 / 6}
    )
    assert scores.bands['20-35 m'] == pytest.approx({'mIoU': 100, 'geometric IoU': 100})
    assert scores.bands['35+ m'] == pytest.approx({'mIoU': np.nan, 'geometric IoU': np.nan}, nan_ok=True)


def test_occ3d_over_all_voxels():
    protocol = build_protocol('occ3d', camera_mask=False)
    scores = score(protocol, voxel_frames(protocol.grid))
    assert 'no mask' in scores.title
    assert occurring(scores.classes['IoU']) == pytest.approx(
        {'noise': 0, 'car': 100 * 2 / 5, 'pedestrian': 100 * 1 / 2, 'driveable_surface': 100 * 2 / 3}
    )
    assert scores.summary == pytest.approx(
        {'mIoU': 100 * (0 + 2 / 5 + 1 / 2 + 2 / 3) / 4, 'geometric IoU': 100 * 7 / 9}
    )


def test_occ3d_over_the_camera_mask():
    protocol = build_protocol('occ3d')
    scores = score(protocol, voxel_frames(protocol.grid))
    assert 'camera mask' in scores.title
    assert occurring(scores.classes['IoU']) == pytest.approx(
        {'noise': 0, 'car': 100 * 2 / 4, 'pedestrian': 100, 'driveable_surface': 100 * 2 / 3}
    )
    assert scores.summary == pytest.approx({'mIoU': 100 * (0 + 2 / 4 + 1 + 2 / 3) / 4, 'geometric IoU': 100})


def test_rayiou():
    scores = ray_score('rayiou')
    car, pedestrian, vegetation = [2 / 5] * 3, [1 / 4, 2 / 3, 2 / 3], [1 / 5, 1 / 5, 2 / 4]
    for i, metres in enumerate((1, 2, 4)):
        assert occurring(scores.classes[f'RayIoU@{metres}']) == pytest.approx(
            {'noise': 0, 'car': 100 * car[i], 'pedestrian': 100 * pedestrian[i], 'vegetation': 100 * vegetation[i]}
        )
        assert scores.summary[f'RayIoU@{metres}'] == pytest.approx(100 * (car[i] + pedestrian[i] + vegetation[i]) / 4)
    assert scores.summary['RayIoU'] == pytest.approx(100 * sum(car + pedestrian + vegetation) / 12)
    assert scores.summary['geometric RayIoU'] == pytest.approx(100 * (6 / 13 + 7 / 12 + 8 / 11) / 3)
    assert scores.bands['20-35 m'] == pytest.approx(
        {'RayIoU': 100 * (0 + 0 + 1 / 2) / 3, 'geometric RayIoU': 100 * (0 + 0 + 1 / 2) / 3}
    )


def test_openocc():
    scores = ray_score('openocc')
    car, pedestrian, vegetation = [2 / 5] * 3, [1 / 4, 2 / 3, 2 / 3], [1 / 4, 1 / 4, 2 / 3]
    rayiou = 100 * sum(car + pedestrian + vegetation) / 9
    assert 'noise' not in scores.classes['RayIoU']
    assert scores.summary['RayIoU'] == pytest.approx(rayiou)
    assert occurring(scores.classes['AVE, m/s']) == pytest.approx({'car': 0.75, 'pedestrian': 0.25}, abs=1e-6)
    assert scores.summary['mAVE, m/s'] == pytest.approx(0.5)
    assert scores.summary['OccScore'] == pytest.approx(0.9 * rayiou + 10 * (1 - 0.5))
    assert scores.summary['mAVE (released script), m/s'] == pytest.approx((1.5 / 3 + 2.0 / 5) / 2)
    assert scores.summary['OccScore (released script)'] == pytest.approx(0.9 * rayiou + 10 * (1 - 0.45))


@pytest.mark.parametrize('name', ['occ3d', 'openocc'])
def test_tensors_count_like_arrays(name):
    protocol = build_protocol(name)
    if name == 'openocc':
        protocol = replace(protocol, directions=DIRECTIONS)
    for truth, prediction in (ray_frames if name == 'openocc' else voxel_frames)(protocol.grid):
        on_device = [replace(v, semantics=torch.from_numpy(v.semantics)) for v in (truth, prediction)]
        arrays, tensors = (
            protocol.count(guess, protocol.prepare(true, ORIGIN), ORIGIN)
            for true, guess in ((truth, prediction), on_device)
        )
        assert arrays.keys() == tensors.keys()
        for key in arrays:
            np.testing.assert_array_equal(arrays[key], tensors[key])


@pytest.mark.parametrize('name', SEMANTIC_PROTOCOLS)
def test_perfect_and_empty_predictions(name):
    protocol = build_protocol(name, camera_mask=False)
    frames = (ray_frames if protocol.needs_origins else voxel_frames)(protocol.grid)
    truths = [truth for truth, _ in frames]
    free = Volume(np.full(protocol.grid.shape, FREE, np.uint8))
    if protocol.needs_origins:
        protocol = replace(protocol, directions=DIRECTIONS)
    perfect = score(protocol, [(truth, truth) for truth in truths], ORIGIN)
    empty = score(protocol, [(truth, free) for truth in truths], ORIGIN)
    for key, value in perfect.summary.items():
        assert value == (0 if key.startswith('mAVE') else 100)
        assert np.isnan(empty.summary[key]) if 'AVE' in key or 'Score' in key else empty.summary[key] == 0


def test_unknown_protocol_and_wrong_bands():
    with pytest.raises(ValueError, match='choose one of baseline, occ3d'):
        build_protocol('kitti')
    for edges in ((35.0, 20.0), (0.0, 20.0), (20.0, 20.0)):
        with pytest.raises(ValueError, match='must be positive and ascend'):
            build_protocol('occ3d', edges=edges)
