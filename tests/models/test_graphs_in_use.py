"""CUDA graphs where several take turns: frames of a queue, and training with validation in between."""

import copy
from contextlib import nullcontext

import pytest
import torch
from small_model import images, queue, rig, sample, small_detector
from torch import nn

from project.models import graphs
from project.models.graphs import VARIABLE, Graphs, _Captured
from project.models.resnet import OccupancyResNet

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='CUDA graphs need a GPU')


class Imitated(Graphs):
    """On a CPU, does with memory what graphs do: inputs are copied to one place, results are written over others."""

    def __init__(self, model):
        super().__init__(model)
        self.names = []

    def usable(self, tensor):
        return True

    def _capture(self, compute, tensors, capacity, settings):
        self.names.append(compute.__name__)
        inputs = [tensor.clone() for tensor in tensors]
        results = compute(*inputs, capacity=capacity)

        def replay(*tensors):
            for static, tensor in zip(inputs, tensors, strict=True):
                static.copy_(tensor)
            found = compute(*inputs, capacity=capacity)
            return results.copy_(found) if isinstance(found, torch.Tensor) else found

        return _Captured(settings, capacity, replay)


def without_dropout(detector):
    for module in detector.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return detector


def test_frames_of_a_queue_are_one_graph_and_the_present_another():
    detector = without_dropout(small_detector()).eval()
    twin = copy.deepcopy(detector)
    detector._graphs = Imitated(detector)
    batches = [queue(2, shifts=(0.0, 3.0, 5.0 + index), exists=(index != 1, True, True)) for index in range(4)]
    with torch.no_grad():
        for batch in batches:
            found, expected = (model(*batch, mode='tensor') for model in (detector, twin))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert detector._graphs.names == ['extract_bev', '_outputs']
    detector.train(), twin.train()
    for batch in batches:
        found, expected = (model(*batch, mode='loss') for model in (detector, twin))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert detector._graphs.names == ['extract_bev', '_outputs', '_losses']
    sum(found.values()).backward()
    assert all(parameter.grad is not None for parameter in detector.parameters())


class Narrow(nn.Module):
    """Maps of a ResNet with the channels of the small detector."""

    def __init__(self, dims=8):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, dims, 1) for channels in (256, 512))

    def forward(self, maps):
        # Times 100, images count: other images, or other weights of the backbone, change the logits by 8 %.
        return [100 * conv(x) for conv, x in zip(self.convs, maps, strict=True)]


def resnet_detector():
    """A detector with the first two stages of a ResNet, whose weights are folded for predictions."""
    detector = without_dropout(small_detector())
    options = dict(depth=50, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(0, 1), norm_eval=True)
    detector.img_backbone = nn.Sequential(OccupancyResNet(**options))  # wherever it is, its folded weights are found
    detector.img_neck = Narrow()
    return detector


@pytest.mark.filterwarnings('ignore:CUDA is not available')
@torch.no_grad()
def test_a_replay_has_the_weights_of_the_moment(monkeypatch):
    def imitation(part, inputs):
        part(*inputs)  # warms up, and folds

        def replay():
            with monkeypatch.context() as context:
                context.setattr(torch.cuda, 'is_current_stream_capturing', lambda: True)
                return part(*inputs)

        return replay

    monkeypatch.setattr(OccupancyResNet, 'folds', lambda self, device_type: not self.training)
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: False)
    monkeypatch.setattr(torch, 'get_autocast_dtype', lambda device_type: torch.float32)
    monkeypatch.setattr(graphs, 'capture_inference', imitation)
    monkeypatch.setattr(graphs, 'unchanged', lambda model: nullcontext())
    detector = resnet_detector().eval()
    monkeypatch.setattr(detector._graphs, 'usable', lambda tensor: True)
    batch = images(), [sample()]
    for _ in range(2):
        before = detector(*batch, mode='tensor')
    assert detector._graphs._captured
    detector.img_backbone[0].conv1.weight.neg_()
    found = detector(*batch, mode='tensor')
    assert not torch.allclose(found, before, rtol=1e-3, atol=1e-3)
    detector._graphs = Graphs(detector)
    torch.testing.assert_close(found, detector(*batch, mode='tensor'), rtol=1e-3, atol=1e-3)


def test_a_model_that_moves_leaves_its_graphs_behind():
    detector = small_detector()
    before = detector._graphs
    detector.cpu()
    assert detector._graphs is not before and detector._graphs._model is detector


def on_device(inputs, samples):
    for each in samples:
        each.gt_occupancy = each.gt_occupancy.cuda()
    return {'imgs': inputs['imgs'].cuda()}, samples


def losses_of(detector, batch):
    """Losses in bfloat16 and training, and their backward pass."""
    with torch.autocast('cuda', torch.bfloat16):
        losses = detector.train()(*batch, mode='loss')
    sum(losses.values()).backward()
    return torch.stack([loss.detach() for loss in losses.values()])


@torch.no_grad()
def logits_of(detector, batch, dtype=torch.bfloat16):
    """Logits as in validation."""
    with torch.autocast('cuda', dtype):
        return detector.eval()(*batch, mode='tensor').float()


@needs_gpu
@pytest.mark.parametrize('queued', [False, True])
def test_training_and_validation_take_turns(queued, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    torch.manual_seed(0)
    detector = resnet_detector().cuda()
    optimiser = torch.optim.SGD(detector.parameters(), lr=1e-4)
    batches = [on_device(*(queue() if queued else (images(), [sample(lidar2img=rig())]))) for _ in range(3)]

    def check(compute, *args):
        fresh = resnet_detector().cuda()  # has captured and folded nothing, and has the weights of this moment
        fresh.load_state_dict(detector.state_dict())
        found = compute(detector, *args)
        with monkeypatch.context() as context:
            context.setenv(VARIABLE, '0')
            expected = compute(fresh, *args)
        assert (found - expected).norm() < 0.03 * expected.norm()

    for _ in range(2):
        for batch in batches:
            check(losses_of, batch)
            optimiser.step()
            optimiser.zero_grad()
        with torch.no_grad():
            detector.img_backbone[0].conv1.weight.neg_()  # more than a few steps of training do
        for batch in batches:
            check(logits_of, batch)
    for batch in batches:
        check(logits_of, batch, torch.float16)
    names = {name for name, *_ in detector._graphs._captured}
    assert names == ({'extract_bev', '_outputs', '_losses'} if queued else {'_outputs', '_losses'})
