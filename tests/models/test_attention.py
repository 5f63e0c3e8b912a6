"""The two attentions: which places each query attends to."""

import numpy as np
import pytest
import torch
from small_model import ANCHORS, DIMS, GRID, HEADS, IMAGE, rig
from torch import nn

from project.models import OccupancySpatialAttention, OccupancyTemporalAttention
from project.models.attention import _rays
from project.models.encoder import _cell_centres
from project.models.geometry import pillar_anchors, project
from project.models.views import CameraViews

SHAPE = GRID.shape[:2]
CELLS = SHAPE[0] * SHAPE[1]


def see_through(attention):
    """Let an attention return what it samples, unweighted, from exactly its reference points."""
    for name, parameter in attention.named_parameters():
        nn.init.zeros_(parameter)
        if name.endswith(('value_proj.weight', 'output_proj.weight')):
            nn.init.eye_(parameter)
    return attention.eval()


def self_attention():
    torch.manual_seed(3)
    attention = OccupancyTemporalAttention(DIMS, HEADS, num_points=2).eval()
    nn.init.normal_(attention.sampling_offsets.weight, std=0.1)
    nn.init.normal_(attention.attention_weights.weight, std=0.1)
    return attention, torch.randn(2, CELLS, DIMS), torch.randn(CELLS, DIMS), _cell_centres(SHAPE)


def test_self_attention_reads_the_cell_it_stands_on():
    attention, query, _, reference = self_attention()
    attended = see_through(attention)(query, None, reference, SHAPE)
    torch.testing.assert_close(attended, 2 * query)


def test_self_attention_offsets_are_column_then_row_in_cells():
    attention, query, _, reference = self_attention()
    see_through(attention).sampling_offsets.bias.data.view(-1, 2)[:] = torch.tensor([1.0, 2.0])
    attended = (attention(query, None, reference, SHAPE) - query).view(2, *SHAPE, DIMS)
    expected = query.view(2, *SHAPE, DIMS)[:, 2:, 1:]
    torch.testing.assert_close(attended[:, :-2, :-1], expected)


def test_without_a_past_the_present_stands_in_for_it():
    attention, query, position, reference = self_attention()
    alone = attention(query, position, reference, SHAPE)
    known = torch.ones(2, CELLS, dtype=torch.bool)
    torch.testing.assert_close(attention(query, position, reference, SHAPE, query, known), alone)
    past = torch.randn_like(query)
    torch.testing.assert_close(attention(query, position, reference, SHAPE, past, ~known), alone)
    assert not torch.allclose(attention(query, position, reference, SHAPE, past, known), alone)


def test_the_past_is_half_of_what_is_read():
    attention, query, _, reference = self_attention()
    past, known = torch.randn_like(query), torch.rand(2, CELLS) < 0.5
    attended = see_through(attention)(query, None, reference, SHAPE, past, known)
    expected = query + torch.where(known[..., None], (query + past) / 2, query)
    torch.testing.assert_close(attended, expected)


def test_the_first_view_is_the_past():
    attention, query, _, reference = self_attention()
    offsets = see_through(attention).sampling_offsets.bias.data.view(HEADS, 2, -1, 2)
    offsets[:, 0] = torch.tensor([1.0, 0.0])  # in the first view, one column on
    past, known = torch.randn_like(query), torch.ones(2, CELLS, dtype=torch.bool)
    attended = (attention(query, None, reference, SHAPE, past, known) - query).view(2, *SHAPE, DIMS)
    expected = (past.view(2, *SHAPE, DIMS)[:, :, 1:] + query.view(2, *SHAPE, DIMS)[:, :, :-1]) / 2
    torch.testing.assert_close(attended[:, :, :-1], expected)


def test_offsets_are_asked_of_the_past_and_of_the_placed_present():
    attention, query, position, reference = self_attention()
    past, known = torch.randn_like(query), torch.ones(2, CELLS, dtype=torch.bool)
    asked = []
    attention.sampling_offsets.register_forward_pre_hook(lambda _, arguments: asked.append(arguments[0]))
    attention(query, position, reference, SHAPE, past, known)
    assert torch.equal(asked[0], torch.cat([past, query + position], dim=-1))


