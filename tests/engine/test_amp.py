"""Mixed precision: what an optimiser's step does, and what is logged of it."""

import copy

import pytest

pytest.importorskip('mmdet3d')

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from project.engine.amp import OccupancyBfloat16OptimWrapper

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')


@pytest.mark.parametrize('is_read', [True, False])
@pytest.mark.parametrize('clip', [{'max_norm': 0.1}, {'max_norm': 1e6}, {'type': 'value', 'clip_value': 0.01}, None])
def test_steps_and_norms_are_those_of_mmengine(clip, is_read):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2))
    model[2].requires_grad_(False)
    twin = copy.deepcopy(model)
    ours, theirs = (
        kind(torch.optim.SGD(each.parameters(), lr=0.1), clip_grad=copy.deepcopy(clip))
        for kind, each in ((OccupancyBfloat16OptimWrapper, model), (OptimWrapper, twin))
    )
    ours.is_read = is_read
    norms = []
    for step in range(3):
        losses = [each(torch.full((5, 3), 1.0 + step)).square().mean() for each in (model, twin)]
        theirs.update_params(losses[1])
        expected = theirs.message_hub.get_scalar('train/grad_norm').current() if clip and 'max_norm' in clip else None
        theirs.message_hub.update_scalar('train/grad_norm', -1.0)
        ours.update_params(losses[0])
        read = ours.read({'loss': losses[0]})
        assert read['loss'] == losses[1] and not read['loss'].requires_grad
        logged = ours.message_hub.get_scalar('train/grad_norm').current()
        assert read.get('grad_norm') == (expected if is_read else None)
        assert logged == (expected if not is_read and expected is not None else -1.0)
        norms.append(expected)
    assert norms == [None] * 3 or len(set(norms)) == 3
    for our, their in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(our, their)


def test_a_norm_is_read_once_even_where_gradients_are_accumulated():
    layer = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    wrapper = OccupancyBfloat16OptimWrapper(optimizer, accumulative_counts=2, clip_grad={'max_norm': 1.0})
    wrapper.is_read = True
    read = []
    for _ in range(4):
        loss = layer(torch.ones(1, 3)).square().sum()
        wrapper.update_params(loss)
        read.append(list(wrapper.read({'loss': loss})))
    assert read == [['loss'], ['grad_norm', 'loss']] * 2


@needs_gpu
def test_reading_figures_does_not_wait_for_the_update_of_the_weights():
    class Slow(torch.optim.SGD):
        cycles = 0

        def step(self, closure=None):
            torch.cuda._sleep(self.cycles)

    layer, ones = nn.Linear(3, 1).cuda(), torch.ones(1, 3, device='cuda')
    optimizer = Slow(layer.parameters(), lr=0.1)
    wrapper = OccupancyBfloat16OptimWrapper(optimizer, clip_grad={'max_norm': 1e6})
    wrapper.is_read = True
    for cycles in (1, 2 * 10**9):  # the second, about a second, after kernels were loaded and memory was reserved
        optimizer.cycles = cycles
        loss = layer(ones).square().sum()
        torch.cuda.synchronize()
        wrapper.update_params(loss)
        updated = torch.cuda.current_stream().record_event()
        figures = wrapper.read({'loss': loss})
    assert not updated.query() and not any(figure.is_cuda for figure in figures.values())
    output = float(layer(ones).detach())
    assert float(figures['loss']) == pytest.approx(output**2)
    # The gradient is twice the output for each of three weights and the bias.
    assert float(figures['grad_norm']) == pytest.approx(4 * abs(output))


@needs_gpu
def test_clipping_by_a_graph_follows_gradients_and_settings():
    layer = nn.Linear(30, 20).cuda()
    wrapper = OccupancyBfloat16OptimWrapper(torch.optim.SGD(layer.parameters(), lr=0.1), clip_grad={'max_norm': 0.5})
    wrapper.is_read = True
    for parameter in layer.parameters():
        parameter.grad = torch.empty_like(parameter)
    for step in range(6):
        if step == 5:
            wrapper.clip_grad_kwargs['max_norm'] = 2.0
        for parameter in layer.parameters():
            parameter.grad.fill_(1.0 + step)
        wrapper._clip_grad()
        norm = (1 + step) * 620**0.5
        assert float(wrapper.read({})['grad_norm']) == pytest.approx(norm, rel=1e-4)
        clipped = torch.cat([each.grad.flatten() for each in layer.parameters()]).norm()
        assert float(clipped) == pytest.approx(2.0 if step == 5 else 0.5, rel=1e-3)
