"""project.compat: what happens at imports, most cases in an interpreter of their own."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def run(program: str) -> str:
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_labels_need_no_framework():
    loaded = 'import sys, project.labels, project.formats, project.synthetic; print(sorted(set(sys.modules) & {heavy}))'
    assert run(loaded.replace('{heavy}', "{'torch', 'mmengine', 'mmcv', 'mmdet3d', 'cv2', 'matplotlib'}")) == '[]'


@pytest.mark.parametrize(
    'imports',
    [
        pytest.param('project, mmdet3d.registry', marks=pytest.mark.slow),
        'mmdet3d.registry, project',
        pytest.param('project, mmdet3d.utils', marks=pytest.mark.slow),
    ],
)
def test_importing_the_project_registers_it_in_any_order(imports):
    program = f'import {imports}; from mmdet3d.registry import MODELS; print("OccupancyBEVFormer" in MODELS)'
    assert run(program) == 'True'


def test_a_package_that_another_finder_finds_is_prepared_as_well(tmp_path):
    # As setuptools installs a package in editable form: outside sys.path, with a finder of its own.
    (tmp_path / 'elsewhere.py').write_text('value = 3')
    program = f"""
import importlib.abc, importlib.util, sys
from contextlib import contextmanager
from project.compat import _ImportHook

class Editable(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == 'elsewhere':
            return importlib.util.spec_from_file_location(name, {str(tmp_path / 'elsewhere.py')!r})

@contextmanager
def around():
    print('before')
    yield

sys.meta_path[:0] = [_ImportHook({{'elsewhere': around}}, {{'elsewhere': lambda: print('after')}})]
sys.meta_path.append(Editable())
import elsewhere
print(elsewhere.value)
"""
    assert run(program).split() == ['before', 'after', '3']


@pytest.mark.skipif(find_spec('mmcv._ext') is not None, reason='this mmcv has compiled operators')
def test_a_missing_operator_says_so_when_it_is_called():
    # Here, not in an interpreter of its own: whoever imports mmdet3d first, the operators are replaced.
    import project
    import mmdet3d.models  # isort: skip
    from mmcv.ops import nms

    assert project and mmdet3d
    with pytest.raises(ImportError, match='needs compiled operators'):
        nms(torch.rand(3, 4), torch.rand(3), 0.5)


def test_newer_neighbours_pass_the_version_gates():
    program = """
import project, mmcv
mmcv.__version__ = '2.3.6'
import mmdet3d, mmseg, mmdet
print(mmcv.__version__)
"""
    assert run(program) == '2.3.6'
