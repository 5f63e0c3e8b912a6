"""What capturing a graph changes meanwhile; the capture itself needs a GPU and is tested with the graphs."""

from contextlib import contextmanager

import pytest
import torch

from project.models.capture import Repeated, _laid_out_as, recording, tuned


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


def test_work_is_recorded_the_third_time(monkeypatch):
    events = []

    @contextmanager
    def record():
        yield type('Graph', (), {'replay': lambda self: events.append('replayed')})()

    monkeypatch.setattr('project.models.capture.recording', record)
    repeated = Repeated()

    def work():
        events.append('done')
        return len(events)

    assert [repeated(work, 'key') for _ in range(4)] == [1, 2, 3, 3]
    assert events == ['done', 'done', 'done', 'replayed', 'replayed']
    assert repeated(work, 'another key') == 6 and events[-1] == 'done'
    monkeypatch.setenv('OCCUPANCY_CUDA_GRAPHS', '0')
    assert [repeated(work, 'another key') for _ in range(3)] == [7, 8, 9]


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('kernel', [1, 3])
def test_gradients_get_the_strides_of_their_parameters(layout, kernel):
    parameter = torch.randn(4, 6, kernel, kernel)
    gradient = torch.randn(4, 6, kernel, kernel).to(memory_format=layout)
    found = _laid_out_as(parameter, gradient)
    assert torch.equal(found, gradient) and found.stride() == parameter.stride()
    assert (found.data_ptr() == gradient.data_ptr()) == (kernel == 1 or layout == torch.contiguous_format)
