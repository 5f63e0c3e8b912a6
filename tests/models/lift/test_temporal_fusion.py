"""Earlier frames: moved exactly, kept exactly, and of no effect beyond the start of a scene."""

import numpy as np
import pytest
import torch
from small_lift import BINS, NETS, parameters_without_gradients
from small_model import GRID, IMAGE, Pyramid, rig

from project.datasets.data_sample import OccupancyDataSample
from project.models import (
    OccupancyCrossEntropy,
    OccupancyDepthNet,
    OccupancyHistory,
    OccupancyImageLoss,
    OccupancyLift,
    OccupancyPull,
    OccupancyTopDownNeck,
    OccupancyVoxelHead,
)
from project.models.lift.temporal_fusion import FrameMemory

FRAMES = 2


def lift_with_history():
    torch.manual_seed(0)
    history = OccupancyHistory(GRID, 12, channels=4, frames=FRAMES)
    depth_net = OccupancyDepthNet(8, 8, 6, BINS, GRID.extent, blocks=1, height_step=1.0)
    volume = NETS['volume'](history.out_channels)
    head = OccupancyVoxelHead(GRID, volume.out_channels, 8, losses={'ce': OccupancyCrossEntropy()})
    parts = Pyramid(), OccupancyTopDownNeck([8, 8], 8), depth_net, OccupancyPull(2), volume, head, GRID
    return OccupancyLift(*parts, OccupancyImageLoss(BINS), history)


def scene(length=5):
    """Images (L, N, 3, H, W) of a drive, and poses that turn."""
    torch.manual_seed(1)
    angles = 0.1 * np.arange(length)
    poses = np.tile(np.eye(4), (length, 1, 1))
    poses[:, 0, 0], poses[:, 1, 1] = np.cos(angles), np.cos(angles)
    poses[:, 0, 1], poses[:, 1, 0] = -np.sin(angles), np.sin(angles)
    poses[:, 0, 3] = 1e5 + 1.5 * np.arange(length)
    return torch.randn(length, 4, 3, *IMAGE), poses


def queue(images, poses, frame):
    """Input and sample of a frame with those before it."""
    places = np.arange(frame - FRAMES, frame + 1)
    exists = places >= 0
    places = places.clip(0)
    sample = OccupancyDataSample(metainfo={
        'lidar2img': np.stack([rig(4)] * (FRAMES + 1)),
        'global_from_grid': poses[places],
        'frame_exists': exists,
        'frame_tokens': [f'frame {place}' for place in places],
    })  # fmt: skip
    sample.gt_occupancy = torch.randint(0, 18, GRID.shape, dtype=torch.uint8)
    return images[places], sample


def logits(model, queues):
    return model({'imgs': torch.stack([each for each, _ in queues])}, [sample for _, sample in queues], mode='tensor')


@torch.no_grad()
def test_predictions_are_the_same_streamed_in_batches_and_in_any_order():
    images, poses = scene()
    queues = [queue(images, poses, frame) for frame in range(5)]
    model = lift_with_history().eval()
    streamed = [logits(model, [each])[0] for each in queues]
    seen = []
    compute = model._frame_volume
    model._frame_volume = lambda images, matrices: seen.append(len(images)) or compute(images, matrices)
    for order in ([[4, 1], [0, 3, 2]], [[2], [4], [0]]):
        model.forget()
        for batch in order:
            for frame, found in zip(batch, logits(model, [queues[frame] for frame in batch]), strict=True):
                torch.testing.assert_close(found, streamed[frame], rtol=1e-4, atol=1e-5)
    seen.clear()
    model.forget()
    for each in queues:
        logits(model, [each])
    assert sum(seen) == 5  # every frame was looked at once


@torch.no_grad()
def test_frames_before_the_start_of_a_scene_count_for_nothing():
    images, poses = scene()
    model = lift_with_history().eval()
    first, sample = queue(images, poses, 0)
    expected = logits(model, [(first, sample)])
    other = first.clone()
    other[:FRAMES] = torch.randn_like(other[:FRAMES])
    sample.set_metainfo({'frame_tokens': ['a', 'b', 'frame 0']})
    torch.testing.assert_close(logits(model, [(other, sample)]), expected)
    sample.set_metainfo({'frame_exists': np.array([True] * 3), 'frame_tokens': ['c', 'd', 'frame 0']})
    assert not torch.allclose(logits(model, [(other, sample)]), expected)


