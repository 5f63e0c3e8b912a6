"""What the main install, without torch and mm*, can do; and that pyproject.toml and requirements.txt agree."""

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

BLOCK = """
import sys

ABSENT = {'torch', 'torchvision', 'triton', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmdet3d', 'cv2', 'matplotlib',
          'nuscenes', 'timm', 'tensorboard', 'pyquaternion', 'pandas'}

class Without:
    # As if the packages of the extra [model] were not installed.
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.split('.')[0] in ABSENT else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path if hasattr(finder, 'find_spec')]
"""

MODEL_SIDE = {
    'project.datasets',
    'project.engine',
    'project.inference',
    'project.models',
    'project.evaluation.metric',
    'project.evaluation.prediction_hook',
    'project.evaluation.protocols.protocol_metric',
    'project.evaluation.rays.casting_cuda',
    'project.evaluation.tensors',
    'project.visualization.browse',
    'project.visualization.hook',
    'project.visualization.mlflow_backend',
    'project.visualization.sources.model',
    'project.visualization.sources.samples',
}
"""Modules and packages that may need torch and mmdet3d; no other does."""


def without_model(program: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, '-c', BLOCK + program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def modules() -> list[str]:
    names = ['.'.join(file.relative_to(ROOT).with_suffix('').parts) for file in (ROOT / 'project').rglob('*.py')]
    names = [name.removesuffix('.__init__') for name in names if not name.startswith('project.data.')]
    return [name for name in names if not any(f'{name}.'.startswith(f'{part}.') for part in MODEL_SIDE)]


def test_only_the_model_side_needs_torch_and_mmdet3d():
    names = modules()
    assert {'project.labels.pipeline', 'project.evaluation.folder_evaluation', 'project.checking.run'} < set(names)
    done = without_model('import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)', *names)
    assert done.returncode == 0, done.stderr


def test_commands_explain_themselves_and_name_what_is_missing(tmp_path):
    call = 'from project.commands import occ_{0}; sys.argv[0] = "occ-{0}"; sys.exit(occ_{0}.program())'
    for name in ('convert', 'check', 'evaluate', 'visualize', 'train', 'test'):
        done = without_model(call.format(name), '--help')
        assert done.returncode == 0 and f'\n  occ-{name} ' in done.stdout.replace('    occ', '  occ'), name
    (tmp_path / 'a.pth').touch()
    for name, arguments in (
        ('train', ['occupancy_tiny']),
        ('test', ['occupancy_tiny', tmp_path / 'a.pth']),
        ('visualize', ['config/occupancy_tiny.py', tmp_path / 'a.pth']),
    ):
        done = without_model(call.format(name), *arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert 'no package torch' in done.stderr and "pip install 'occupancy-bevformer[model]'" in done.stderr


def test_a_gpu_is_refused_in_a_sentence_without_torch(tmp_path):
    call = 'from project.commands.occ_evaluate import main; sys.exit(main(sys.argv[1:]))'
    done = without_model(call, tmp_path, tmp_path, '--protocol', 'occ3d', '--device', 'cuda')
    assert done.returncode == 2
    assert done.stderr.startswith('error: device cuda needs torch') and len(done.stderr.splitlines()) == 1


def test_the_plugin_is_silent_without_mmdet3d_and_says_when_it_is_broken(tmp_path):
    assert without_model('import project; print(project.__version__)').stderr == ''
    (tmp_path / 'mmdet3d.py').write_text('raise RuntimeError("a broken mmdet3d")')
    program = f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import project, mmdet3d'
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1 and 'a broken mmdet3d' in done.stderr


def requirements(lines: list[str]) -> dict[str, str]:
    """Versions by the name of the package."""
    return {re.split('[<>=]', line)[0]: line for line in lines if line and not line.startswith('#')}


def test_requirements_are_those_of_the_main_install_and_the_model():
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    main, model = requirements(project['dependencies']), requirements(project['optional-dependencies']['model'])
    listed = requirements((ROOT / 'requirements.txt').read_text().splitlines())
    assert listed.keys() == main.keys() | model.keys()
    assert {name: listed[name] for name in model} == model
    assert 'torch' not in main and not any(name.startswith('mm') for name in main)


@pytest.mark.skipif(find_spec('mmengine') is None, reason='configurations are read by mmengine')
@pytest.mark.parametrize('name', ['occupancy_tiny', 'occupancy_tiny.py', 'config/occupancy_tiny.py'])
def test_shipped_configurations_are_found_by_name(tmp_path, monkeypatch, name):
    from project.engine.config_files import find_config

    monkeypatch.chdir(tmp_path)
    assert find_config(name) == ROOT / 'config/occupancy_tiny.py'
    with pytest.raises(FileNotFoundError, match=r'no configuration elsewhere/occupancy_tiny; .*occupancy_lift'):
        find_config('elsewhere/occupancy_tiny')
