"""What capturing a graph changes meanwhile; the capture itself needs a GPU and is tested with the graphs."""

from contextlib import contextmanager

import pytest
import torch

from project.models.capture import recording, tuned


def test_kernels_are_tried_in_the_precision_that_the_user_chose():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    with tuned():
        assert torch.backends.cudnn.benchmark
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before[:2]
    assert torch.backends.cudnn.benchmark == before[2]


@pytest.mark.parametrize('fails', [False, True])
def test_a_graph_gets_a_workspace_that_nothing_else_uses(monkeypatch, fails):
    events = []

    @contextmanager
    def capture(graph, **options):
        events.append('capture')
        yield

    monkeypatch.setattr(torch._C, '_cuda_clearCublasWorkspaces', lambda: events.append('clear'))
    monkeypatch.setattr(torch.cuda, 'CUDAGraph', object)
    monkeypatch.setattr(torch.cuda, 'graph', capture)
    try:
        with recording():
            events.append('products')
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    assert events == ['clear', 'capture', 'products', 'clear']