def test_training_with_a_past_trains_everything_and_keeps_nothing():
    images, poses = scene()
    model = lift_with_history().train()
    batch, sample = queue(images, poses, 3)
    losses = []
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(3):
        loss = sum(model({'imgs': batch[None]}, [sample], mode='loss').values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    # Without losses in the images, what is asked of them is not trained by anything else than depth and context.
    assert parameters_without_gradients(model) == []
    assert losses[2] < losses[0]
    assert model.training and not model._memory._volumes


def test_another_number_of_frames_is_refused():
    images, poses = scene()
    batch, sample = queue(images, poses, 3)
    sample.set_metainfo({'lidar2img': np.stack([rig(4)] * 2)})
    with pytest.raises(ValueError, match=r'history\.frames=2'):
        lift_with_history()({'imgs': batch[None, 1:]}, [sample], mode='tensor')


def test_the_frames_asked_for_longest_ago_go_first():
    memory, asked = FrameMemory(2), []

    def compute(rows):
        asked.append(rows)
        return torch.tensor(rows, dtype=torch.float32)

    memory.get(['a', 'b'], compute)
    memory.get(['a', 'c'], compute)  # b goes
    memory.get(['a'], compute)
    memory.get(['b'], compute)
    assert asked == [[0, 1], [1], [0]]


def clip_sample(sample, images, frame):
    """The same keyframe with its own images only."""
    own = OccupancyDataSample(metainfo={
        **{name: sample.metainfo[name] for name in ('frame_exists', 'frame_tokens')},
        'lidar2img': sample.metainfo['lidar2img'][-1],
        'global_from_grid': sample.metainfo['global_from_grid'][-1:],
    })  # fmt: skip
    own.gt_occupancy = sample.gt_occupancy
    return images[frame], own


def losses_of(model, queues):
    inputs = {'imgs': torch.stack([each for each, _ in queues])}
    return model(inputs, [sample for _, sample in queues], mode='loss')


def test_a_batch_of_consecutive_frames_is_its_own_history():
    """In evaluation mode, where norms do not look at the batch, losses are those of whole queues, in any order."""
    images, poses = scene()
    queues = [queue(images, poses, frame) for frame in range(5)]
    clip = [clip_sample(sample, images, frame) for frame, (_, sample) in enumerate(queues)]
    model = lift_with_history().eval()
    found = losses_of(model, [clip[frame] for frame in (3, 0, 4, 1, 2)])
    torch.testing.assert_close(found, losses_of(model, queues), rtol=1e-4, atol=1e-5)


def test_the_frames_before_learn_from_the_losses_of_a_frame():
    images, poses = scene()
    images.requires_grad_()
    clip = [clip_sample(queue(images, poses, frame)[1], images, frame) for frame in range(5)]
    for _, sample in clip[:-1]:
        sample.gt_occupancy = torch.full_like(sample.gt_occupancy, 255)
    model = lift_with_history().eval()
    sum(losses_of(model, clip).values()).backward()
    sizes = images.grad.abs().amax((1, 2, 3, 4))
    assert (sizes[:2] == 0).all() and (sizes[2:] > 0).all(), 'the last frame and the two that it remembers'


def test_frames_that_are_not_in_the_batch_do_not_exist():
    images, poses = scene()
    queues = [queue(images, poses, frame) for frame in range(5)]
    model = lift_with_history().eval()
    clip = [clip_sample(sample, images, frame) for frame, (_, sample) in enumerate(queues)]
    rows, motions, exists = model.find_earlier([clip[frame][1] for frame in (1, 4, 2)], torch.device('cpu'))
    assert exists.tolist() == [[False, False], [True, False], [False, True]]  # frames -1 and 0, 2 and 3, 0 and 1
    assert rows[exists].tolist() == [2, 0]
    expected = np.linalg.solve(poses[2], poses[4])
    torch.testing.assert_close(motions[1, 0], torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-4)
    losses = losses_of(model, [clip[0], clip[4]])
    alone = losses_of(model, [clip[0]]), losses_of(model, [clip[4]])
    torch.testing.assert_close(2 * losses['loss_ce'], sum(each['loss_ce'] for each in alone), rtol=1e-3, atol=0)


def test_each_sample_of_a_batch_may_move_its_grid():
    """What a moved grid of another sample shows is brought back: the motion is between the moved frames."""
    images, poses = scene()
    turned = np.diag([-1.0, 1.0, 1.0, 1.0])
    _, first = clip_sample(queue(images, poses, 0)[1], images, 0)
    _, second = clip_sample(queue(images, poses, 1)[1], images, 1)
    first.set_metainfo({'global_from_grid': first.metainfo['global_from_grid'] @ turned})
    _, motions, exists = lift_with_history().find_earlier([first, second], torch.device('cpu'))
    assert exists[1].tolist() == [False, True]
    expected = turned @ np.linalg.solve(poses[0], poses[1])
    torch.testing.assert_close(motions[1, 1], torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-4)


def test_predictions_need_earlier_images():
    images, poses = scene()
    batch, sample = clip_sample(queue(images, poses, 3)[1], images, 3)
    with pytest.raises(ValueError, match='earlier_images'):
        lift_with_history()({'imgs': batch[None]}, [sample], mode='tensor')
