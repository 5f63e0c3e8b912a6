"""How an operator's backend is chosen."""

import threading

import pytest
import torch

from project.models.ops.deformable_attention import ATTENTION
from project.models.ops.deformable_convolution import CONVOLUTION
from project.models.ops.frozen_norm import FROZEN_NORM
from project.models.ops.max_pool import MAX_POOL
from project.models.ops.operator import PLAIN, Backend, Operator, plain_operators, runs_anywhere
from project.models.ops.pull import PULL
from project.models.ops.splat import SPLAT


def double(x):
    return 2 * x


@pytest.fixture
def operator():
    fast = Backend('fast', double, lambda device_type: '' if device_type == 'cuda' else 'it needs a GPU')
    return Operator('doubling', [fast, Backend('plain', double, runs_anywhere)])


def test_the_first_that_can_run_is_taken(operator):
    assert operator.choose('cpu').name == 'plain'
    assert operator.choose('cuda').name == 'fast'
    assert operator.available('cuda') == ['fast', 'plain']


def test_the_environment_forces_a_backend(operator, monkeypatch):
    monkeypatch.setenv('OCCUPANCY_DOUBLING', 'plain')
    assert operator.choose('cuda').name == 'plain'


def test_an_argument_goes_before_the_environment(operator, monkeypatch):
    monkeypatch.setenv('OCCUPANCY_DOUBLING', 'fast')
    assert operator.choose('cpu', 'plain').name == 'plain'


def test_the_choice_is_made_and_logged_once(operator, capsys, monkeypatch):
    logged = []
    monkeypatch.setattr('project.models.ops.operator.print_log', lambda message, logger: logged.append(message))
    for _ in range(3):
        operator.choose('cpu')
    assert logged == ['doubling on cpu: plain']


def test_an_unknown_backend_is_refused_with_the_known_ones(operator):
    with pytest.raises(ValueError, match=r"no backend 'quick'; there are \['fast', 'plain'\]"):
        operator.choose('cpu', 'quick')


def test_a_backend_that_cannot_run_says_why(operator):
    with pytest.raises(RuntimeError, match='fast cannot run on cpu, because it needs a GPU'):
        operator.choose('cpu', 'fast')


def test_plain_torch_is_always_there():
    from project.models.ops.deformable_attention import ATTENTION
    from project.models.ops.deformable_convolution import CONVOLUTION

    for known in (ATTENTION, CONVOLUTION):
        assert 'torch' in known.available('cpu')
        assert 'torch' in known.available(torch.device('cuda').type)


def test_it_may_be_chosen_while_compiling(operator):
    compiled = torch.compile(lambda x: operator.choose('cpu').compute(x), fullgraph=True, backend='eager')
    assert compiled(torch.ones(1)) == 2


def test_plain_operators_are_of_one_thread_only(monkeypatch):
    """A file is exported while another thread predicts."""
    fast = Backend('fast', double, runs_anywhere)
    operator = Operator('doubling', [fast, Backend(PLAIN, double, runs_anywhere)])
    monkeypatch.setenv('OCCUPANCY_DOUBLING', 'fast')
    elsewhere = []
    with plain_operators():
        assert operator.choose('cpu').name == PLAIN
        other = threading.Thread(target=lambda: elsewhere.append(operator.choose('cpu').name))
        other.start()
        other.join()
    assert elsewhere == ['fast']
    assert operator.choose('cpu').name == 'fast'


@pytest.mark.parametrize(
    'operator', [ATTENTION, CONVOLUTION, FROZEN_NORM, MAX_POOL, PULL, SPLAT], ids=lambda each: each.name
)
def test_every_operator_has_a_plain_backend(operator):
    with plain_operators():
        assert operator.choose('cpu').name == PLAIN
