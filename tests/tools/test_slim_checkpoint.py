"""tools/slim_checkpoint.py: the weights alone, in half precision."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from project.engine.checkpoint import read_checkpoint

SCRIPT = str(Path(__file__).parents[2] / 'tools' / 'slim_checkpoint.py')


def slim(monkeypatch, *paths):
    monkeypatch.setattr(sys, 'argv', ['slim_checkpoint.py', *map(str, paths)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(SCRIPT, run_name='__main__')
    return end.value.code


def test_weights_and_names_stay(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    weights = {'a.weight': torch.randn(7, 5), 'a.bias': torch.randn(7), 'a.steps': torch.tensor(3)}
    described = {'label_names': ['noise', 'car'], 'cameras': ['CAM_FRONT']}
    meta = {'dataset_meta': described, 'cfg': 'a long text', 'epoch': 5}
    torch.save({'state_dict': weights, 'optimizer': {'state': weights}, 'meta': meta}, tmp_path / 'epoch_5.pth')
    assert slim(monkeypatch, tmp_path / 'epoch_5.pth', tmp_path / 'slim.pth') == 0
    assert 'slim.pth: 0.0 MB' in capsys.readouterr().out
    content = read_checkpoint(tmp_path / 'slim.pth')
    assert set(content) == {'state_dict', 'meta'} and content['meta'] == {'dataset_meta': described}
    torch.testing.assert_close(content['state_dict']['a.weight'], weights['a.weight'].half(), rtol=0, atol=0)
    for name in ('a.bias', 'a.steps'):
        torch.testing.assert_close(content['state_dict'][name], weights[name], rtol=0, atol=0)


def test_weights_that_are_too_large_are_refused(tmp_path, monkeypatch, capsys):
    torch.save({'weight': torch.full((2, 2), 1e5)}, tmp_path / 'large.pth')
    assert slim(monkeypatch, tmp_path / 'large.pth', tmp_path / 'slim.pth') == 2
    assert 'half precision cannot hold weight' in capsys.readouterr().err
    assert not (tmp_path / 'slim.pth').exists()
