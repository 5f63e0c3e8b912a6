"""The protocols during validation: streamed, in one process and in several, equal to scoring frame by frame."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmdet3d.registry import METRICS
from pencil import DIRECTIONS, ORIGIN, ray_frames, voxel_frames

from project.evaluation.protocols import build_protocol, total
from project.evaluation.protocols.protocol_metric import ProtocolMetric
from project.formats import Keyframe, infos
from project.grid import VoxelGrid

TOKENS = ['bb0', 'bb1', 'bb2']


def write_infos(path) -> None:
    """One scene whose lidar stands still at the pencil case's origin."""
    ego_from_lidar = np.eye(4)
    ego_from_lidar[:3, 3] = ORIGIN[0]
    empty = infos.BoxRecords((), (), np.zeros((0, 4, 4)), np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int))
    records = [
        infos.KeyframeRecord(Keyframe('s', 'aa', token, f'cc{i}', f'{i}.bin'), i, ego_from_lidar, np.eye(4), {}, empty)
        for i, token in enumerate(TOKENS)
    ]
    infos.write(path, infos.scene_infos(records), infos.metainfo('v1.0-mini'))


def samples(frames, grid: VoxelGrid) -> list[dict]:
    return [
        {
            'sample_token': token,
            'grid': grid,
            'gt_occupancy': torch.from_numpy(truth.semantics),
            'pred_occupancy': torch.from_numpy(prediction.semantics),
            'mask_camera': None if truth.mask_camera is None else torch.from_numpy(truth.mask_camera),
            **{
                name: torch.from_numpy(volume.flow)
                for name, volume in (('gt_flow', truth), ('pred_flow', prediction))
                if volume.flow is not None
            },
        }
        for token, (truth, prediction) in zip(TOKENS, frames, strict=True)
    ]


def expected_miou() -> float:
    protocol = build_protocol('occ3d')
    frames = voxel_frames(protocol.grid)
    return protocol.score(total(protocol.count(guess, truth) for truth, guess in frames), 3).summary['mIoU']


def test_is_registered():
    assert METRICS.get('ProtocolMetric') is ProtocolMetric


@pytest.mark.parametrize('keep_truth', [True, False])
def test_two_validations_of_two_protocols(keep_truth, tmp_path):
    write_infos(tmp_path / 'val.pkl')
    metric = ProtocolMetric(
        ['occ3d', 'rayiou'], tmp_path / 'val.pkl', json_path=tmp_path / 'scores.json', keep_truth=keep_truth
    )
    metric.protocols['rayiou'] = replace(metric.protocols['rayiou'], directions=DIRECTIONS)
    grid = metric.protocols['occ3d'].grid
    batch = samples(ray_frames(grid), grid)
    for sample in batch:
        sample['mask_camera'] = torch.ones(grid.shape, dtype=torch.bool)
    for validation in range(2):
        metric.process({}, batch[:2])
        metric.process({}, batch[2:])
        figures = metric.evaluate(3)
        if validation == 0 or keep_truth:
            assert figures['rayiou/RayIoU'] == pytest.approx(100 * (1.2 + 19 / 12 + 0.9) / 12)
        else:
            assert 'rayiou/RayIoU' not in figures
        if validation == 0:
            # Kept rays are not cast again: a ground truth that has gone bad does not matter any more.
            batch = [{**sample, 'gt_occupancy': sample['gt_occupancy'].clone()} for sample in batch]
            metric.protocols.pop('occ3d')
            for sample in batch:
                sample['gt_occupancy'].fill_(17)
    assert set(json.loads((tmp_path / 'scores.json').read_text())) == {'rayiou'}


def test_a_process_that_is_alone_keeps_one_sum():
    metric = ProtocolMetric(['occ3d'])
    grid = metric.protocols['occ3d'].grid
    batch = samples(voxel_frames(grid), grid)
    metric.process({}, batch)
    metric.process({}, batch[:1])  # A keyframe that comes twice counts once.
    assert len(metric.counts) == 1
    assert metric.evaluate(3)['occ3d/mIoU'] == pytest.approx(expected_miou())
    assert not metric.counts


def test_predicted_velocities_are_scored(tmp_path):
    write_infos(tmp_path / 'val.pkl')
    metric = ProtocolMetric(['openocc'], tmp_path / 'val.pkl')
    metric.protocols['openocc'] = replace(metric.protocols['openocc'], directions=DIRECTIONS)
    grid = metric.protocols['openocc'].grid
    batch = samples(ray_frames(grid), grid)
    exact = [{**each, 'pred_occupancy': each['gt_occupancy'], 'pred_flow': each['gt_flow']} for each in batch]
    still = [{name: value for name, value in each.items() if name != 'pred_flow'} for each in exact]
    # As worked out in docs/evaluation.md; the truth; its labels without flow: cars 2, 0, 0, 0 m/s, pedestrians 1, 1.
    for given, expected in ((batch, 0.5), (exact, 0.0), (still, (2 / 4 + 1) / 2)):
        metric.process({}, given)
        assert metric.evaluate(3)['openocc/mAVE, m/s'] == pytest.approx(expected)


