"""The whole detector, built without a configuration."""

import numpy as np
import pytest
import torch
from small_model import GRID, images, queue, rig, sample, small_detector, small_encoder

from project.models.geometry import project


@pytest.fixture(scope='module')
def detector():
    torch.manual_seed(5)
    return small_detector().eval()


def run(detector, inputs, samples):
    with torch.no_grad():
        return detector(inputs, samples, mode='tensor')


def test_logits_have_the_labels_axes(detector):
    logits = run(detector, images(2), [sample(), sample()])
    assert logits.shape == (2, 18, *GRID.shape)


def test_loss_is_named_and_finite(detector):
    losses = detector(images(2), [sample(), sample()], mode='loss')
    assert losses.keys() == {'loss_ce', 'loss_lovasz'}
    assert all(loss.isfinite() and loss.dim() == 0 for loss in losses.values())


def test_predict_gives_labels(detector):
    inputs, samples = images(2), [sample(), sample()]
    with torch.no_grad():
        predicted = detector(inputs, samples, mode='predict')
    for data_sample, logits in zip(predicted, run(detector, inputs, samples), strict=True):
        assert data_sample.pred_occupancy.dtype == torch.uint8
        assert torch.equal(data_sample.pred_occupancy.long(), logits.argmax(0))


def test_a_batch_is_its_samples(detector):
    inputs = images(2)
    other = rig(focal=12.0)
    other[2, 2] = [0, 0, 0, -1]  # sees nothing
    samples = [sample(), sample(lidar2img=other)]
    together = run(detector, inputs, samples)
    for index in range(2):
        alone = run(detector, {'imgs': inputs['imgs'][index : index + 1]}, samples[index : index + 1])
        torch.testing.assert_close(together[index], alone[0], rtol=1e-4, atol=1e-5)


def test_cameras_may_come_in_any_order():
    encoder = small_encoder().eval()
    features = [torch.randn(1, 4, 8, 6, 10), torch.randn(1, 4, 8, 3, 5)]
    cameras, order = torch.from_numpy(rig())[None], [2, 0, 3, 1]
    with torch.no_grad():
        expected = encoder(features, cameras, (24, 40))
        encoder.camera_embed.copy_(encoder.camera_embed[order].clone())
        shuffled = encoder([level[:, order] for level in features], cameras[:, order], (24, 40))
    torch.testing.assert_close(shuffled, expected, rtol=1e-4, atol=1e-5)


def test_cameras_that_see_nothing_change_nothing(detector):
    inputs, samples = images(), [sample()]
    cameras = rig()
    cameras[1, 2] = [0, 0, 0, -1]  # everything lies behind it
    _, visible = project(detector.encoder.anchors, torch.from_numpy(cameras)[None], (24, 40))
    assert not visible[0, 1].any()
    changed = {'imgs': inputs['imgs'].clone()}
    changed['imgs'][:, 1] = 7.0
    samples = [sample(lidar2img=cameras)]
    assert torch.equal(run(detector, inputs, samples), run(detector, changed, samples))


def test_no_camera_sees_anything(detector):
    cameras = rig()
    cameras[:, 2] = [0, 0, 0, -1]  # everything lies behind them
    losses = detector(images(), [sample(lidar2img=cameras)], mode='loss')
    sum(losses.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in detector.parameters() if parameter.grad is not None)


@pytest.mark.parametrize('history', [False, True])
def test_gradient_reaches_every_parameter(history):
    detector = small_detector().train()
    inputs, samples = queue(2) if history else (images(2), [sample(), sample()])
    sum(detector(inputs, samples, mode='loss').values()).backward()
    # A bias before a batch norm is taken out by it again.
    without = {'head.conv1.bias', 'head.conv2.bias'}
    for name, parameter in detector.named_parameters():
        assert parameter.grad is not None, name
        assert name in without or parameter.grad.abs().max() > 1e-9, name


def test_bfloat16(detector):
    inputs, samples = images(2), [sample(), sample()]
    exact = run(detector, inputs, samples)
    with torch.autocast('cpu', torch.bfloat16):
        rough = run(detector, inputs, samples)
        losses = detector(inputs, samples, mode='loss')
    assert (rough.float() - exact).abs().max() < 0.1 * exact.abs().max()
    assert all(loss.dtype == torch.float32 for loss in losses.values())


