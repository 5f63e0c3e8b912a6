"""Checkpoint files: what goes in, what comes out, what is refused."""

import codecs
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import nn

from project.engine.checkpoint import read_checkpoint, write_checkpoint
from project.engine.message_hub import hub_state, restore_hub
from project.engine.weights import load_matching, load_strictly, weights_of


class Intruder:
    def __reduce__(self):
        return print, ('this ran',)


class ThroughGetattr:
    def __reduce__(self):
        return getattr, (HistoryBuffer, 'update')


def test_plain_data_comes_back(tmp_path):
    content = {
        'state_dict': {'a': torch.arange(3.0)},
        'meta': {'epoch': np.int64(3), 'folder': Path('x/y'), 'scores': [np.float32(0.5), None], 'pair': (1, 'b')},
        'array': np.eye(2),
    }
    write_checkpoint(tmp_path / 'c.pth', content)
    loaded = torch.load(tmp_path / 'c.pth', weights_only=True)
    assert loaded['meta'] == {'epoch': 3, 'folder': 'x/y', 'scores': [0.5, None], 'pair': (1, 'b')}
    assert torch.equal(loaded['array'], torch.eye(2, dtype=torch.float64))
    assert torch.equal(read_checkpoint(tmp_path / 'c.pth')['state_dict']['a'], torch.arange(3.0))


def test_what_cannot_be_plain_is_refused_and_leaves_the_old_file(tmp_path):
    write_checkpoint(tmp_path / 'c.pth', {'a': 1})
    with pytest.raises(TypeError, match='cannot hold a .*Intruder'):
        write_checkpoint(tmp_path / 'c.pth', {'a': [Intruder()]})
    assert read_checkpoint(tmp_path / 'c.pth') == {'a': 1}
    assert [path.name for path in tmp_path.iterdir()] == ['c.pth']


@pytest.mark.parametrize('content', [Intruder(), {'a': ThroughGetattr()}])
def test_code_is_not_run(tmp_path, content, capsys):
    torch.save(content, tmp_path / 'c.pth')
    with pytest.raises(ValueError, match=r'c\.pth: not a checkpoint of weights and plain data'):
        read_checkpoint(tmp_path / 'c.pth')
    assert 'this ran' not in capsys.readouterr().out


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no checkpoint'):
        read_checkpoint(tmp_path / 'absent.pth')
    (tmp_path / 'text.pth').write_text('hello')
    (tmp_path / 'list.pth').write_bytes(pickle.dumps([1, 2]))
    torch.save({'state_dict': torch.zeros(3)}, tmp_path / 'tensor.pth')
    torch.save({'weights': torch.zeros(1000)}, tmp_path / 'half.pth')
    (tmp_path / 'half.pth').write_bytes((tmp_path / 'half.pth').read_bytes()[:2000])
    for name in ('text.pth', 'list.pth', 'tensor.pth', 'half.pth'):
        with pytest.raises(ValueError, match=name):
            read_checkpoint(tmp_path / name)


def test_checkpoints_of_mmengine_load_with_their_history(tmp_path):
    hub = MessageHub('mmengine checkpoint')
    for value in (3.0, 2.0):
        hub.update_scalar('train/loss', value)
    hub.update_info('best_score', np.float64(1.5))
    torch.save({'state_dict': {'a': torch.ones(1)}, 'message_hub': hub.state_dict()}, tmp_path / 'old.pth')
    checkpoint = read_checkpoint(tmp_path / 'old.pth')
    restored = MessageHub('restored')
    restore_hub(restored, checkpoint['message_hub'])
    assert restored.get_scalar('train/loss').mean() == 2.5
    assert restored.get_info('best_score') == 1.5


def test_the_hub_survives_as_plain_data(tmp_path):
    hub = MessageHub('plain')
    for value in range(2000):
        hub.update_scalar('train/loss', float(value))
    hub.update_info_dict({'best_ckpt': 'b.pth', 'cfg': 'long text', 'object': object()})
    write_checkpoint(tmp_path / 'c.pth', hub_state(hub))
    restored = MessageHub('from plain')
    restore_hub(restored, read_checkpoint(tmp_path / 'c.pth'))
    assert restored.get_scalar('train/loss').mean(10) == hub.get_scalar('train/loss').mean(10)
    assert dict(restored.runtime_info) == {'best_ckpt': 'b.pth'}


def model() -> nn.Module:
    return nn.ModuleDict({'img_backbone': nn.Linear(3, 4), 'head': nn.Linear(4, 2)})


