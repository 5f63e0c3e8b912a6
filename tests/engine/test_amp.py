"""Mixed precision: what an optimiser's step does, and what is logged of it."""

import copy

import pytest

pytest.importorskip('mmdet3d')

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from project.engine.amp import OccupancyBfloat16OptimWrapper


@pytest.mark.parametrize('clip', [{'max_norm': 0.1}, {'max_norm': 1e6}, {'type': 'value', 'clip_value': 0.01}, None])
def test_steps_and_logged_norms_are_those_of_mmengine(clip):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2))
    model[2].requires_grad_(False)
    twin = copy.deepcopy(model)
    wrappers = [
        kind(torch.optim.SGD(each.parameters(), lr=0.1), clip_grad=copy.deepcopy(clip))
        for kind, each in ((OccupancyBfloat16OptimWrapper, model), (OptimWrapper, twin))
    ]
    logged = []
    for wrapper, each in zip(wrappers, (model, twin), strict=True):
        norms = []
        for step in range(3):
            wrapper.update_params(each(torch.full((5, 3), 1.0 + step)).square().mean())
            if clip and 'max_norm' in clip:
                norms.append(wrapper.message_hub.get_scalar('train/grad_norm').current())
        logged.append(norms)
    assert logged[0] == logged[1] and len(set(logged[0])) == len(logged[0])
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)
