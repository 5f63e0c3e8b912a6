"""CUDA graphs of the detector: they compute what it computes without. Most of it needs a GPU."""

import copy
import threading
import weakref

import pytest
import torch
from small_model import images, rig, sample, small_detector

from project.models.capture import Part
from project.models.graphs import VARIABLE, Graphs, _Captured

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='CUDA graphs need a GPU')


def frame(seed=0, **metainfo):
    """A batch on the device."""
    torch.manual_seed(seed)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    data_sample = sample(**metainfo)
    data_sample.gt_occupancy = data_sample.gt_occupancy.to(device)
    return {'imgs': images()['imgs'].to(device)}, [data_sample]


def losses_and_gradients(detector, batch):
    """One pass in training, without an optimiser."""
    detector.zero_grad()
    with torch.autocast('cuda', torch.bfloat16):
        losses = detector(*batch, mode='loss')
    sum(losses.values()).backward()
    found = {name: loss.detach().clone() for name, loss in losses.items()}
    return found, [None if each.grad is None else each.grad.clone() for each in detector.parameters()]


@pytest.fixture
def pair(monkeypatch):
    """A detector and its twin; the twin is to be run without graphs. No dropout: the two draw different numbers."""
    monkeypatch.delenv(VARIABLE, raising=False)
    detector = small_detector().cuda()
    for module in detector.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return detector, copy.deepcopy(detector)


def plain(monkeypatch, function, *args):
    with monkeypatch.context() as context:
        context.setenv(VARIABLE, '0')
        return function(*args)


def test_queries_to_spare_change_nothing():
    detector = small_detector().eval()
    inputs = images()['imgs']
    cameras = torch.from_numpy(rig())[None].float()
    least = int(detector.encoder.most_seen(cameras, inputs.shape[-2:]))
    assert least > 1
    exact, spare = (detector._logits(inputs, cameras, capacity=least + more) for more in (0, 3))
    torch.testing.assert_close(spare, exact)
    torch.testing.assert_close(detector._logits(inputs, cameras), exact)


def test_no_graphs_on_a_cpu():
    detector = small_detector()
    with torch.autocast('cpu', torch.bfloat16):
        assert not Graphs(detector).usable(torch.zeros(1))


def test_a_copy_has_graphs_of_its_own():
    detector = small_detector()
    twin = copy.deepcopy(detector)
    assert twin._graphs is not detector._graphs
    assert twin._graphs._model is twin


class Recorded(Graphs):
    """Captures nothing, and writes down what it would."""

    def __init__(self, model):
        super().__init__(model)
        self.log = []

    def _capture(self, compute, tensors, capacity, settings):
        self.log.append((tensors[0].shape[0], capacity))
        return _Captured(settings, capacity, lambda *tensors: 'replayed')


def needed(capacity):
    return lambda: torch.tensor(capacity)


def computed(tensor, capacity):
    return 'computed'


def test_a_graph_is_captured_at_the_second_batch_in_a_row():
    graphs = Recorded(torch.nn.Linear(1, 1))
    full, last = torch.zeros(4), torch.zeros(3)
    asked = [(full, 5), (full, 5), (full, 4), (last, 5), (full, 5), (full, 6), (last, 5), (last, 5)]
    found = [graphs(computed, (tensor,), needed(capacity)) for tensor, capacity in asked]
    # A smaller batch, once, is computed without a graph and costs the larger ones nothing.
    assert found == ['computed', *['replayed'] * 2, 'computed', *['replayed'] * 2, 'computed', 'replayed']
    assert graphs.log == [(4, 5), (4, 6), (3, 5)]


def test_the_last_batch_of_each_epoch_takes_no_graph():
    graphs = Recorded(torch.nn.Linear(1, 1))
    epoch = [torch.zeros(4)] * 3 + [torch.zeros(3)]
    for tensor in epoch * 3:
        graphs(computed, (tensor,), needed(5))
    assert graphs.log == [(4, 5)]


def other(tensor, capacity):
    return 'computed'


