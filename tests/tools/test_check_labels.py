"""The whole program, on a synthetic world and on real data."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from project.commands.occ_check import main, parse_arguments
from project.commands.occ_convert import main as convert
from project.formats import voxels

REAL = Path(__file__).parents[3] / 'shared' / 'real' / 'nuscenes_sequence'


@pytest.fixture(scope='module')
def labels(tiny_world, tmp_path_factory) -> Path:
    """Labels of the tiny world."""
    folder = tmp_path_factory.mktemp('labels')
    assert convert(['--dataroot', str(tiny_world), '--save_path', str(folder), '--workers', '1']) == 0
    return folder


def check(tiny_world: Path, *arguments) -> int:
    return main([*map(str, arguments), '--dataroot', str(tiny_world), '--workers', '1'])


def test_right_labels_are_trusted(tiny_world, labels, tmp_path, capsys):
    json_file, page = tmp_path / 'check.json', tmp_path / 'check.html'
    assert check(tiny_world, labels, '--json', json_file, '--html', page, '--pictures', 2) == 0
    assert 'TRUSTED: 9' in capsys.readouterr().out
    content = json.loads(json_file.read_text())
    assert content['total']['agree'] > 94 and content['total']['early'] < 4 and content['total']['ghost voxels'] < 2
    assert [len(scene['keyframes']) for scene in content['scenes']] == [3, 3]
    assert page.read_text().count('<img') == 6


def test_labels_of_a_wrong_place_are_not(tiny_world, labels, tmp_path, capsys):
    """Half a metre to the side and to the front, as by a wrong calibration of whoever made them."""
    for file in labels.glob('voxels/*/*.npz'):
        read = voxels.read(file)
        shifted = read.indices + np.array([2, 2, 1])
        kept = (shifted < read.grid.shape).all(axis=1)
        read.indices, read.classes = shifted[kept].astype(np.int32), read.classes[kept]
        voxels.write(tmp_path / file.relative_to(labels), read)
    assert check(tiny_world, tmp_path) == 1
    assert 'NOT TRUSTED' in capsys.readouterr().out


def test_held_out_sweeps_judge_labels_that_were_made_without_them(tiny_world, labels, tmp_path):
    file = tmp_path / 'check.json'
    assert check(tiny_world, labels, '--hold-out', 2, '--scenes', 'scene-0061', '--json', file) == 0
    content = json.loads(file.read_text())
    assert content['about']['judged by'] == 'sweeps held out, each 2.' and content['total']['agree'] > 93
    assert len(content['scenes']) == 1 and not any(labels.glob('scene-0061-*'))


def test_workers_do_not_change_figures(tiny_world, labels, tmp_path):
    files = [tmp_path / f'{workers}.json' for workers in (1, 2)]
    for workers, file in zip((1, 2), files, strict=True):
        assert main([str(labels), '--dataroot', str(tiny_world), '--workers', str(workers), '--json', str(file)]) == 0
    assert files[0].read_text() == files[1].read_text()


def test_what_cannot_be_judged_is_one_sentence(tiny_world, labels, tmp_path, capsys):
    assert check(tiny_world, tmp_path) == 2
    assert 'holds no labels; looked for voxels/*/*.npz' in capsys.readouterr().err
    assert check(tmp_path, labels) == 2
    assert 'holds no folder of tables' in capsys.readouterr().err
    others = tmp_path / 'voxels'
    shutil.copytree(labels / 'voxels', others)
    assert check(tiny_world, tmp_path, '--hold-out', 2) == 2
    assert 'no settings.json says how these labels were made' in capsys.readouterr().err
    [file.unlink() for file in others.glob('*/*.npz')]
    (others / 'scene-0061' / 'ffff.npz').write_bytes(b'')
    assert check(tiny_world, tmp_path) == 2
    assert 'no label is of a keyframe of' in capsys.readouterr().err


def test_a_damaged_label_spoils_its_scene_only(tiny_world, labels, tmp_path, capsys):
    shutil.copytree(labels / 'voxels', tmp_path / 'voxels')
    damaged = sorted(tmp_path.glob('voxels/scene-0061/*.npz'))[0]
    damaged.write_bytes(b'nothing')
    assert check(tiny_world, tmp_path) == 0
    said = capsys.readouterr().out
    assert 'scene-0061 was not judged' in said and damaged.name in said


def test_either_labels_or_hold_out(capsys):
    with pytest.raises(SystemExit) as ended:
        parse_arguments(['--dataroot', 'x'])
    assert ended.value.code == 2 and 'give LABELS to judge, or --hold-out N' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason='needs the real recordings beside the repository')
def test_real_nuscenes_needs_corrected_poses(tmp_path):
    pytest.importorskip('small_gicp')
    figures = {}
    for refine in ('--refine-poses', '--no-refine-poses'):
        file = tmp_path / f'{refine}.json'
        code = main(['--dataroot', str(REAL), '--hold-out', '2', refine, '--json', str(file), '--workers', '1'])
        figures[refine] = json.loads(file.read_text())
        assert code == int(refine == '--no-refine-poses')
    right, wrong = figures.values()
    assert right['total']['agree'] > 85 and wrong['total']['agree'] < 60
    assert wrong['advice'][0]['kind'] == 'layers' and all(each['kind'] != 'layers' for each in right['advice'])
