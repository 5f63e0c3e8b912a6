"""project.kernel_cache: machine code is never older than the files that it was made of."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from project.kernel_cache import KEPT_S, PROJECT, state_of

WHERE = 'print(numba.config.CACHE_DIR)'


def run(program: str, cache: Path, cwd: Path = PROJECT.parent, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith('NUMBA_')}
    done = subprocess.run(
        [sys.executable, '-c', program],
        env={**clean, 'XDG_CACHE_HOME': str(cache), **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_constant_that_another_file_changes_is_seen(tmp_path: Path) -> None:
    (tmp_path / 'project/labels').mkdir(parents=True)
    for path in PROJECT.glob('*.py'):
        shutil.copy(path, tmp_path / 'project')
    kernel = (
        'from numba import njit\nfrom project.labels.constants import C\n@njit(cache=True)\ndef f():\n    return C\n'
    )
    (tmp_path / 'project/labels/kernel.py').write_text(kernel)
    for constant in (3, 5):
        (tmp_path / 'project/labels/constants.py').write_text(f'C = {constant}\n')
        program = 'from project.labels.kernel import f; from project.kernel_cache import is_compiled as c'
        program += '; print(c("project.labels.kernel"), f(), c("project.labels.kernel"), c("project.labels.constants"))'
        assert run(program, tmp_path / 'cache', tmp_path) == f'False {constant} True False'


def test_the_state_is_that_of_the_files_kernels_are_made_of(tmp_path: Path) -> None:
    sources = {
        'grid.py': '',
        'labels/kernel.py': 'from numba import njit\nfrom project.labels.parts import constants\n',
        'labels/parts/constants.py': 'from project.grid import G\n',
        'labels/index.py': 'from project.labels.kernel import f\n',
    }
    for name, text in sources.items():
        (tmp_path / 'project' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'project' / name).write_text(text)
    states = {}
    for name, text in sources.items():
        before = state_of(tmp_path / 'project')
        (tmp_path / 'project' / name).write_text(f'{text}C = 2\n')
        states[name] = before != state_of(tmp_path / 'project')
    assert states == {name: name != 'labels/index.py' for name in sources}


@pytest.mark.parametrize(
    'imports', ['project, numba', 'numba, project', 'project.labels.voxelization.histogram, numba']
)
def test_numba_uses_the_folder_of_this_state_in_any_order_of_imports(tmp_path: Path, imports: str) -> None:
    said = run(f'import {imports}; {WHERE}', tmp_path)
    assert [said] == [str(folder) for folder in tmp_path.glob('occupancy-bevformer/numba-*')]


def test_a_folder_that_the_user_names_is_used(tmp_path: Path) -> None:
    assert run(f'import project, numba; {WHERE}', tmp_path, NUMBA_CACHE_DIR='/elsewhere') == '/elsewhere'
    assert not list(tmp_path.iterdir())


def test_folders_that_nobody_used_for_long_are_removed(tmp_path: Path) -> None:
    old, new = (tmp_path / f'occupancy-bevformer/numba-{name}' for name in ('old', 'new'))
    old.mkdir(parents=True)
    new.mkdir()
    os.utime(old, (time.time() - KEPT_S - 60,) * 2)
    run('import project, numba', tmp_path)
    assert new.is_dir() and not old.exists()


def test_without_a_cache_of_the_user_a_temporary_folder_is_used(tmp_path: Path) -> None:
    program = 'import project, numba; ' + WHERE
    (tmp_path / 'file').write_text('')
    folder = Path(run(program, tmp_path / 'file', TMPDIR=str(tmp_path)))
    assert folder.is_relative_to(tmp_path / f'occupancy-bevformer-{os.getuid()}') and folder.is_dir()
    assert folder.parent.stat().st_mode & 0o077 == 0
    # A folder that others may write is not used: what it holds would be run.
    folder.parent.chmod(0o777)
    assert run(program, tmp_path / 'file', TMPDIR=str(tmp_path)) in ('', 'None')
