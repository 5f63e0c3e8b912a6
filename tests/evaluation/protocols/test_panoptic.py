"""Panoptic quality: a case worked out by hand, a plain implementation, and what must hold for any input."""

import math

import numpy as np
import pytest

from project.evaluation import evaluate
from project.evaluation.protocols import Volume, build_protocol, total
from project.evaluation.protocols.segments import LEAST, match_segments, panoptic_quality, segment_keys
from project.formats import OccupancyLabels, occ3d
from project.taxonomy import FREE, UNOBSERVED

CAR, CONE, ROAD, PEDESTRIAN = 4, 8, 11, 7


def volume(*parts, camera=None, grid=None) -> Volume:
    """Voxels along a row of the grid: parts of (label, object, number)."""
    semantics, instances = np.full(grid.shape, FREE, np.uint8), np.zeros(grid.shape, np.uint32)
    at = 0
    for label, instance, number in parts:
        semantics.reshape(-1)[at : at + number], instances.reshape(-1)[at : at + number] = label, instance
        at += number
    mask = np.ones(grid.shape, bool) if camera is None else np.arange(semantics.size).reshape(grid.shape) < camera
    return Volume(semantics, mask_camera=mask, instances=instances)


def score(protocol, prediction, truth, **options):
    rules = build_protocol(protocol)
    return rules.score(rules.count(prediction, rules.prepare(truth, **options), **options), 1)


def test_worked_out_by_hand():
    rules = build_protocol('pq')
    # Two cars of 40 and 20 voxels, 100 of road. The prediction shifts the first by 10 voxels, takes the second for a
    # part of the road, and invents a pedestrian of 12 voxels and a car of 3.
    truth = volume((CAR, 5, 40), (CAR, 9, 20), (ROAD, 0, 100), grid=rules.grid)
    parts = (FREE, 0, 10), (CAR, 1, 30), (ROAD, 0, 120), (PEDESTRIAN, 1, 12), (CAR, 2, 3)
    result = score('pq', volume(*parts, grid=rules.grid), truth)
    # First car: 30 common of 40. Second: missed. The car of 3 voxels is too small to count as invented.
    assert result.classes['SQ']['car'] == pytest.approx(75)
    assert result.classes['RQ']['car'] == pytest.approx(100 * 1 / 1.5)
    assert result.classes['PQ']['car'] == pytest.approx(50)
    # Road: 100 common of 120.
    assert result.classes['PQ']['driveable_surface'] == pytest.approx(100 * 100 / 120, abs=1e-3)
    assert result.classes['PQ']['pedestrian'] == 0
    assert math.isnan(result.classes['PQ']['truck'])
    assert result.summary['PQ'] == pytest.approx((50 + 100 / 1.2 + 0) / 3, abs=1e-3)


def test_truth_against_itself_is_perfect_and_names_of_objects_do_not_matter(rng):
    rules = build_protocol('pq')
    parts = [(int(rng.choice([CAR, CONE, ROAD, PEDESTRIAN])), i + 1, int(rng.integers(1, 60))) for i in range(40)]
    truth = volume(*parts, grid=rules.grid)
    names = rng.permutation(100).astype(np.uint32)
    renamed = Volume(truth.semantics, mask_camera=truth.mask_camera, instances=names[truth.instances])
    result = score('pq', renamed, truth)
    for name in ('car', 'pedestrian', 'traffic_cone', 'driveable_surface'):
        assert result.classes['PQ'][name] == pytest.approx(100)


def plain_quality(true, predicted, near):
    """(matched, IoU, missed, invented) by label, segment by segment."""
    counts = {name: np.zeros(18) for name in ('matched', 'iou', 'missed', 'invented')}
    taken = set()
    for key in np.unique(true):
        mine, best = true == key, None
        for other in np.unique(predicted):
            common = (mine & (predicted == other) & near).sum()
            share = common / (mine.sum() + (predicted == other).sum() - common)
            if share > 0.5 and key >> 32 == other >> 32:
                best = other, share
        if best:
            taken.add(best[0])
            counts['matched'][key >> 32] += 1
            counts['iou'][key >> 32] += best[1]
        elif mine.sum() >= LEAST:
            counts['missed'][key >> 32] += 1
    for other in np.unique(predicted):
        if other not in taken and (predicted == other).sum() >= LEAST:
            counts['invented'][other >> 32] += 1
    return counts


@pytest.mark.parametrize('seed', range(5))
def test_against_a_plain_implementation(seed):
    rng = np.random.default_rng(seed)
    classes = rng.choice([CAR, ROAD, PEDESTRIAN], 12)
    element = np.sort(rng.integers(0, 12, 600))
    true = segment_keys(classes[element], element)
    wrong = rng.random(600) < 0.2
    other = np.where(wrong, rng.integers(0, 12, 600), element)
    predicted = segment_keys(classes[other], 100 - other)
    near = rng.random(600) < 0.9
    found, plain = match_segments(true, predicted, near), plain_quality(true, predicted, near)
    for name in ('matched', 'missed', 'invented'):
        np.testing.assert_array_equal(found[name], plain[name])
    np.testing.assert_allclose(found['iou'] / 1e6, plain['iou'], atol=1e-4)
    assert found['matched'].sum() and found['missed'].sum() + found['invented'].sum()