def test_what_could_not_be_captured_is_not_tried_again_and_leaves_the_rest():
    class Refusing(Recorded):
        def _capture(self, compute, tensors, capacity, settings):
            captured = super()._capture(compute, tensors, capacity, settings)
            return captured if compute is other else None

    graphs = Refusing(torch.nn.Linear(1, 1))
    found = [graphs(compute, (torch.zeros(4),), needed(5)) for _ in range(4) for compute in (other, computed)]
    assert found[::2] == ['computed', *['replayed'] * 3] and found[1::2] == ['computed'] * 4
    assert len(graphs.log) == 2


def test_a_graph_is_gone_before_the_next_is_captured():
    before = []

    class Watched(Recorded):
        def _capture(self, compute, tensors, capacity, settings):
            assert all(reference() is None for reference in before), 'memory for two graphs'

            class Replay:  # in a cycle, as every class is
                pass

            before.append(weakref.ref(Replay))
            return _Captured(settings, capacity, lambda *tensors: Replay and 'replayed')

    graphs = Watched(torch.nn.Linear(1, 1))
    found = [graphs(computed, (torch.zeros(4),), needed(capacity)) for capacity in (5, 5, 6, 7)]
    assert found == ['computed', *['replayed'] * 3] and len(before) == 3


def test_training_and_evaluation_do_not_share_a_graph():
    model = torch.nn.Linear(1, 1)
    graphs = Recorded(model)
    for _ in range(2):
        for training in (True, True, False, False):
            model.train(training)
            graphs(computed, (torch.zeros(4),), needed(5))
    assert graphs.log == [(4, 5), (4, 5)]


def test_another_precision_is_another_graph():
    graphs, before = Recorded(torch.nn.Linear(1, 1)), torch.get_autocast_dtype('cuda')
    try:
        for dtype in (torch.bfloat16, torch.bfloat16, torch.float16, torch.float16):
            torch.set_autocast_dtype('cuda', dtype)
            graphs(computed, (torch.zeros(4),), needed(5))
    finally:
        torch.set_autocast_dtype('cuda', before)
    assert graphs.log == [(4, 5), (4, 5)]


def test_gradients_of_aliases_are_those_of_the_parameters():
    detector = small_detector()
    detector.head.conv1.weight.requires_grad_(False)
    batch = images()['imgs'], torch.from_numpy(rig())[None].float(), sample().gt_occupancy[None]
    part = Part(detector, detector._losses, {'capacity': 40})
    parameters, leaves, compute = part.aliased(batch)
    torch.manual_seed(2)
    found = torch.autograd.grad(sum(compute().values()), leaves, allow_unused=True)
    assert all(parameter.grad is None for parameter in parameters)
    torch.manual_seed(2)
    expected = torch.autograd.grad(sum(part(*batch).values()), parameters, allow_unused=True)
    assert len(found) == len([each for each in detector.parameters() if each.requires_grad])
    torch.testing.assert_close(found, expected)
    # An optimiser's step is one for the aliases, too.
    with torch.no_grad():
        parameters[0].add_(1)
    assert torch.equal(leaves[0], parameters[0])


