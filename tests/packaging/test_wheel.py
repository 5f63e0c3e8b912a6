"""The wheel and the sdist, built; and the wheel in a fresh environment that has nothing else."""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from project.evaluation.protocols.interface import Volume
from project.evaluation.protocols.submissions import write_dense
from project.formats import FORMATS
from project.formats.folders import find_files

ROOT = Path(__file__).resolve().parents[2]
NO_INDEX = ('connection', 'resolution', 'timed out', 'unreachable', 'no matching distribution', 'no module named uv')

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess:
    """Run a program that sees the installed package and not the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    return subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def run_or_skip(*command: object, cwd: Path) -> None:
    """Run a program that loads packages; the test is skipped where there is no package index."""
    done = run(*command, cwd=cwd)
    said = (done.stdout + done.stderr).lower()
    if done.returncode and any(words in said for words in NO_INDEX):
        pytest.skip(f'packages cannot be loaded here: {done.stderr.strip().splitlines()[-1]}')
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The wheel and the sdist; the wheel is built from the sdist."""
    folder = tmp_path_factory.mktemp('dist')
    run_or_skip(sys.executable, '-m', 'uv', 'build', '--out-dir', folder, ROOT, cwd=folder)
    return next(folder.glob('*.whl')), next(folder.glob('*.tar.gz'))


@pytest.fixture(scope='module')
def installed(built, tmp_path_factory) -> Path:
    """The programs of an environment with the main install."""
    environment = tmp_path_factory.mktemp('fresh') / 'venv'
    run_or_skip(sys.executable, '-m', 'venv', environment, cwd=environment.parent)
    run_or_skip(environment / 'bin/python', '-m', 'pip', 'install', '-q', built[0], cwd=environment.parent)
    return environment / 'bin'


def test_both_hold_all_files_of_the_package(built):
    wheel, sdist = built
    tracked = subprocess.run(['git', 'ls-files', 'project', 'config'], cwd=ROOT, capture_output=True, text=True).stdout
    files = {name for name in tracked.split() if (ROOT / name).is_file()}
    assert {'project/checking/page.css', 'project/visualization/web/static/vendor/three.js'} < files
    with tarfile.open(sdist) as archive:
        assert files <= {name.partition('/')[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if '.dist-info/' not in name}
    assert names == {re.sub('^config/', 'project/configs/', name) for name in files}


def test_labels_are_made_checked_and_scored_without_torch(installed, tiny_world, tmp_path):
    labels, predictions = tmp_path / 'labels', tmp_path / 'predictions'
    done = run(
        installed / 'occ-convert', '--dataroot', tiny_world, '--save_path', labels, '--format', 'occ3d', '--workers', 1,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [found] = find_files(labels, ['occ3d'])
    for name, file in found.files.items():
        volume = Volume.of(FORMATS['occ3d'].read(file))
        write_dense(predictions / f'{name}.npz', volume)
    scores = tmp_path / 'scores.json'
    done = run(installed / 'occ-evaluate', predictions, labels, '--protocol', 'occ3d', '--json', scores, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [result] = json.loads(scores.read_text())['methods'].values()
    assert result['summary']['mIoU'] == 100
    program = f"""
import sys
from project.evaluation import evaluate
infos = {str(labels / 'nuscenes_infos_val.pkl')!r}
scores = evaluate({str(predictions)!r}, {str(labels)!r}, 'rayiou', infos=infos)
assert 'torch' not in sys.modules
print(scores.summary['RayIoU'])
"""
    done = run(installed / 'python', '-c', program, cwd=tmp_path)
    assert done.stdout.strip() == '100.0', done.stderr
    report = tmp_path / 'check.html'
    arguments = [labels, '--dataroot', tiny_world, '--html', report, '--workers', 1]
    done = run(installed / 'occ-check', *arguments, cwd=tmp_path)
    assert done.returncode in (0, 1) and report.stat().st_size > 10_000, done.stderr
    page = tmp_path / 'page.html'
    done = run(installed / 'occ-visualize', labels, '--dataroot', tiny_world, '--html', page, cwd=tmp_path)
    assert done.returncode == 0 and page.stat().st_size > 500_000, done.stderr


def test_a_configuration_is_found_by_name_and_what_it_needs_is_named(installed, tmp_path):
    done = run(installed / 'occ-train', 'occupancy_tiny', cwd=tmp_path)
    assert done.returncode == 2 and "pip install 'occupancy-bevformer[model]'" in done.stderr
    program = 'import project; from pathlib import Path; print(Path(project.__file__).parent / "configs")'
    done = run(installed / 'python', '-c', program, cwd=tmp_path)
    assert (Path(done.stdout.strip()) / 'occupancy_tiny.py').is_file()