def test_keyframes_add_up(rng):
    rules = build_protocol('pq')
    first = volume((CAR, 1, 30), grid=rules.grid), volume((CAR, 2, 30), grid=rules.grid)
    second = volume((CAR, 1, 30), grid=rules.grid), volume((CAR, 2, 20), (FREE, 0, 1), grid=rules.grid)
    counts = [rules.count(prediction, rules.prepare(truth)) for prediction, truth in (first, second)]
    assert panoptic_quality(total(counts))['PQ'][CAR] == pytest.approx((100 + 100 * 20 / 30) / 2, abs=1e-3)


def test_only_what_cameras_see_counts_and_unobserved_voxels_do_not():
    rules = build_protocol('pq')
    truth = volume((CAR, 1, 30), (UNOBSERVED, 0, 50), (ROAD, 0, 20), camera=80, grid=rules.grid)
    result = score('pq', volume((CAR, 1, 80), grid=rules.grid), truth)
    assert result.classes['PQ']['car'] == pytest.approx(100)
    assert math.isnan(result.classes['PQ']['driveable_surface'])


def test_rays_see_objects_apart():
    rules = build_protocol('raypq')
    grid, origin = rules.grid, np.array([[0.2, 0.2, 1.0]])
    semantics, instances = np.full(grid.shape, FREE, np.uint8), np.zeros(grid.shape, np.uint32)
    for i, y in enumerate((-8, 6)):
        low, _ = grid.voxel_indices(np.array([[10.2, y, 0.0], [14.2, y + 2.0, 2.0]]))
        box = tuple(slice(a, b) for a, b in zip(*low, strict=True))
        semantics[box], instances[box] = CAR, i + 1
    truth = Volume(semantics, instances=instances)
    assert score('raypq', truth, truth, origins=origin).classes['RayPQ']['car'] == pytest.approx(100)
    # One object for both cars overlaps the larger one by more than half, or neither of them.
    merged = score('raypq', Volume(semantics, instances=np.minimum(instances, 1)), truth, origins=origin)
    assert merged.classes['RayPQ']['car'] < 70
    # Moved away by 1.6 m: wrong at 1 m, right at 2 m and 4 m, where the rays still hit.
    moved = Volume(np.roll(semantics, 4, axis=0), instances=np.roll(instances, 4, axis=0))
    far = score('raypq', moved, truth, origins=origin).classes
    assert far['RayPQ@1']['car'] == 0 and far['RayPQ@4']['car'] >= far['RayPQ@2']['car'] > 50


@pytest.mark.parametrize('protocol', ['pq', 'raypq'])
def test_labels_and_predictions_without_objects_are_refused(protocol):
    rules = build_protocol(protocol)
    whole = volume((CAR, 1, 30), grid=rules.grid)
    without = Volume(whole.semantics, mask_camera=whole.mask_camera)
    origins = np.array([[0.2, 0.2, 1.0]])
    with pytest.raises(ValueError, match='--instances'):
        rules.prepare(without, origins)
    with pytest.raises(ValueError, match='which object each voxel belongs to'):
        rules.count(without, rules.prepare(whole, origins), origins)


def test_folders_of_labels_and_of_submissions(tmp_path, rng):
    (tmp_path / 'predictions').mkdir()
    for i in range(2):
        positions = np.sort(rng.choice(occ3d.GRID.size, 3000, replace=False))
        classes = rng.choice([CAR, ROAD], 3000).astype(np.uint8)
        objects = np.where(classes == CAR, rng.integers(1, 5, 3000), 0).astype(np.uint32)
        mask = np.ones(occ3d.GRID.shape, bool)
        labels = OccupancyLabels(occ3d.GRID, occ3d.GRID.unravel(positions), classes, mask, mask, instances=objects)
        file = tmp_path / f'labels/gts/scene/token{i}/labels.npz'
        occ3d.write(file, labels)
        dense = Volume.of(occ3d.read(file))
        # Objects 1 to 3 become one.
        merged = np.where((dense.instances > 0) & (dense.instances < 4), 1, dense.instances)
        np.savez(tmp_path / f'predictions/token{i}.npz', arr_0=dense.semantics, instances=merged)
    perfect = evaluate(tmp_path / 'labels', tmp_path / 'labels', 'pq')
    assert perfect.summary['PQ'] == pytest.approx(100)
    scores = evaluate(tmp_path / 'predictions', tmp_path / 'labels', 'pq')
    assert scores.classes['PQ']['driveable_surface'] == pytest.approx(100)
    # Of four objects one matches, three are missed, and one is invented.
    assert scores.classes['RQ']['car'] == pytest.approx(100 / (1 + 3 / 2 + 1 / 2))
