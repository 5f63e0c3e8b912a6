"""tools/make_synthetic.py as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from project.synthetic import WorldSettings

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'make_synthetic.py'
SMALL = ('--scenes', '1', '--keyframes', '1', '--no-images')


def run(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(TOOL), *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('made') / 'world'
    result = run('--out', out, *SMALL, '--all-difficulties', '--no-pose-noise', '--seed', 5)
    assert result.returncode == 0, result.stderr
    assert str(out) in result.stdout and 'scene-0061' in result.stdout
    return out


def test_makes_what_was_asked_for(made: Path) -> None:
    settings = WorldSettings.load(made)
    assert (settings.seed, settings.scenes, settings.keyframes, settings.images) == (5, 1, 1, False)
    assert settings.difficulties.missing_z and not settings.difficulties.pose_noise
    assert len(list((made / 'samples' / 'LIDAR_TOP').iterdir())) == 1
    assert [path.name for path in made.parent.iterdir()] == ['world']


def test_does_not_overwrite(made: Path, tmp_path: Path) -> None:
    result = run('--out', made, *SMALL)
    assert result.returncode == 2 and '--overwrite' in result.stderr and str(made) in result.stderr
    assert WorldSettings.load(made).seed == 5
    (tmp_path / 'thesis.tex').write_text('mine')
    result = run('--out', tmp_path, *SMALL, '--overwrite')
    assert result.returncode == 2 and (tmp_path / 'thesis.tex').exists()


@pytest.mark.parametrize(
    'wrong', [('--image-size', '800'), ('--scenes', '0'), ('--all-difficulties', '--no-difficulties')]
)
def test_wrong_arguments_are_told(wrong: tuple[str, ...], tmp_path: Path) -> None:
    result = run('--out', tmp_path / 'w', *wrong)
    assert result.returncode == 2 and result.stderr and 'Traceback' not in result.stderr
    assert not (tmp_path / 'w').exists()


def test_help_shows_examples() -> None:
    assert 'python tools/make_synthetic.py --out' in run('--help').stdout
