"""Command lines: how options change a configuration, and how errors are reported."""

from argparse import ArgumentParser
from pathlib import Path

import pytest
import torch
from mmdet3d.registry import METRICS
from mmengine.config import Config
from mmengine.registry import build_from_cfg

from project.cli import add_run_options
from project.engine import OccupancyRunner, command

TOY = str(Path(__file__).with_name('toy_config.py'))


def read(*arguments: str) -> Config:
    parser = ArgumentParser()
    parser.add_argument('config')
    add_run_options(parser, work_dir='somewhere')
    return command.configure(parser.parse_args(arguments))


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '0')


def test_options_reach_the_configuration(monkeypatch):
    monkeypatch.setenv('RANK', '0')
    config = read(TOY, '--cfg-options', 'train_cfg.max_epochs=12', 'model.channels=3', '--launcher', 'pytorch')
    assert config.train_cfg.max_epochs == 12 and config.model.channels == 3 and config.launcher == 'pytorch'
    assert config.work_dir == 'work_dirs/toy_config'
    assert read(TOY, '--work-dir', 'x').work_dir == 'x'


def test_a_launcher_that_did_not_start_this_process_is_refused(monkeypatch):
    for variable, launcher in [('RANK', 'pytorch'), ('SLURM_PROCID', 'slurm'), ('OMPI_COMM_WORLD_RANK', 'mpi')]:
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(
            ValueError, match=rf'--launcher {launcher}: start this command by .*, which sets {variable}'
        ):
            read(TOY, '--launcher', launcher)
    monkeypatch.setenv('SLURM_PROCID', '0')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='slurm needs a GPU'):
        read(TOY, '--launcher', 'slurm')


@pytest.mark.parametrize('kind', ['OptimWrapper', 'AmpOptimWrapper'])
def test_amp_is_bfloat16(kind):
    config = read(TOY)
    config.optim_wrapper.update(type=kind, **({'loss_scale': 'dynamic'} if kind == 'AmpOptimWrapper' else {}))
    command.use_bfloat16(config)
    assert config.optim_wrapper.type == 'OccupancyBfloat16OptimWrapper' and 'loss_scale' not in config.optim_wrapper
    config.optim_wrapper.type = 'OtherOptimWrapper'
    with pytest.raises(ValueError, match='OtherOptimWrapper'):
        command.use_bfloat16(config)


def test_bfloat16_is_that_of_the_forward_pass_only():
    from mmdet3d.registry import OPTIM_WRAPPERS

    model = torch.nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    wrapper = build_from_cfg(dict(type='OccupancyBfloat16OptimWrapper', optimizer=optimiser), OPTIM_WRAPPERS)
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 2))
    wrapper.update_params(output.float().sum())
    assert output.dtype == torch.bfloat16
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_results_go_beside_the_checkpoint(tmp_path):
    config, checkpoint = read(TOY), tmp_path / 'a.pth'
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*a\.pth to test'):
        command.use_checkpoint(config, str(checkpoint), None)
    checkpoint.touch()
    command.use_checkpoint(config, str(checkpoint), None)
    assert config.work_dir == str(tmp_path / 'test') and config.load_from == str(checkpoint) and not config.resume
    command.use_checkpoint(config, str(checkpoint), 'elsewhere')
    assert config.work_dir == 'elsewhere'


@pytest.fixture
def precisions(monkeypatch):
    """By kind of pass of the toy, the precisions that it was run in."""
    from toy import ToyModel

    found, forward = {}, ToyModel.forward

    def spying(self, inputs, data_samples, mode='tensor'):
        enabled = torch.is_autocast_enabled('cpu')
        found.setdefault(mode, set()).add(torch.get_autocast_dtype('cpu') if enabled else torch.float32)
        return forward(self, inputs, data_samples, mode)

    monkeypatch.setattr(ToyModel, 'forward', spying)
    return found


@pytest.mark.parametrize('amp', [False, True])
def test_validation_has_the_precision_of_training(precisions, tmp_path, amp):
    config = read(TOY, '--work-dir', str(tmp_path), '--cfg-options', 'train_cfg.max_epochs=1')
    config.custom_imports, config.custom_hooks, config.experiment_name = None, [], f'validation {amp}'
    if amp:
        command.use_bfloat16(config)
    OccupancyRunner.from_cfg(config).train()
    expected = {torch.bfloat16 if amp else torch.float32}
    assert precisions == {'loss': expected, 'predict': expected}


def test_bfloat16_without_validation():
    config = read(TOY)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    command.use_bfloat16(config)
    assert config.val_cfg is None


def test_tests_in_bfloat16(precisions, tmp_path):
    config = read(TOY, '--work-dir', str(tmp_path))
    config.custom_imports, config.custom_hooks, config.experiment_name = None, [], 'test'
    command.predict_in_bfloat16(config)
    runner = OccupancyRunner.from_cfg(config)
    assert torch.get_autocast_dtype('cuda') == torch.bfloat16
    runner.test()
    assert precisions == {'predict': {torch.bfloat16}}


def test_resuming_without_a_checkpoint_starts_anew(tmp_path, capsys):
    config = read(TOY, '--work-dir', str(tmp_path))
    command.resume_from(config, 'auto')
    assert not config.resume and 'starts from the beginning' in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match=r'no checkpoint .*absent\.pth'):
        command.resume_from(config, str(tmp_path / 'absent.pth'))


def test_learning_rate_scaling_needs_a_batch_size():
    config = read(TOY)
    command.scale_learning_rate(config)
    assert config.auto_scale_lr.enable
    config.auto_scale_lr = {}
    with pytest.raises(ValueError, match='base_batch_size'):
        command.scale_learning_rate(config)


def test_the_metric_takes_options_wherever_it_is():
    config = read(TOY)
    config.test_evaluator = [dict(type='Other'), dict(type='OccupancyMetric')]
    command.set_metric(config, mask='camera')
    assert config.test_evaluator[1].mask == 'camera'
    config.test_evaluator = dict(type='Other')
    with pytest.raises(ValueError, match='no OccupancyMetric'):
        command.set_metric(config, mask='camera')


@pytest.fixture
def message_of(capsys):
    def call(work) -> str:
        with pytest.raises(SystemExit) as stopped:
            command.run(work)
        assert stopped.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    return call


def test_protocols_join_the_metric_and_read_the_index_of_the_test():
    config = Config.fromfile('config/occupancy_tiny.py')
    command.add_protocols(config, ['rayiou'], 'scores.json')
    own, protocols = config.test_evaluator
    assert own['type'] == 'OccupancyMetric'
    assert protocols['type'] == 'ProtocolMetric' and protocols['protocols'] == ['rayiou']
    index = Path('project/data/nuscenes/occupancy/nuscenes_infos_val.pkl')
    assert Path(protocols['infos']) == index and protocols['json_path'] == 'scores.json'


def test_protocols_of_labels_without_a_camera_mask():
    config = Config.fromfile('config/occupancy_tiny.py')
    command.add_protocols(config, ['occ3d'], 'scores.json', camera_mask=False)
    metric = build_from_cfg(config.test_evaluator[1] | dict(infos=None), METRICS)
    assert not metric.protocols['occ3d'].camera_mask


def test_missing_pretrained_weights_name_the_remedy(message_of, tmp_path):
    config = read(TOY, '--work-dir', str(tmp_path), '--cfg-options', 'load_from=ckpts/absent.pth')
    config.custom_imports = None
    assert 'ckpts/README.md' in message_of(lambda: OccupancyRunner.from_cfg(config).train())