def test_weights_of_another_model_are_refused_whole():
    other = nn.ModuleDict({'img_backbone': nn.Linear(3, 5), 'neck': nn.Linear(4, 2)}).state_dict()
    target = model()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(ValueError, match=r'x\.pth is .* of 4 weights: 2 missing \(head.* 2 unknown \(neck.* 2 of an'):
        load_strictly(target, other, 'x.pth')
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


def test_weights_load_strictly_also_from_distributed_training():
    source, target = model(), model()
    load_strictly(target, weights_of({'state_dict': {f'module.{k}': v for k, v in source.state_dict().items()}}), 'x')
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in target.state_dict().items())


def test_pretrained_weights_are_matched_and_reported():
    source = {'backbone.weight': torch.ones(4, 3), 'backbone.bias': torch.ones(5), 'neck.bias': torch.ones(2)}
    target = model()
    report = load_matching(target, source, 'x.pth')
    assert (target['img_backbone'].weight == 1).all()
    assert report == (
        'loaded 1 of 4 weights from x.pth; '
        '3 of the model start from their initial values (head.bias, head.weight, img_backbone.bias); '
        '1 of the file are not used (neck.bias); 1 of the file have another shape (img_backbone.bias)'
    )
    with pytest.raises(ValueError, match=r'x\.pth: none of its 1 weights'):
        load_matching(target, {'stem.weight': torch.ones(1)}, 'x.pth')


def forged(path: Path, was: bytes, now: bytes) -> None:
    """A checkpoint with other bytes in its pickle."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in parts.items():
            assert was in content or not name.endswith('data.pkl')
            archive.writestr(name, content.replace(was, now))


class Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    'content', [Calls(bytearray, 10**13), Calls(torch.FloatTensor, 10**10), Calls(codecs.encode, 'aa', 'hex')]
)
@pytest.mark.parametrize('archive', [True, False])
def test_what_allocates_at_will_is_refused(content, archive, tmp_path):
    torch.save({'a': content}, tmp_path / 'c.pth', _use_new_zipfile_serialization=archive)
    with pytest.raises(ValueError, match=r'c\.pth: not a checkpoint of weights and plain data.*it asks for'):
        read_checkpoint(tmp_path / 'c.pth')


def test_a_checkpoint_that_unpacks_to_more_than_its_size_is_refused(tmp_path):
    torch.save({'a': torch.zeros(1 << 20)}, tmp_path / 'c.pth')
    with zipfile.ZipFile(tmp_path / 'c.pth') as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / 'c.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match='unpacks to more than its own size'):
        read_checkpoint(tmp_path / 'c.pth')


def test_tensors_that_lie_about_their_size_are_refused(tmp_path):
    torch.save({'a': torch.zeros(1).expand(10**6, 10**6)}, tmp_path / 'strides.pth')
    torch.save({'a': torch.zeros(8)}, tmp_path / 'storage.pth')
    forged(tmp_path / 'storage.pth', b'K\x08tq', b'J\x00\x00\x00\x10tq')
    for name, reason in (('strides.pth', 'is larger than the file'), ('storage.pth', 'does not match')):
        with pytest.raises(ValueError, match=f'{name}: not a readable checkpoint.*{reason}'):
            read_checkpoint(tmp_path / name)


def test_forged_arrays_in_a_history_are_refused(tmp_path):
    for dtype in (np.dtype('O'), np.dtype('f8')):
        history = HistoryBuffer()
        history._log_history = np.array([1.0], dtype)
        torch.save({'a': history}, tmp_path / 'c.pth')
        if dtype == np.dtype('f8'):
            forged(tmp_path / 'c.pth', b'X\x02\x00\x00\x00f8', b'X\x02\x00\x00\x00O8')
        with pytest.raises(ValueError, match=r"c\.pth: .*an array of 'O8', not of numbers"):
            read_checkpoint(tmp_path / 'c.pth')


def test_checkpoints_of_old_versions_of_torch_load(tmp_path):
    content = {'state_dict': {'a': torch.arange(3.0), 'b': torch.zeros(2, dtype=torch.bfloat16)}, 'meta': {'epoch': 2}}
    torch.save(content, tmp_path / 'c.pth', _use_new_zipfile_serialization=False)
    read = read_checkpoint(tmp_path / 'c.pth')
    assert torch.equal(read['state_dict']['a'], torch.arange(3.0))
    assert read['meta'] == {'epoch': 2}
