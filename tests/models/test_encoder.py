"""The arguments that the encoder passes to its layers."""

import pytest
import torch
from small_model import ANCHORS, DIMS, GRID, IMAGE, rig, small_encoder
from torch import nn
from torch.nn.functional import layer_norm

from project.models import OccupancyEncoderLayer
from project.models.encoder import History
from project.models.geometry import baseline_pillar_anchors, pillar_anchors


@pytest.mark.parametrize(('baseline_compatible', 'anchors'), [(False, pillar_anchors), (True, baseline_pillar_anchors)])
def test_a_query_looks_from_its_cell_and_is_put_there(baseline_compatible, anchors):
    encoder = small_encoder(baseline_compatible=baseline_compatible)
    encoder.layers = nn.ModuleList()  # nothing but the queries
    features = [torch.randn(1, 4, DIMS, 6, 10), torch.randn(1, 4, DIMS, 3, 5)]
    bev = encoder(features, torch.from_numpy(rig())[None], IMAGE)
    assert bev.shape == (1, DIMS, *GRID.shape[:2])
    for i, j in [(0, 0), (2, 4), (6, 1)]:
        query = i * GRID.shape[1] + j
        assert torch.equal(bev[0, :, i, j], encoder.queries[query])
        expected = torch.from_numpy(anchors(GRID, ANCHORS)[i, j]).float()
        torch.testing.assert_close(encoder.anchors[query], expected)


def test_a_query_reads_the_past_of_its_cell():
    bev = torch.randn(2, DIMS, *GRID.shape[:2])
    exists = torch.tensor([True, False])
    past = small_encoder()._past(History(bev, torch.eye(4).repeat(2, 1, 1), exists))
    torch.testing.assert_close(past['past'].view(2, *GRID.shape[:2], DIMS), bev.movedim(1, -1))
    assert past['known'].all(1).tolist() == past['known'].any(1).tolist() == exists.tolist()


class Scaled(nn.Module):
    """In place of an attention."""

    def forward(self, query, by):
        return query * by


def test_a_layer_is_two_attentions_and_a_feed_forward_network_each_with_its_norm():
    layer = OccupancyEncoderLayer(Scaled(), Scaled(), DIMS, feedforward_dims=12).eval()
    query, first, second = torch.randn(2, 35, DIMS), torch.randn(DIMS), torch.randn(DIMS)
    for norm, offset in zip(layer.norms, (0.1, 0.2, 0.3), strict=True):
        nn.init.constant_(norm.bias, offset)
    expected = layer_norm(query * first, (DIMS,)) + 0.1
    expected = layer_norm(expected * second, (DIMS,)) + 0.2
    expected = layer_norm(expected + layer.feedforward(expected), (DIMS,)) + 0.3
    torch.testing.assert_close(layer(query, {'by': first}, {'by': second}), expected)


def test_a_cell_is_told_its_own_column_and_row():
    encoder = small_encoder()
    position = encoder._position().view(*GRID.shape[:2], DIMS)
    for i, j in [(0, 0), (2, 4), (6, 1)]:
        expected = torch.cat([encoder.position.column_embed[j], encoder.position.row_embed[i]])
        assert torch.equal(position[i, j], expected)


@pytest.mark.parametrize('baseline_compatible', [False, True])
def test_both_attentions_know_the_position_but_in_the_seed(baseline_compatible):
    encoder, told = small_encoder(baseline_compatible=baseline_compatible).eval(), {}
    for layer in encoder.layers:
        for name in ('self_attention', 'cross_attention'):
            module, given = layer.get_submodule(name), told.setdefault(name, [])
            module.register_forward_pre_hook(
                lambda _, args, options, given=given: given.append(options['position']), with_kwargs=True
            )
    with torch.no_grad():
        features = [torch.randn(1, 4, DIMS, 6, 10), torch.randn(1, 4, DIMS, 3, 5)]
        encoder(features, torch.from_numpy(rig())[None], IMAGE)
    assert len(told['self_attention']) == len(told['cross_attention']) == len(encoder.layers)
    assert all(torch.equal(each, encoder._position()) for each in told['cross_attention'])
    if baseline_compatible:
        assert told['self_attention'] == [None, None]
    else:
        assert all(torch.equal(each, encoder._position()) for each in told['self_attention'])
