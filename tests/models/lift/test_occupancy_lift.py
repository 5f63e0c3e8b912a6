"""OccupancyLift as a whole: two steps of training, batches, precision, what it refuses."""

import numpy as np
import pytest
import torch
from small_lift import NETS, batch, parameters_without_gradients, small_lift
from small_model import GRID, rig


@pytest.mark.parametrize(('net', 'amp'), [*((net, False) for net in NETS), ('above', True)])
def test_two_steps_of_training_lower_the_loss(net, amp):
    model = small_lift(net).train()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    inputs, samples = batch()
    totals = []
    for _ in range(3):
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            losses = model(inputs, samples, mode='loss')
        assert set(losses) == {'loss_ce', 'loss_lovasz', 'loss_depth', 'loss_image_semantics'}
        total = sum(losses.values())
        assert total.isfinite()
        optimiser.zero_grad()
        total.backward()
        assert parameters_without_gradients(model) == []
        optimiser.step()
        totals.append(total.item())
    assert totals[2] < totals[0]


@pytest.mark.parametrize('net', NETS)
def test_a_batch_gives_what_its_samples_give_alone(net):
    model = small_lift(net).eval()
    inputs, samples = batch(3)
    together = model(inputs, samples, mode='tensor')
    assert together.shape == (3, 18, *GRID.shape)
    for index, sample in enumerate(samples):
        alone = model({'imgs': inputs['imgs'][index : index + 1]}, [sample], mode='tensor')
        torch.testing.assert_close(alone[0], together[index], rtol=1e-4, atol=1e-5)


def test_predictions_are_the_labels_of_the_highest_logits():
    model = small_lift().eval()
    inputs, samples = batch(2, targets=False)
    logits = model(inputs, samples, mode='tensor')
    for sample, expected in zip(model(inputs, samples, mode='predict'), logits.argmax(1), strict=True):
        assert sample.pred_occupancy.dtype == torch.uint8
        assert torch.equal(sample.pred_occupancy.long(), expected)


def test_without_targets_in_the_images_there_are_no_losses_there():
    inputs, samples = batch(targets=False)
    model = small_lift()
    losses = model(inputs, samples, mode='loss')
    assert set(losses) == {'loss_ce', 'loss_lovasz'}
    sum(losses.values()).backward()
    assert parameters_without_gradients(model) == []  # distributed training waits for all of them


def test_a_mirrored_world_is_seen_mirrored():
    """What is pulled into a grid that is mirrored along x is what was pulled before, in the mirrored order."""
    model = small_lift().eval()
    inputs, _ = batch(1, targets=False)
    matrices = torch.from_numpy(rig(4)).float()[None]
    mirrored = matrices @ torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))
    with torch.no_grad():
        straight, turned = (
            model.fill_volume(model.lift_images(inputs['imgs'], m), inputs['imgs'], m) for m in (matrices, mirrored)
        )
    torch.testing.assert_close(turned.flip(2), straight, rtol=1e-4, atol=1e-5)


def test_labels_of_another_grid_are_refused():
    inputs, samples = batch(1)
    samples[0].gt_occupancy = torch.zeros(3, 3, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match='the same grid'):
        small_lift()(inputs, samples, mode='loss')


def test_samples_without_projections_are_refused():
    inputs, samples = batch(1)
    del samples[0].lidar2img
    with pytest.raises(KeyError, match="no metainfo 'lidar2img'"):
        small_lift()(inputs, samples, mode='tensor')


def test_images_without_features_still_know_the_calibration():
    """Other cameras, other predictions: the geometry takes part."""
    model = small_lift().eval()
    inputs, samples = batch(1, targets=False)
    first = model(inputs, samples, mode='tensor')
    samples[0].set_metainfo({'lidar2img': np.roll(rig(4), 1, axis=0)})
    assert not torch.allclose(first, model(inputs, samples, mode='tensor'))
