"""Clips of consecutive keyframes: what an epoch holds, and how several processes share it."""

from collections import Counter

import numpy as np
import pytest

from project.datasets import OccupancyClipSampler, clips

SCENES = [[3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [0, 1, 2], list(range(40, 53))]


class Scenes:
    def __init__(self, scenes=SCENES):
        self._scenes = scenes

    def scenes(self):
        return self._scenes


def drawn(length, epoch=0, seed=0, rank=0, world_size=1, monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setattr(clips, 'get_dist_info', lambda: (rank, world_size))
    sampler = OccupancyClipSampler(Scenes(), length, seed)
    sampler.set_epoch(epoch)
    indices = list(sampler)
    assert len(indices) == len(sampler)
    return np.reshape(indices, (-1, length))


@pytest.mark.parametrize('length', [2, 3, 4, 7])
@pytest.mark.parametrize('epoch', range(3))
def test_every_keyframe_is_there_and_neighbours_follow_each_other(length, epoch):
    found = drawn(length, epoch)
    counts = Counter(found.flatten().tolist())
    assert set(counts) == {index for scene in SCENES for index in scene}
    scene_of = {index: number for number, scene in enumerate(SCENES) for index in scene}
    for clip in found:
        assert len({scene_of[index] for index in clip.tolist()}) == 1
        steps = np.diff(clip)
        # A short scene is filled up with its last keyframe.
        assert (steps == 1).all() or (clip[-1] == 2 and set(steps.tolist()) <= {0, 1} and clip[0] == 0)


def test_epochs_differ_in_order_and_in_where_clips_begin():
    first, second = drawn(4, 0), drawn(4, 1)
    np.testing.assert_array_equal(first, drawn(4, 0))
    assert {*map(tuple, first.tolist())} != {*map(tuple, second.tolist())}
    assert first.shape == second.shape, 'epochs are equally long'
    assert not np.array_equal(first, drawn(4, 0, seed=1))
    begins = {index for epoch in range(40) for index in drawn(4, epoch)[:, 0].tolist()}
    assert begins >= set(SCENES[0][:-3]), 'a clip may begin at every keyframe that leaves room for it'


def test_processes_share_the_clips_of_each_step(monkeypatch):
    alone = drawn(4, epoch=2)
    shares = [drawn(4, epoch=2, rank=rank, world_size=2, monkeypatch=monkeypatch) for rank in range(2)]
    together = np.stack(shares, axis=1).reshape(-1, 4)
    np.testing.assert_array_equal(together[: len(alone)], alone)
    np.testing.assert_array_equal(together[len(alone) :], alone[: len(together) - len(alone)])


def test_a_clip_of_one_keyframe_is_refused():
    with pytest.raises(ValueError, match='length=1'):
        OccupancyClipSampler(Scenes(), 1)


def test_a_dataset_that_does_not_know_its_scenes_is_refused():
    with pytest.raises(ValueError, match='list does not know its scenes'):
        OccupancyClipSampler([1, 2, 3], 2)
