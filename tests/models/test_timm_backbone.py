"""Any timm model as a backbone."""

import pytest
import timm
import torch
from torch import nn

from project.errors import UserError
from project.models import OccupancyTimmBackbone

SMALL = {
    'resnet10t': dict(out_indices=(1, 3)),
    'convnext_atto': dict(out_indices=(0, 2), depths=(1, 1, 1, 1), dims=(8, 12, 16, 20)),
    'swin_tiny_patch4_window7_224': dict(
        out_indices=(0, 2), img_size=(64, 96), embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1)
    ),
}


@pytest.mark.parametrize('name', SMALL)
def test_maps_are_channels_first_whatever_the_family(name):
    backbone = OccupancyTimmBackbone(name, **SMALL[name]).eval()
    maps = backbone(torch.randn(2, 3, 64, 96))
    assert [m.shape[1] for m in maps] == backbone.channels
    assert [tuple(m.shape[2:]) for m in maps] == [(16, 24), (4, 6)]


def test_images_are_bgr():
    backbone = OccupancyTimmBackbone('resnet10t').eval()
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(backbone(images), backbone.model(images[:, [2, 1, 0]]))


def test_norm_eval_keeps_batch_norms_still():
    backbone = OccupancyTimmBackbone('resnet10t', norm_eval=True).train()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)
    assert backbone.model.conv1.training


def test_weights_are_fetched_only_when_training_starts(monkeypatch):
    created = []
    create = timm.create_model

    def watched(*arguments, pretrained=False, **options):
        created.append(pretrained)
        model = create(*arguments, **options)
        nn.init.constant_(model.conv1[0].weight, 2.0)
        return model

    monkeypatch.setattr('timm.create_model', watched)
    backbone = OccupancyTimmBackbone('resnet10t', pretrained=True)
    nn.init.zeros_(backbone.model.conv1[0].weight)
    assert created == [False]
    backbone.init_weights()
    assert created == [False, True]
    assert (backbone.model.conv1[0].weight == 2).all()


@pytest.mark.parametrize('error', [OSError('no route to the hub\nmore lines'), RuntimeError('offline')])
def test_without_a_network_the_option_is_named(monkeypatch, error):
    backbone = OccupancyTimmBackbone('resnet10t', pretrained=True)

    def offline(*_, **__):
        raise error

    backbone.create = offline
    with pytest.raises(UserError, match=r'the weights of resnet10t cannot be .*model\.img_backbone\.pretrained=False'):
        backbone.init_weights()
