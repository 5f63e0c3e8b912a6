"""tools/make_synthetic.py as a user runs it."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from project.synthetic import WorldSettings

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'make_synthetic.py'
SMALL = ('--scenes', '1', '--keyframes', '1', '--no-images')


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the program in this process; returns its exit code."""
    specification = importlib.util.spec_from_file_location('make_synthetic', TOOL)
    tool = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tool)

    def call(*arguments: object) -> int:
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
        try:
            return tool.main()
        except SystemExit as end:
            return end.code

    return call


def test_makes_what_was_asked_for_and_keeps_it(run: Callable[..., int], tmp_path: Path, capsys) -> None:
    out = tmp_path / 'world'
    assert run('--out', out, *SMALL, '--all-difficulties', '--no-pose-noise', '--seed', 5) == 0
    assert 'scene-0061' in capsys.readouterr().out
    settings = WorldSettings.load(out)
    assert (settings.seed, settings.scenes, settings.keyframes, settings.images) == (5, 1, 1, False)
    assert settings.difficulties.missing_z and not settings.difficulties.pose_noise
    assert len(list((out / 'samples' / 'LIDAR_TOP').iterdir())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ['world']

    assert run('--out', out, *SMALL) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert WorldSettings.load(out).seed == 5
    assert run('--out', out, *SMALL, '--overwrite', '--no-difficulties', '--range-noise') == 0
    assert WorldSettings.load(out).difficulties.range_noise and not WorldSettings.load(out).difficulties.appearing


def test_never_removes_what_it_did_not_make(run: Callable[..., int], tmp_path: Path, capsys) -> None:
    (tmp_path / 'thesis.tex').write_text('mine')
    assert run('--out', tmp_path, *SMALL, '--overwrite') == 2
    assert (tmp_path / 'thesis.tex').exists() and str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize(
    'wrong', [('--image-size', '800'), ('--scenes', '0'), ('--all-difficulties', '--no-difficulties'), ('--seed', 'x')]
)
def test_wrong_arguments_are_told(run: Callable[..., int], wrong: tuple[str, ...], tmp_path: Path, capsys) -> None:
    assert run('--out', tmp_path / 'w', *wrong) == 2
    assert capsys.readouterr().err and not (tmp_path / 'w').exists()


def test_help_shows_examples(run: Callable[..., int], capsys) -> None:
    assert run('--help') == 0
    assert 'python tools/make_synthetic.py --out' in capsys.readouterr().out
