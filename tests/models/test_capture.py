"""What capturing a graph changes meanwhile; the capture itself needs a GPU and is tested with the graphs."""

import torch

from project.models.capture import tuned


def test_kernels_are_tried_in_the_precision_that_the_user_chose():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    with tuned():
        assert torch.backends.cudnn.benchmark
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before[:2]
    assert torch.backends.cudnn.benchmark == before[2]
