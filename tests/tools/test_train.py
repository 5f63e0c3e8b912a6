"""launcher.sh, tools/train.py and tools/test.py from the shell, on a toy and a CPU."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TOY = 'tests/engine/toy_config.py'


def shell(*command: str | Path, **environment: str) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT / 'tests/engine'),
        'TOY_KILL_AT': '',
        'CUDA_VISIBLE_DEVICES': '',
        'OMP_NUM_THREADS': '1',
        'PYTHONFAULTHANDLER': '1',
        'PYTHON': sys.executable,
        **environment,
    }
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope='module')
def trained(tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('trained')
    done = shell('bash', 'launcher.sh', TOY, work_dir, '--amp', '--cfg-options', 'train_cfg.max_epochs=1')
    assert done.returncode == 0, done.stderr
    return work_dir


def test_training_leaves_checkpoints_config_versions_and_scalars(trained):
    names = {path.name for path in trained.iterdir()}
    assert {'epoch_1.pth', 'last_checkpoint', 'toy_config.py', 'versions.json'} <= names
    assert 'OccupancyBfloat16OptimWrapper' in (trained / 'toy_config.py').read_text()
    assert json.loads((trained / 'versions.json').read_text())['torch']
    assert list(trained.glob('*/vis_data/events.out.tfevents.*'))
    (scalars,) = trained.glob('*/vis_data/scalars.json')
    assert '"IoU/car"' in scalars.read_text()
    (log,) = trained.glob('*/*.log')
    (summary,) = re.findall(r'Epoch\(val\) .* mIoU: .*', log.read_text())
    assert ' geometric_IoU: ' in summary and ' data_time: ' in summary and 'IoU/' not in summary


def test_a_checkpoint_is_tested(trained, tmp_path):
    options = ['--save-predictions', tmp_path / 'predictions', '--geometric']
    done = shell(sys.executable, 'tools/test.py', TOY, trained / 'epoch_1.pth', *options)
    assert done.returncode == 0, done.stderr
    assert 'geometric IoU' in done.stdout
    result = json.loads((trained / 'test' / 'epoch_1.json').read_text())
    assert f'mIoU {result["mIoU"]:.3f}' in ' '.join(done.stdout.split())
    assert result['checkpoint'] == str(trained / 'epoch_1.pth') and result['samples'] == 5
    predictions = sorted((tmp_path / 'predictions').iterdir())
    assert [path.name for path in predictions] == [f'{index:032x}.npz' for index in range(5)]
    with np.load(predictions[0]) as saved:
        assert saved['arr_0'].dtype == np.uint8 and saved['arr_0'].shape == (7, 5, 3)


@pytest.mark.slow
def test_another_models_checkpoint_is_one_sentence(trained, tmp_path):
    options = ['--work-dir', tmp_path, '--cfg-options', 'model.channels=7']
    done = shell(sys.executable, 'tools/test.py', TOY, trained / 'epoch_1.pth', *options)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith('error: ') and 'another model' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    ('wrong', 'sentence'),
    [
        (['--json', 'README.md/x.json'], 'README.md is a file, not a folder'),
        (['--save-predictions', 'README.md'], 'README.md is a file, not a folder'),
        (['--work-dir', 'README.md/x'], 'README.md is a file, not a folder'),
        (['--protocols', 'miou'], "invalid choice: 'miou'"),
    ],
)
def test_a_test_that_cannot_end_well_does_not_begin(tmp_path, monkeypatch, capsys, wrong, sentence):
    from project.commands.occ_test import program
    from project.engine import OccupancyRunner

    (tmp_path / 'a.pth').touch()
    monkeypatch.setattr(sys, 'argv', ['test.py', 'config/occupancy_tiny.py', str(tmp_path / 'a.pth'), *wrong])
    monkeypatch.setattr(OccupancyRunner, 'from_cfg', None)
    with pytest.raises(SystemExit, match='2'):
        program()
    said = capsys.readouterr().err
    assert 'error: ' in said and sentence in said


def test_help_of_a_test_needs_no_torch():
    done = shell(sys.executable, '-X', 'importtime', 'tools/test.py', '--help')
    assert done.returncode == 0 and ' torch\n' not in done.stderr and ' argparse\n' in done.stderr


@pytest.mark.slow
def test_two_processes_on_a_cpu(tmp_path):
    done = shell('bash', 'launcher.sh', TOY, tmp_path, '--cfg-options', 'train_cfg.max_epochs=1', GPUS='2')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'trail_1.txt').exists() and (tmp_path / 'epoch_1.pth').exists()


def test_a_port_in_use_is_named():
    with socket.create_server(('', 0)) as server:
        port = str(server.getsockname()[1])
        done = shell('bash', 'launcher.sh', TOY, GPUS='2', PORT=port)
    assert done.returncode == 2
    assert done.stderr == (
        f'launcher.sh: port {port} cannot be used here, by another training perhaps: set PORT to one that is free\n'
    )


def test_the_launcher_explains_itself():
    help_text = shell('bash', 'launcher.sh', '--help')
    assert help_text.returncode == 0 and 'MASTER_ADDR' in help_text.stdout
    for command, environment, sentence in [
        (['bash', 'launcher.sh'], {}, 'usage:'),
        (['bash', 'launcher.sh', 'config/absent.py'], {}, 'launcher.sh: there is no configuration config/absent.py'),
        (['bash', 'launcher.sh', TOY], {'GPUS': 'two'}, 'GPUS=two is not a number'),
        (['bash', 'launcher.sh', TOY], {'NODE_RANK': '2'}, 'NODE_RANK=2 must be below NNODES=1'),
        (['bash', 'launcher.sh', TOY], {'PYTHON': '/bin/false'}, '/bin/false cannot import torch'),
        (['bash', 'tools/slurm_train.sh', 'part'], {}, 'PARTITION JOB_NAME CONFIG'),
        (['bash', 'tools/slurm_train.sh', 'part', 'job', TOY], {}, 'there is no srun here'),
    ]:
        done = shell(*command, **environment)
        assert done.returncode == 2 and sentence in done.stderr, (command, done.stderr)
