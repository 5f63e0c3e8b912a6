"""The head: from cells to voxels, with weights that show each step."""

import pytest
import torch
from small_model import DIMS, GRID
from torch import nn

from project.models import OccupancyHead


def head_of_voxels(**options):
    """A head whose convolutions use only the voxel itself."""
    torch.manual_seed(2)
    head = OccupancyHead(GRID, DIMS, hidden_dims=DIMS, **options).eval()
    for conv in (head.conv1, head.conv2):
        nn.init.zeros_(conv.weight), nn.init.zeros_(conv.bias)
        conv.weight.data[:, :, 1, 1, 1] = torch.eye(DIMS)
    for norm in (head.norm1, head.norm2):
        norm.eps = 1e-12
        nn.init.uniform_(norm.bias, -1, 1)
    return head


@torch.no_grad()
@pytest.mark.parametrize('baseline_compatible', [False, True])
def test_a_voxel_is_its_cell_and_its_height(baseline_compatible):
    head = head_of_voxels(baseline_compatible=baseline_compatible)
    bev = torch.randn(2, DIMS, *GRID.shape[:2])
    logits = head(bev)
    assert logits.shape == (2, 18, *GRID.shape)
    for i, j, k in [(0, 0, 0), (2, 4, 1), (6, 1, 2)]:
        voxel = bev[:, :, i, j] + head.height_embed[k]
        for norm in (head.norm1, head.norm2):
            voxel = voxel + norm.bias
            voxel = voxel if baseline_compatible else voxel.relu()  # the baseline forgot it
        weight = head.classifier.weight[:, :, 0, 0, 0]
        torch.testing.assert_close(logits[:, :, i, j, k], voxel @ weight.T + head.classifier.bias)


def test_a_voxel_sees_three_cells_far():
    head = OccupancyHead(GRID, DIMS, hidden_dims=10, baseline_compatible=True).eval()
    bev = torch.randn(1, DIMS, 9, 11, requires_grad=True)
    head(bev)[0, 0, 4, 5, 1].backward()
    seen = bev.grad.abs().sum(1)[0] > 0
    assert seen[1:8, 2:9].all() and seen.sum() == 7 * 7