def test_history_comes_with_the_motion_from_the_frame_before(detector):
    """The car drove 4 m ahead, which is x here, and then turned left; its poses are those of some place on a map."""
    inputs, samples = queue(shifts=(0.0, 0.0, 0.0))
    shift, turn = np.eye(4), np.eye(4)
    shift[0, 3] = 4.0
    turn[:2, :2] = [[0, -1], [1, 0]]
    start = np.array([[0.6, -0.8, 0, 700], [0.8, 0.6, 0, 1500], [0, 0, 1, 3], [0, 0, 0, 1.0]])
    samples[0].set_metainfo({'global_from_grid': np.stack([start, start @ shift, start @ shift @ shift @ turn])})
    seen = []
    hook = detector.encoder.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[3]))
    run(detector, inputs, samples)
    hook.remove()
    assert [history.exists.tolist() for history in seen] == [[False], [True], [True]]
    for history, expected in zip(seen[1:], (shift, shift @ turn), strict=True):
        np.testing.assert_allclose(history.previous_from_current[0].numpy(), expected, atol=1e-5)


def test_history_that_does_not_exist_is_none(detector):
    inputs, samples = queue(exists=(False, False, True))
    present = {'imgs': inputs['imgs'][:, -1]}
    torch.testing.assert_close(run(detector, inputs, samples), run(detector, present, [sample()]))


def test_history_is_taken_sample_by_sample(detector):
    inputs, samples = queue(2)
    samples[1] = queue(exists=(False, True, True))[1][0]
    together = run(detector, inputs, samples)
    for index in range(2):
        alone = run(detector, {'imgs': inputs['imgs'][index : index + 1]}, samples[index : index + 1])
        torch.testing.assert_close(together[index], alone[0], rtol=1e-4, atol=1e-5)


def test_history_counts_in_its_order_and_place(detector):
    inputs, samples = queue()
    moved = queue(shifts=(0.0, 4.0, 8.0))[1]
    reference = run(detector, inputs, samples)
    assert not torch.allclose(run(detector, inputs, moved), reference)
    swapped = {'imgs': inputs['imgs'][:, [1, 0, 2]]}
    assert not torch.allclose(run(detector, swapped, samples), reference)


def test_history_out_of_reach_is_none(detector):
    inputs, samples = queue(shifts=(0.0, 1000.0, 2000.0))
    present = {'imgs': inputs['imgs'][:, -1]}
    torch.testing.assert_close(run(detector, inputs, samples), run(detector, present, [sample()]))


def test_only_the_motion_between_frames_counts(detector):
    inputs, samples = queue(shifts=(1.0, 2.0, 4.0))
    elsewhere = queue(shifts=(2000001.0, 2000002.0, 2000004.0))[1]  # as far from the origin as maps go
    torch.testing.assert_close(run(detector, inputs, elsewhere), run(detector, inputs, samples), rtol=1e-4, atol=1e-5)


def test_history_is_seen_in_evaluation_mode_and_without_gradient():
    detector = small_detector().train()
    detector.img_neck.eval()  # as a frozen part would be
    seen = []
    detector.encoder.register_forward_hook(lambda module, _, out: seen.append((module.training, out.requires_grad)))
    detector(*queue(), mode='loss')
    assert seen == [(False, False), (False, False), (True, True)]
    assert detector.head.training and not detector.img_neck.training


def test_modes_are_as_before_after_an_error():
    detector = small_detector().train()
    detector.img_neck.eval()
    inputs, samples = queue()
    with pytest.raises(ValueError, match='cameras'):
        detector({'imgs': inputs['imgs'][:, :, :3]}, samples, mode='loss')
    assert detector.training and detector.encoder.training and not detector.img_neck.training


def test_labels_of_another_grid_are_refused(detector):
    data_sample = sample()
    data_sample.gt_occupancy = data_sample.gt_occupancy[:, :4]
    with pytest.raises(ValueError, match=r'labels have \(7, 4, 3\) voxels, the model \(7, 5, 3\)'):
        detector(images(), [data_sample], mode='loss')


def test_a_missing_camera_is_like_one_that_sees_nothing(detector):
    blind, inputs = rig(), images()
    blind[3, 2] = [0, 0, 0, -1]
    with_blind = run(detector, inputs, [sample(lidar2img=blind)])
    without = run(detector, {'imgs': inputs['imgs'][:, :3]}, [sample(lidar2img=rig()[:3])])
    torch.testing.assert_close(without, with_blind, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match='images are of 3 cameras, and the projections of 4'):
        run(detector, {'imgs': inputs['imgs'][:, :3]}, [sample()])


def test_more_cameras_than_the_encoder_has_are_refused(detector):
    with pytest.raises(ValueError, match=r'of 5 cameras.* built for 4: set model\.encoder\.num_cameras=5'):
        detector(images(cameras=5), [sample(lidar2img=np.concatenate([rig(), rig()[:1]]))], mode='tensor')


def test_missing_metainfo_is_named(detector):
    data_sample = sample()
    del data_sample.lidar2img
    with pytest.raises(KeyError, match='lidar2img'):
        detector(images(), [data_sample], mode='tensor')


def test_the_baseline_has_no_history():
    encoder = small_encoder(baseline_compatible=True)
    with pytest.raises(ValueError, match='queue_length'):
        encoder._past(object())
