"""Trainings of a table of accuracy: all are run, none twice, and failures are told. A stand-in trains."""

import json
import sys
from pathlib import Path

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.registry import init_default_scope

from project.engine.config_files import read_config
from tools.benchmark import main
from tools.benchmarks import accuracy
from tools.benchmarks.accuracy import Training

ABLATIONS = sorted((Path(accuracy.__file__).parent / 'ablations').glob('*.py'))
BASELINE_ABLATIONS = sorted((Path(accuracy.__file__).parent / 'ablations/baseline').glob('*.py'))

STAND_IN = """
import json, os, sys
from pathlib import Path
options = dict(each.split('=', 1) for each in sys.argv[sys.argv.index('--cfg-options') + 1 :])
seed, data = int(options['randomness.seed']), Path(os.environ['DATA_ROOT']).name
with open(os.environ['TRAINED'], 'a') as file:
    print(Path(sys.argv[1]).stem, data, seed, file=file)
if data == 'broken':
    sys.exit('no labels')
scores = {'mIoU': 10.0 + 2 * seed, 'geometric_IoU': 50.0 + float(options.get('more', 0))}
Path(options['val_evaluator.json_path']).write_text(json.dumps(scores))
if data == 'fails_late':
    sys.exit('no room for the checkpoint')
"""


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Runs a table in `tmp_path`; returns the exit code, what it printed on stderr, and which trainings began."""
    script, list_of = tmp_path / 'train.py', tmp_path / 'trained.txt'
    script.write_text(STAND_IN)
    monkeypatch.setattr(accuracy, 'TRAIN', [sys.executable, str(script)])
    monkeypatch.setenv('TRAINED', str(list_of))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    for name, text in (('base', '"""As it is.\n\nMore.\n"""\n'), ('other', '"""Without anything."""\n')):
        (tmp_path / f'{name}.py').write_text(text)

    def run(*arguments):
        list_of.write_text('')
        configs = [str(tmp_path / name) for name in ('base.py', 'other.py')]
        code = main(['accuracy', *configs, '--out', str(tmp_path / 'out'), '--at-a-time', '2', *arguments])
        return code, sorted(list_of.read_text().splitlines())

    return run


def test_all_are_trained_once_and_more_go_on(trained, tmp_path, capsys):
    code, began = trained('--data', str(tmp_path / 'town'), '--json', str(tmp_path / 'figures.json'))
    assert code == 0 and began == ['base town 0', 'base town 1', 'other town 0', 'other town 1']
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['Without anything']['town']['1'] == {'mIoU': 12.0, 'geometric_IoU': 50.0}
    assert 'As it is' in (said := capsys.readouterr().out) and '11.0 ±1.0 / 50.0 ±0.0' in said
    code, began = trained('--data', str(tmp_path / 'town'), '--seeds', '0', '1', '5')
    assert code == 0 and began == ['base town 5', 'other town 5']


def test_a_failure_costs_nobody_else_anything(trained, tmp_path, capsys):
    code, began = trained('--data', str(tmp_path / 'broken'), str(tmp_path / 'town'), '--seeds', '0')
    said = capsys.readouterr()
    assert code == 2 and len(began) == 4 and '2 trainings failed' in said.err
    log = tmp_path / 'out/base/broken/0/output.log'
    assert log.read_text() == 'no labels\n' and str(log) in said.out
    assert '-' in said.out and '10.0 / 50.0' in said.out
    assert trained('--data', str(tmp_path / 'broken'), '--seeds', '0')[1] == ['base broken 0', 'other broken 0']


def test_scores_of_a_training_that_fails_in_the_end_do_not_count(trained, tmp_path):
    for _ in range(2):
        assert trained('--data', str(tmp_path / 'fails_late'), '--seeds', '0') == (
            2,
            ['base fails_late 0', 'other fails_late 0'],
        )


def test_scores_of_other_options_are_not_mixed_in(trained, tmp_path, capsys, monkeypatch):
    assert trained('--data', str(tmp_path / 'town'), '--cfg-options', 'more=1')[0] == 0
    assert trained('--data', str(tmp_path / 'town'), '--cfg-options', 'more=2') == (2, [])
    assert 'was trained with other data or options' in capsys.readouterr().err
    assert trained('--data', str(tmp_path / 'elsewhere/town'), '--cfg-options', 'more=1') == (2, [])
    monkeypatch.setenv('ABLATED', 'another.py')
    assert trained('--data', str(tmp_path / 'town'), '--cfg-options', 'more=1') == (2, [])


def test_two_of_one_name_are_refused(trained, tmp_path, capsys):
    assert trained('--data', str(tmp_path / 'a/town'), str(tmp_path / 'b/town')) == (2, [])
    assert 'two data are called town' in capsys.readouterr().err


@pytest.mark.parametrize('config', [*ABLATIONS, *BASELINE_ABLATIONS], ids=lambda config: config.stem)
def test_ablations_differ_from_the_configuration_and_build(config):
    init_default_scope('mmdet3d')
    ablated = 'config/occupancy.py' if config in BASELINE_ABLATIONS else 'config/occupancy_lift.py'
    ours, base = (read_config(str(file), {}) for file in (config, ablated))
    assert any(ours[name] != base[name] for name in ('model', 'train_dataloader', 'optim_wrapper'))
    with torch.device('meta'):
        MODELS.build(ours.model)


@pytest.mark.parametrize('ablated', [None, 'config/occupancy_lift_tiny.py'])
def test_trainings_read_what_is_ablated(monkeypatch, tmp_path, ablated):
    monkeypatch.delenv('ABLATED', raising=False)
    if ablated:
        monkeypatch.setenv('ABLATED', str(Path(ablated).absolute()))
    for name, value in Training(ABLATIONS[0], tmp_path, 0, tmp_path).environment.items():
        monkeypatch.setenv(name, value)
    grid = read_config(str(ABLATIONS[0]), {}).model.grid
    assert grid == read_config(ablated or 'config/occupancy_lift.py', {}).model.grid


def test_a_row_is_compared_with_the_first_on_the_same_data_with_the_same_seeds():
    def runs(*scores):
        return {str(seed): {'mIoU': score, 'geometric_IoU': 2 * score} for seed, score in enumerate(scores)}

    scores = {
        'As it is': {'town': runs(10.0, 12.0), 'hill': runs(20.0)},
        'More': {'town': runs(10.5, 15.0), 'hill': runs(19.0, 90.0)},  # the seed of 90 has no partner
        'One': {'town': runs(9.0), 'hill': {}},
        'None': {'town': {}, 'hill': {}},
    }
    shown = accuracy.table(scores, ['town', 'hill'])
    mious, geometric = (list(column.cells) for column in shown.columns[-2:])
    assert mious == ['', '+0.8 (-1.0 to +3.0)', '-1.0', '-']
    assert geometric == ['', '+1.7 (-2.0 to +6.0)', '-2.0', '-']