@needs_gpu
def test_training(pair, monkeypatch):
    detector, twin = pair
    for seed in range(4):
        batch = frame(seed)
        found, gradients = losses_and_gradients(detector, batch)
        expected, their_gradients = plain(monkeypatch, losses_and_gradients, twin, batch)
        torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
        for ours, theirs in zip(gradients, their_gradients, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                assert (ours - theirs).norm() <= 0.05 * theirs.norm() + 1e-4
    assert len(detector._graphs._captured) == 1 and not twin._graphs._captured
    for ours, theirs in zip(detector.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2)


@needs_gpu
def test_prediction(pair, monkeypatch):
    detector, twin = (each.eval() for each in pair)

    @torch.no_grad()
    def logits(model, batch):
        with torch.autocast('cuda', torch.bfloat16):
            return model(*batch, mode='tensor').float()

    # Cameras nearer to the ground see fewer cells, those further up more than the graph has room for.
    for height in (1.0, 1.0, 0.5, 30.0):
        batch = frame(1, lidar2img=rig(height=height))
        found, expected = logits(detector, batch), plain(monkeypatch, logits, twin, batch)
        assert (found - expected).norm() < 0.02 * expected.norm()
    with torch.no_grad():
        for each in (detector, twin):
            each.head.classifier.weight.mul_(2)
    found, expected = logits(detector, batch), plain(monkeypatch, logits, twin, batch)
    assert (found - expected).norm() < 0.02 * expected.norm()


@needs_gpu
def test_another_precision(pair, monkeypatch):
    detector, twin = (each.eval() for each in pair)

    @torch.no_grad()
    def logits(model, dtype):
        with torch.autocast('cuda', dtype):
            return model(*frame(), mode='tensor')

    for dtype in (torch.bfloat16, torch.bfloat16, torch.float16, torch.float16, torch.bfloat16):
        found, expected = logits(detector, dtype), plain(monkeypatch, logits, twin, dtype)
        assert found.dtype == expected.dtype == dtype
        assert (found - expected).norm() < 0.02 * expected.norm()


@needs_gpu
def test_gradients_add_up_over_passes(pair, monkeypatch):
    detector, twin = pair

    def twice(model):
        model.zero_grad()
        for seed in (5, 6):
            with torch.autocast('cuda', torch.bfloat16):
                losses = model(*frame(seed), mode='loss')
            sum(losses.values()).backward()
        return [each.grad for each in model.parameters()]

    for _ in range(2):
        for ours, theirs in zip(twice(detector), plain(monkeypatch, twice, twin), strict=True):
            assert (ours - theirs).norm() <= 0.05 * theirs.norm() + 1e-4


@needs_gpu
def test_the_same_seed_gives_the_same_dropout(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    detector, batch = small_detector().cuda(), frame()

    def losses():
        torch.manual_seed(3)
        return losses_and_gradients(detector, batch)[0]

    losses(), losses()  # the second captures
    first = losses()
    assert detector._graphs._captured
    torch.testing.assert_close(losses(), first, rtol=1e-3, atol=1e-3)
    torch.manual_seed(4)
    other = losses_and_gradients(detector, batch)[0]
    assert any(abs(other[name] - first[name]) > 1e-3 for name in first)


@needs_gpu
def test_other_threads_may_use_the_device(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    detector, stop, failed = small_detector().cuda(), threading.Event(), []

    def pin():
        size = 1000
        while not stop.is_set():
            try:
                torch.empty(size).pin_memory().cuda(non_blocking=True)
            except RuntimeError as error:
                failed.append(error)
                return
            size = size * 3 // 2 if size < 10**7 else 1000

    thread = threading.Thread(target=pin)
    thread.start()
    for seed in range(4):
        losses_and_gradients(detector, frame(seed))
    stop.set()
    thread.join()
    assert detector._graphs._captured and not detector._graphs._refused and not failed


@needs_gpu
def test_what_cannot_be_captured_is_computed_without(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    detector = small_detector().cuda()
    plain_loss = detector.head.loss
    # Numbers that the host has to wait for cannot be part of a graph.
    monkeypatch.setattr(
        detector.head, 'loss', lambda *args: {k: v * float(v > 0) for k, v in plain_loss(*args).items()}
    )
    found = [losses_and_gradients(detector, frame())[0] for _ in range(3)]
    assert detector._graphs._refused
    assert all(torch.isfinite(loss) for losses in found for loss in losses.values())


@needs_gpu
def test_nodes_of_the_default_stream_do_not_matter(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    detector = small_detector().cuda()
    # As distributed training does, to be told of gradients.
    nodes = [each.expand_as(each).grad_fn.next_functions[0][0] for each in detector.parameters()]
    for seed in range(3):
        losses_and_gradients(detector, frame(seed))
    assert nodes and detector._graphs._captured and not detector._graphs._refused