def test_predicted_objects_are_scored():
    metric = ProtocolMetric(['pq'], camera_mask=False)
    grid = metric.protocols['pq'].grid
    labels = torch.full(grid.shape, 17, dtype=torch.uint8)
    labels[:4, :5, 3] = 4
    objects = torch.zeros(grid.shape, dtype=torch.int32)
    objects[:2, :5, 3], objects[2:4, :5, 3] = 5, 9
    one = dict(sample_token='bb0', grid=grid, gt_occupancy=labels, pred_occupancy=labels, gt_objects=objects)
    for predicted, expected in ((10 - objects, 100.0), (torch.ones_like(objects), 0.0)):
        metric.process({}, [{**one, 'pred_objects': predicted}])
        assert metric.evaluate(1)['pq/PQ'] == pytest.approx(expected)
    with pytest.raises(ValueError, match='does not say which object each voxel belongs to'):
        metric.process({}, [one])


def test_another_grid_than_the_benchmarks_is_said(tmp_path):
    grid = VoxelGrid.from_range('lidar', (-51.2, -51.2, -5, 51.2, 51.2, 3), (2.048, 2.048, 1))
    metric = ProtocolMetric(['baseline'], json_path=tmp_path / 'scores.json')
    metric.process({}, samples(voxel_frames(grid), grid))
    assert metric.evaluate(3)['baseline/mIoU'] == pytest.approx(100 * (2 / 4 + 1 / 2 + 2 / 3) / 3)
    assert "not the benchmark's" in json.loads((tmp_path / 'scores.json').read_text())['baseline']['title']


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match='infos='):
        ProtocolMetric(['rayiou'])
    metric = ProtocolMetric(['occ3d'])
    grid = metric.protocols['occ3d'].grid
    (first, *_) = samples(voxel_frames(grid), grid)
    with pytest.raises(ValueError, match='keyframe bb0: the labels have no camera mask'):
        metric.process({}, [{**first, 'mask_camera': None}])
    with pytest.raises(ValueError, match='keyframe bb0: it has no labels'):
        metric.process({}, [{**first, 'gt_occupancy': None}])
    metric.process({}, [first])
    with pytest.raises(ValueError, match='1 of 3 keyframes'):
        metric.evaluate(3)


class Processes:
    """Two threads that exchange objects as the processes of a distributed run do."""

    def __init__(self, monkeypatch):
        self.barrier, self.given, self.local = threading.Barrier(2, timeout=60), {}, threading.local()
        for name in ('all_gather_object', 'get_rank', 'get_world_size'):
            monkeypatch.setattr(f'project.evaluation.protocols.protocol_metric.{name}', getattr(self, name))

    def get_rank(self) -> int:
        return self.local.rank

    def get_world_size(self) -> int:
        return 2

    def all_gather_object(self, value) -> list:
        self.given[self.local.rank] = value
        self.barrier.wait()
        everything = [self.given[0], self.given[1]]
        self.barrier.wait()
        return everything

    def run(self, work) -> list:
        def start(rank: int):
            self.local.rank = rank
            return work(rank)

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(start, range(2)))


def test_two_processes_count_every_keyframe_once(monkeypatch):
    grid = build_protocol('occ3d').grid
    batch = samples(voxel_frames(grid), grid)
    # Samplers hand out a keyframe twice so that both processes have equally many.
    shares = [[batch[0], batch[2]], [batch[1], batch[0]]]

    def work(rank: int) -> float:
        metric = ProtocolMetric(['occ3d'])
        metric.process({}, shares[rank])
        return metric.evaluate(3)['occ3d/mIoU']

    assert Processes(monkeypatch).run(work) == pytest.approx([expected_miou()] * 2)


def test_a_process_without_keyframes(monkeypatch):
    grid = build_protocol('occ3d').grid
    batch = samples(voxel_frames(grid), grid)

    def work(rank: int) -> float:
        metric = ProtocolMetric(['occ3d'])
        metric.process({}, batch if rank else [])
        return metric.evaluate(3)['occ3d/mIoU']

    assert Processes(monkeypatch).run(work) == pytest.approx([expected_miou()] * 2)
