import pytest

pytest.importorskip('mmdet3d')

import torch

from tools.benchmarks import model as benchmark


class Event:
    """An event of a device whose clock moves by what `spend` says."""

    now = 0.0

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.time = Event.now

    def synchronize(self):
        pass

    def elapsed_time(self, other):
        return other.time - self.time


def test_times_of_parts_are_medians_after_warm_up(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'Event', Event)
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda: None)
    runs = iter([100, 100, 100, 1, 2, 9])

    def work():
        Event.now += next(runs)
        yield 'first'
        Event.now += 5
        yield 'second'

    assert benchmark.median_times(work, repeats=3) == (7, {'first': 2, 'second': 5})
    assert next(runs, None) is None


def test_agreement_is_of_logits_and_of_labels():
    plain = torch.tensor([[[3.0, 0.0, 4.0]], [[0.0, 0.0, 0.0]]]).view(1, 2, 3)
    fast = plain.clone()
    fast[0, 1, 0] = 5.0
    found = benchmark.agreement(plain, fast)
    assert found == {'relative_error': pytest.approx(1.0), 'same_argmax': pytest.approx(2 / 3)}


def test_without_a_gpu_it_says_so():
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    with pytest.raises(SystemExit, match='measures on a GPU'):
        benchmark.run(None)
