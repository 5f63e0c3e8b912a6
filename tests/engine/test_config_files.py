"""Configurations as files and options have them, and what is wrong with them."""

import os
from pathlib import Path

import pytest
from mmengine.config import Config

from project.engine.config_files import read_config

TOY = Path(__file__).with_name('toy_config.py')


def test_what_is_no_configuration_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no configuration .*absent\.py'):
        read_config(tmp_path / 'absent.py')
    with pytest.raises(ValueError, match=r'runtime\.py: sets no model, train_dataloader, test_dataloader'):
        read_config(TOY.parents[2] / 'config/_base_/runtime.py')
    (tmp_path / 'broken.py').write_text('model = dict(')
    (tmp_path / 'notes.txt').write_text('model = 1')
    (tmp_path / 'orphan.py').write_text('_base_ = "absent.py"')
    for name in ('broken.py', 'notes.txt', 'orphan.py'):
        with pytest.raises(ValueError, match=rf'{name}: not a configuration \('):
            read_config(tmp_path / name)


def test_an_error_within_a_configuration_or_its_base_has_a_line(tmp_path):
    (tmp_path / 'base.py').write_text('a = 1\nb = unknown\n')
    (tmp_path / 'child.py').write_text('_base_ = "base.py"')
    for name in ('base.py', 'child.py'):
        fault = rf"{name}: not a configuration \(.*base\.py, line 2: NameError: name 'unknown' is not defined\)"
        with pytest.raises(ValueError, match=fault):
            read_config(tmp_path / name)


def test_options_replace_entries():
    config = read_config(TOY, ['model.channels=3', 'custom_hooks.0.priority=LOW', 'load_from=None'])
    assert config.model.channels == 3 and config.custom_hooks[0].priority == 'LOW'
    # What is not set may be: arguments of the runner, and what the runner looks up.
    assert read_config(TOY, ['log_processor.window_size=5', 'find_unused_parameters=True']).find_unused_parameters


def test_earlier_names_are_understood(tmp_path):
    (tmp_path / 'old.py').write_text(
        f"_base_ = '{TOY}'\n"
        "pipeline = [dict(type='LoadOccupancyLabels', seed_compatible=True)]\n"
        "param_scheduler = [dict(type='OccupancySeedLR', by_epoch=False)]\n"
    )
    config = read_config(tmp_path / 'old.py', ['model.seed_compatible=True'])
    assert config.model.baseline_compatible and config.pipeline[0].baseline_compatible
    assert 'seed_compatible' not in config.pretty_text
    assert config.param_scheduler[0].type == 'OccupancyBaselineLR'


@pytest.mark.parametrize(
    ('option', 'fault'),
    [
        ('max_epochs', 'give KEY=VALUE'),
        ('modle.channels=3', 'the configuration has no modle; did you mean model'),
        ('zebra=3', 'the configuration has no zebra$'),
        ('custom_hooks.7.priority=LOW', 'custom_hooks.7.priority=LOW: '),
        ('model.channels=[(1]', r'model.channels=\[\(1\]: '),
        ('train_dataloader.batch_size=abc', 'train_dataloader.batch_size=abc: give a whole number from 1 up'),
        ('val_dataloader.batch_size=0', 'val_dataloader.batch_size=0: give a whole number from 1 up'),
        ('test_dataloader.num_workers=-1', 'test_dataloader.num_workers=-1: give a whole number from 0 up'),
        ('train_cfg.max_epochs=0', 'train_cfg.max_epochs=0: give a whole number from 1 up'),
    ],
)
def test_options_that_cannot_be_are_refused(option, fault):
    with pytest.raises(ValueError, match=fault):
        read_config(TOY, [option])


def test_without_validation(tmp_path):
    config = Config.fromfile(TOY)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.dump(tmp_path / 'toy.py')
    assert read_config(tmp_path / 'toy.py').val_dataloader is None


@pytest.mark.parametrize('name', ["it's", 'a"b', 'a#b', 'a{b}', 'a$HOME', r'a\new', 'a,b %d', '{{x}}', 'é'])
def test_a_dataroot_is_what_the_environment_says_whatever_is_in_its_name(name, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', f'/data/{name}/')
    config = read_config(TOY.parents[2] / 'config/occupancy_tiny.py')
    assert config.data_root == config.train_dataloader.dataset.data_root == f'/data/{name}/'
    assert os.environ['DATA_ROOT'] == f'/data/{name}/'