def photographs(point, cameras, strides=(1, 2)):
    """(1, N, S, 1) maps that are 1 in the pixel that shows a point (3,), their shapes, and (N,) who sees it."""
    pixels = cameras @ np.append(point, 1)
    with np.errstate(divide='ignore'):
        columns, rows = pixels[:, 0] / pixels[:, 2], pixels[:, 1] / pixels[:, 2]
    seeing = (pixels[:, 2] > 0) & (columns > 0) & (columns < IMAGE[1]) & (rows > 0) & (rows < IMAGE[0])
    levels, shapes = [], [(IMAGE[0] // stride, IMAGE[1] // stride) for stride in strides]
    for shape, stride in zip(shapes, strides, strict=True):
        level = torch.zeros(len(cameras), *shape)
        for camera in np.flatnonzero(seeing):
            level[camera, int(rows[camera] / stride), int(columns[camera] / stride)] = 1
        levels.append(level.flatten(1))
    return torch.cat(levels, dim=1)[None, ..., None], shapes, torch.from_numpy(seeing)


@pytest.mark.parametrize('cell', [(5, 4), (5, 1), (0, 2), (6, 0), (3, 4)])
@pytest.mark.parametrize('anchor', range(ANCHORS))
def test_a_light_in_a_voxel_is_seen_by_that_voxels_query(cell, anchor):
    anchors = pillar_anchors(GRID, ANCHORS)
    # Eight overlapping cameras, so that several see the light from their own sides.
    features, shapes, seeing = photographs(anchors[*cell, anchor], rig(8))
    cameras = torch.from_numpy(rig(8))[None].float()
    assert seeing.any()
    attention = see_through(OccupancySpatialAttention(DIMS, HEADS, 2, ANCHORS, points_per_anchor=1))
    points = torch.from_numpy(anchors).flatten(0, 1)
    views = CameraViews.of(*project(points, cameras, IMAGE))
    query, position = torch.zeros(1, CELLS, DIMS), torch.zeros(CELLS, DIMS)
    features = features.expand(-1, -1, -1, DIMS)
    response = attention(query, position, features, shapes, views)[0, :, 0].view(SHAPE)
    for camera in torch.eye(8)[seeing]:  # each that sees the light suffices
        of_one = attention(query, position, features * camera[:, None, None], shapes, views)
        assert of_one[0, :, 0].view(SHAPE)[cell] > 0
    # Who responds looks along the same line of sight: its projection is the same pixel in some camera.
    places, _ = project(points, cameras, IMAGE)
    light = places[0, :, cell[0] * SHAPE[1] + cell[1], anchor]
    near = (places[0] - light[:, None, None]).abs() < torch.tensor([3.0 / IMAGE[1], 3.0 / IMAGE[0]])
    aligned = (near.all(-1) & seeing[:, None, None]).any(-1).any(0).view(SHAPE)
    assert aligned[cell] and not aligned.all()
    assert not response[~aligned].any()


def test_turning_the_cameras_half_way_round_turns_the_view():
    attention = OccupancySpatialAttention(DIMS, HEADS, 2, ANCHORS, points_per_anchor=2).eval()
    torch.manual_seed(4)
    features, shapes = torch.randn(1, 3, 24 * 40 + 12 * 20, DIMS), [(24, 40), (12, 20)]
    half_turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    points = torch.from_numpy(pillar_anchors(GRID, ANCHORS)).flatten(0, 1)
    query = torch.ones(1, CELLS, DIMS)  # the same in all cells, so that only the cameras tell them apart
    responses = []
    for turn in (np.eye(4), half_turn):
        cameras = torch.from_numpy(rig(3) @ turn)[None]
        views = CameraViews.of(*project(points, cameras, IMAGE))
        responses.append(attention(query, 0 * query[0], features, shapes, views).view(*SHAPE, DIMS))
    torch.testing.assert_close(responses[1], responses[0].flip(0, 1), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(responses[1], responses[0])


def test_cameras_are_asked_with_the_position():
    attention, asked = OccupancySpatialAttention(DIMS, HEADS, 2, ANCHORS, points_per_anchor=2).eval(), []
    attention.sampling.sampling_offsets.register_forward_pre_hook(lambda _, arguments: asked.append(arguments[0]))
    points = torch.from_numpy(pillar_anchors(GRID, ANCHORS)).flatten(0, 1)
    views = CameraViews.of(*project(points, torch.from_numpy(rig(3))[None], IMAGE))
    query, position = torch.randn(1, CELLS, DIMS), torch.randn(CELLS, DIMS)
    attention(query, position, torch.randn(1, 3, 24 * 40 + 12 * 20, DIMS), [(24, 40), (12, 20)], views)
    assert torch.equal(asked[0], views.pick(query + position).flatten(0, 1))


def test_weights_of_all_levels_and_points_sum_to_one():
    attention = see_through(OccupancySpatialAttention(DIMS, HEADS, num_levels=2, num_anchors=3, points_per_anchor=2))
    nn.init.normal_(attention.sampling.attention_weights.bias)
    features = torch.cat([torch.full((1, 24 * 40, DIMS), 3.0), torch.full((1, 12 * 20, DIMS), 5.0)], dim=1)
    places, query = torch.rand(1, 7, 3, 2) * 0.5 + 0.25, torch.zeros(1, 7, DIMS)
    response = attention.sampling(query, places, features, [(24, 40), (12, 20)])
    shares = attention.sampling.attention_weights.bias.view(HEADS, -1).softmax(-1).view(HEADS, 2, -1).sum(-1)
    expected = (shares @ torch.tensor([3.0, 5.0])).repeat_interleave(DIMS // HEADS)
    torch.testing.assert_close(response, expected.expand(1, 7, -1))


def test_heads_start_out_in_their_own_directions():
    rays = _rays(heads=8, levels=2, points=3)
    steps = torch.tensor([[1.0], [2.0], [3.0]])
    for head, direction in ((0, (1, 0)), (1, (1, 1)), (2, (0, 1)), (4, (-1, 0)), (7, (1, -1))):
        torch.testing.assert_close(rays[head], (steps * torch.tensor(direction)).expand(2, 3, 2))


def test_points_belong_to_anchors_in_turn():
    attention = see_through(OccupancySpatialAttention(DIMS, HEADS, num_levels=1, num_anchors=3, points_per_anchor=2))
    # All weight on the second of the two points of the last anchor.
    weights = attention.sampling.attention_weights.bias.data.view(HEADS, 6)
    weights[:], weights[:, 1 * 3 + 2] = -100, 100
    features = torch.arange(40.0).expand(24, -1).reshape(1, -1, 1).repeat(1, 1, DIMS)  # tell their column
    places = torch.tensor([[[[0.1, 0.5], [0.3, 0.5], [0.6, 0.5]]]])
    response = attention.sampling(torch.zeros(1, 1, DIMS), places, features, [(24, 40)])
    torch.testing.assert_close(response, torch.full((1, 1, DIMS), 0.6 * 40 - 0.5))
