"""The backbone and the neck are mmdet's, laid out for a GPU."""

import pytest
import torch
from mmdet.models.backbones.resnet import ResNet
from mmdet.models.necks import FPN
from torch.nn.functional import conv2d

from project.models.folded_resnet import FoldedResNet, blocks_of, can_be_folded, in_blocks, works_on_blocks
from project.models.fpn import OccupancyFPN
from project.models.resnet import OccupancyResNet

DCN = {'type': 'OccupancyDCNv2', 'deform_groups': 1, 'fallback_on_stride': False}
OPTIONS = {
    'depth': 50,
    'base_channels': 8,
    'out_indices': (1, 2, 3),
    'norm_cfg': {'type': 'BN2d', 'requires_grad': False},
    'norm_eval': True,
    'style': 'caffe',
    'dcn': DCN,
    'stage_with_dcn': (False, False, True, True),
}


def backbones(**options):
    """mmdet's and ours, with the same weights, none of them special."""
    torch.manual_seed(0)
    theirs, ours = (kind(**{**OPTIONS, **options}) for kind in (ResNet, OccupancyResNet))
    for name, tensor in theirs.state_dict().items():
        if 'conv_offset' in name:
            tensor.normal_(std=0.1)
        elif 'running_var' in name or ('weight' in name and tensor.ndim == 1):
            tensor.uniform_(0.5, 1)
        elif tensor.ndim == 1 and tensor.is_floating_point():
            tensor.normal_(std=0.1)
    ours.load_state_dict(theirs.state_dict())
    for backbone in (theirs, ours):
        backbone.train()
    return theirs, ours


@pytest.mark.parametrize('depth', [18, 50])
def test_starts_as_mmdets_with_regular_taps(depth):
    options = {**OPTIONS, 'depth': depth, 'dcn': DCN if depth == 50 else None}
    backbones = []
    for kind in (ResNet, OccupancyResNet):
        torch.manual_seed(0)
        backbones.append(kind(**options))
        backbones[-1].init_weights()
    theirs, ours = backbones
    for (name, expected), found in zip(theirs.state_dict().items(), ours.state_dict().values(), strict=True):
        assert torch.equal(found, expected), name
    assert not any(value.any() for name, value in ours.state_dict().items() if 'conv_offset' in name)
    # The last norm of a block starts at zero, so that the block starts as the identity.
    assert not ours.layer1[1].get_parameter('bn3.weight' if depth == 50 else 'bn2.weight').any()


def images(height=43, width=58):
    return torch.randn(2, 3, height, width)


def test_is_mmdets_in_values_and_gradients():
    theirs, ours = backbones()
    x = images()
    for expected, found in zip(theirs(x), ours(x), strict=True):
        torch.testing.assert_close(found, expected)
    for backbone in (theirs, ours):
        sum(level.square().mean() for level in backbone(x)).backward()
    for (name, expected), found in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        assert (found.grad is None) == (expected.grad is None), name
        if found.grad is not None:
            torch.testing.assert_close(found.grad, expected.grad, msg=name)


