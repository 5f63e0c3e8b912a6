"""tools/make_synthetic.py as a user runs it."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from project.synthetic import Difficulties, WorldSettings

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


def test_another_car_and_another_layout(run: Callable[..., int], tmp_path: Path, capsys) -> None:
    out = tmp_path / 'world'
    assert run('--out', out, *SMALL, '--rig', 'two-lidars') == 0
    # The folder of a scene must not come where something else lies.
    (out / 'scene-0061').mkdir()
    folder = ('--out', out, *SMALL, '--overwrite', '--layout', 'folder')
    assert run(*folder) == 2 and 'scene-0061 is not part of the world' in capsys.readouterr().err
    (out / 'scene-0061').rmdir()
    assert run(*folder) == 0
    assert {path.name for path in out.iterdir()} == {'scene-0061', 'taxonomy.yaml', 'synthetic_world.json'}
    assert (WorldSettings.load(out).rig, WorldSettings.load(out).layout) == ('nuscenes', 'folder')
    assert run('--out', out, *SMALL, '--overwrite') == 0
    assert not (out / 'scene-0061').exists() and (out / 'v1.0-mini/scene.json').is_file()


def test_never_removes_what_it_did_not_make(run: Callable[..., int], tmp_path: Path, capsys) -> None:
    (tmp_path / 'thesis.tex').write_text('mine')
    assert run('--out', tmp_path, *SMALL, '--overwrite') == 2
    assert (tmp_path / 'thesis.tex').exists() and str(tmp_path) in capsys.readouterr().err


def test_what_lies_beside_a_world_survives_another(run: Callable[..., int], tmp_path: Path, capsys) -> None:
    out = tmp_path / 'world'
    assert run('--out', out, *SMALL, '--version', 'v1.0-first') == 0
    mine = [tmp_path / 'world.partial/notes', out / 'occupancy/voxels/labels.npz', out / 'v1.0-mini/scene.json']
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_text('mine')
    assert run('--out', out, *SMALL, '--overwrite') == 2
    assert 'v1.0-mini is not part of the world' in capsys.readouterr().err
    assert run('--out', out, *SMALL, '--overwrite', '--version', 'v1.0-second', '--seed', 3) == 0
    assert 'kept from before: occupancy, v1.0-mini\n' in capsys.readouterr().out
    assert all(path.read_text() == 'mine' for path in mine)
    assert not (out / 'v1.0-first').exists() and (out / 'v1.0-second/scene.json').is_file()
    assert WorldSettings.load(out).seed == 3


def test_a_world_that_is_broken_off_leaves_nothing(
    run: Callable[..., int], tmp_path: Path, monkeypatch, capsys
) -> None:
    def full(*arguments):
        raise OSError(28, 'No space left on device', 'somewhere')

    assert run('--out', tmp_path, *SMALL, '--seed', 5) == 0
    before = sorted(tmp_path.rglob('*'))
    monkeypatch.setattr('project.synthetic.world.scan', full)
    assert run('--out', tmp_path, *SMALL, '--overwrite') == 2
    assert 'No space left on device' in capsys.readouterr().err
    assert sorted(tmp_path.rglob('*')) == before and WorldSettings.load(tmp_path).seed == 5


def test_the_present_folder_may_be_the_world(run: Callable[..., int], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run('--out', '.', *SMALL) == 0
    assert (tmp_path / 'v1.0-mini/scene.json').is_file()


@pytest.mark.parametrize(
    'wrong',
    [
        ('--image-size', '800'),
        ('--scenes', '0'),
        ('--all-difficulties', '--no-difficulties'),
        ('--seed', 'x'),
        ('--seed', '-1'),
        ('--version', '../evil'),
        ('--version', ''),
        ('--version', 'samples'),
        ('--scene-names', 'a/b', 'c'),
        ('--rig', 'tank'),
    ],
)
def test_wrong_arguments_are_told(run: Callable[..., int], wrong: tuple[str, ...], tmp_path: Path, capsys) -> None:
    assert run('--out', tmp_path / 'w', *wrong) == 2
    assert capsys.readouterr().err and not (tmp_path / 'w').exists()


def test_help_shows_examples_and_explains_difficulties(run: Callable[..., int], capsys) -> None:
    assert run('--help') == 0
    said = capsys.readouterr().out
    assert 'python tools/make_synthetic.py --out' in said
    assert 'moving objects that have no box' in said and 'the ground is hilly' in said


def test_every_difficulty_has_a_sentence() -> None:
    assert list(Difficulties.sentences()) == [each.name for each in fields(Difficulties)]
