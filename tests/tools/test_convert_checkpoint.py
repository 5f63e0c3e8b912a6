"""tools/convert_checkpoint.py on the golden weights of the baseline."""

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get('OCCUPANCY_GOLDEN', ROOT.parent / 'shared' / 'golden'))

pytestmark = pytest.mark.skipif(
    not (GOLDEN / 'state_dict.npz').exists(),
    reason=f'no numbers of the baseline in {GOLDEN} (set OCCUPANCY_GOLDEN)',
)


@pytest.fixture
def convert(monkeypatch):
    """Runs the command in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['convert_checkpoint.py', *map(str, arguments)])
        try:
            runpy.run_path(str(ROOT / 'tools' / 'convert_checkpoint.py'), run_name='__main__')
        except SystemExit as end:
            if end.code != 0:
                raise

    return run


@pytest.fixture(scope='module')
def weights():
    with np.load(GOLDEN / 'state_dict.npz') as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """A configuration of the golden model."""
    sys.path.insert(0, str(ROOT / 'tests' / 'models'))
    from golden_model import grid, numbers, parts

    path = tmp_path_factory.mktemp('config') / 'golden.py'
    golden = numbers('config')
    box = grid(golden)
    options = dict(type='OccupancyBEVFormer', baseline_compatible=True, **parts(golden['model']))
    options['grid'] = dict(frame=box.frame, extent=box.extent, voxel_size=box.voxel_size)
    Config(dict(model=options)).dump(path)
    return path


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_golden_weights_fit_the_golden_model(convert, weights, config, tmp_path, capsys, prefix):
    torch.save({'state_dict': {prefix + name: tensor for name, tensor in weights.items()}}, tmp_path / 'baseline.pth')
    convert(tmp_path / 'baseline.pth', tmp_path / 'ours.pth', '--config', config)
    assert f'{len(weights) - 3} of {len(weights)} weights renamed' in capsys.readouterr().out
    ours = torch.load(tmp_path / 'ours.pth', weights_only=True)['state_dict']
    assert torch.equal(ours['encoder.queries'], weights['pts_bbox_head.bev_embedding.weight'])


@pytest.mark.parametrize('change', ['drop', 'add'])
def test_a_checkpoint_that_does_not_fit_is_refused(convert, weights, config, tmp_path, capsys, change):
    weights = dict(weights)
    if change == 'drop':
        del weights['fusion_head.classifier.bias']
    else:
        weights['fusion_head.extra.weight'] = torch.zeros(1)
    torch.save({'state_dict': weights}, tmp_path / 'baseline.pth')
    named = {'drop': 'head.classifier.bias', 'add': 'fusion_head.extra.weight'}[change]
    with pytest.raises(SystemExit, match='2'):
        convert(tmp_path / 'baseline.pth', tmp_path / 'ours.pth', '--config', config)
    error = capsys.readouterr().err
    assert error.startswith('error: ') and named in error
    assert not (tmp_path / 'ours.pth').exists()


def test_wrong_files_are_one_sentence(convert, weights, config, tmp_path, capsys):
    torch.save({'state_dict': torch.zeros(3)}, tmp_path / 'tensor.pth')
    torch.save({'state_dict': weights}, tmp_path / 'baseline.pth')
    (tmp_path / 'unknown.py').write_text('model = unknown')
    (tmp_path / 'empty.py').write_text('a = 1')
    for checkpoint, output, wrong, sentence in [
        ('tensor.pth', 'ours.pth', config, 'tensor.pth: its "state_dict" is a Tensor'),
        ('baseline.pth', 'ours.pth', tmp_path / 'unknown.py', "line 1: NameError: name 'unknown'"),
        ('baseline.pth', 'ours.pth', tmp_path / 'empty.py', 'empty.py: sets no model'),
        ('baseline.pth', 'baseline.pth/ours.pth', config, 'baseline.pth'),
    ]:
        with pytest.raises(SystemExit, match='2'):
            convert(tmp_path / checkpoint, tmp_path / output, '--config', wrong)
        assert sentence in capsys.readouterr().err.splitlines()[-1]
