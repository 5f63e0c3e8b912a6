"""What the encoder tells its layers."""

import pytest
import torch
from small_model import DIMS, GRID, IMAGE, rig, small_encoder


def test_a_cell_is_told_its_own_column_and_row():
    encoder = small_encoder()
    position = encoder._position().view(*GRID.shape[:2], DIMS)
    for i, j in [(0, 0), (2, 4), (6, 1)]:
        expected = torch.cat([encoder.position.column_embed[j], encoder.position.row_embed[i]])
        assert torch.equal(position[i, j], expected)


@pytest.mark.parametrize('seed_compatible', [False, True])
def test_both_attentions_know_the_position_but_in_the_seed(seed_compatible):
    encoder, told = small_encoder(seed_compatible=seed_compatible).eval(), {}
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
    if seed_compatible:
        assert told['self_attention'] == [None, None]
    else:
        assert all(torch.equal(each, encoder._position()) for each in told['self_attention'])