@pytest.mark.parametrize('size', [(32, 64), (43, 59)])
@torch.no_grad()
def test_folded_weights_give_the_same(size):
    theirs, ours = backbones()
    theirs.eval(), ours.eval()
    folded, x = FoldedResNet(ours, torch.float32), images(*size)
    for expected, found in zip(theirs(x), folded(x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_folded_weights_follow_the_networks():
    _, ours = backbones()
    ours.eval()
    folded, x = FoldedResNet(ours, torch.float32), images(32, 48)
    before = folded(x)[-1]
    weights = folded.stem.weight
    for parameter in ours.parameters():
        parameter.mul_(1.1)
    folded.refresh()
    assert not torch.equal(folded(x)[-1], before)
    torch.testing.assert_close(folded(x)[-1], ours(x)[-1], rtol=1e-4, atol=1e-4)
    assert folded.stem.weight is weights, 'a CUDA graph knows the place'
    ours.conv1.weight.data.mul_(2)  # leaves no trace
    folded.outdate()
    folded.refresh()
    torch.testing.assert_close(folded(x)[-1], ours(x)[-1], rtol=1e-4, atol=1e-4)


@pytest.fixture
def predicting(monkeypatch):
    """A network that folds on a CPU as it does on a GPU, given the type that autocast has there."""
    before = torch.get_autocast_dtype('cuda')
    monkeypatch.setattr(OccupancyResNet, 'folds', lambda self, device_type: not self.training)
    monkeypatch.setattr(torch.cuda, 'is_current_stream_capturing', lambda: False)
    yield backbones()[1]
    torch.set_autocast_dtype('cuda', before)


@torch.no_grad()
def test_weights_are_folded_in_the_type_of_autocast(predicting):
    predicting.eval()
    x, types = images(32, 48), (torch.bfloat16, torch.float16, torch.bfloat16)
    places = []
    for dtype in types:
        torch.set_autocast_dtype('cuda', dtype)
        assert {level.dtype for level in predicting(x)} == {dtype}
        places.append(predicting.folded().stem.weight)
    assert places[0] is places[2], 'a CUDA graph knows the place'


def test_weights_are_folded_anew_after_training(predicting):
    torch.set_autocast_dtype('cuda', torch.float32)
    x = images(32, 48)
    for change in (lambda each: each.add_(0.01), lambda each: each.data.add_(0.01)):  # the second leaves no trace
        predicting.eval()
        with torch.no_grad():
            before = predicting(x)[-1]
            predicting.train()
            for each in (*predicting.parameters(), predicting.bn1.running_mean):
                change(each)
            expected = predicting(x)[-1]
            predicting.eval()
            found = predicting(x)[-1]
        assert not torch.allclose(found, before, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_weights_are_folded_anew_after_the_network_has_moved(predicting):
    torch.set_autocast_dtype('cuda', torch.float32)
    assert predicting.eval() is predicting
    x = images(32, 48)
    with torch.no_grad():
        predicting(x)
        predicting._apply(torch.clone)  # as .to() does: its buffers are other tensors from now on
        predicting.bn1.running_mean.add_(0.5)
        found = predicting(x)[-1]
        predicting.train()
        torch.testing.assert_close(found, predicting(x)[-1], rtol=1e-3, atol=1e-3)


def test_only_what_is_known_is_folded():
    assert can_be_folded(OccupancyResNet(**OPTIONS))
    assert not can_be_folded(OccupancyResNet(**{**OPTIONS, 'deep_stem': True}))
    assert not can_be_folded(OccupancyResNet(**{**OPTIONS, 'avg_down': True}))


def test_nothing_is_folded_on_a_cpu():
    _, ours = backbones()
    ours.eval()
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        assert not ours.folds('cpu')


@pytest.mark.parametrize('extra', [False, 'on_output', 'on_input'])
def test_neck_is_mmdets(extra):
    torch.manual_seed(0)
    options = {'in_channels': [4, 6, 8], 'out_channels': 5, 'num_outs': 5 if extra else 3, 'add_extra_convs': extra}
    theirs, ours = (kind(**options, relu_before_extra_convs=True) for kind in (FPN, OccupancyFPN))
    ours.load_state_dict(theirs.state_dict())
    maps = [torch.randn(2, 4, 15, 21), torch.randn(2, 6, 8, 11), torch.randn(2, 8, 4, 6)]
    for expected, found in zip(theirs(maps), ours(maps), strict=True):
        torch.testing.assert_close(found, expected)
    if extra != 'on_input':
        with torch.autocast('cpu', torch.bfloat16):
            assert {level.dtype for level in ours(maps)} == {torch.bfloat16}


@pytest.mark.parametrize('stages', [1, 2])
def test_stages_that_are_computed_twice_change_no_gradient_and_count_a_batch_once(stages):
    options = {**OPTIONS, 'dcn': None, 'norm_cfg': {'type': 'BN2d', 'requires_grad': True}, 'norm_eval': False}
    results = []
    for recompute in (0, stages):
        torch.manual_seed(0)
        backbone = OccupancyResNet(**options, recompute_stages=recompute).train()
        images = torch.randn(2, 3, 64, 96)
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, kept=kept: kept.append(x.numel()) or x, lambda x: x):
            loss = sum(each.square().mean() for each in backbone(images))
        loss.backward()
        statistics = {name: each for name, each in backbone.named_buffers() if 'running' in name}
        results.append(({name: each.grad for name, each in backbone.named_parameters()}, statistics, sum(kept)))
    plain, again = results
    torch.testing.assert_close(again[:2], plain[:2], rtol=1e-5, atol=1e-6)
    assert again[2] < 0.8 * plain[2]  # weights included
    assert all(norm.momentum == 0.1 for norm in backbone.modules() if isinstance(norm, torch.nn.BatchNorm2d))


@pytest.mark.parametrize('size', [(32, 64), (31, 45)])
def test_a_first_convolution_on_blocks_is_the_same(size):
    torch.manual_seed(0)
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    weight = torch.randn(5, 3, 7, 7, dtype=torch.float64, requires_grad=True)
    plain = conv2d(images, weight, stride=2, padding=3)
    found = conv2d(blocks_of(images, torch.float64), in_blocks(weight))
    torch.testing.assert_close(found, plain)
    cotangent = torch.randn_like(plain)
    gradients = (torch.autograd.grad(out, weight, cotangent)[0] for out in (found, plain))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize('options', [{'conv_cfg': {'type': 'ConvWS'}, 'dcn': None}, {'in_channels': 5}])
def test_other_first_convolutions_are_not_given_blocks(options):
    assert works_on_blocks(OccupancyResNet(**OPTIONS).conv1)
    assert not works_on_blocks(OccupancyResNet(**{**OPTIONS, **options}).conv1)
