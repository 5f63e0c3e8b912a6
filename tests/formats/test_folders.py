"""Which files of a folder are of which layout and keyframe."""

from pathlib import Path

import numpy as np
import pytest

from project.formats import FORMATS, Keyframe, predictions
from project.formats.folders import DENSE, expected_path, find_files, path_fields

KEYFRAMES = [Keyframe('scene-0061', 'aa', f'bb{i}', f'cc{i}', f'n008__LIDAR_TOP__{i}.pcd.bin') for i in range(2)]
FIRST_LEVELS = {'voxels': 'voxels', 'occ3d': 'gts', 'openocc': 'openocc_v2', 'surroundocc': 'samples'}


def touch(root: Path, layout: str) -> Path:
    for keyframe in KEYFRAMES:
        file = root / (f'{keyframe.sample_token}.npz' if layout == DENSE else FORMATS[layout].path(keyframe))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


@pytest.mark.parametrize('layout', [*FORMATS, DENSE])
def test_every_layout_is_found_by_its_paths(tmp_path: Path, layout: str):
    touch(tmp_path, layout)
    (tmp_path / 'notes.txt').touch()
    (found,) = find_files(tmp_path, [*FORMATS, DENSE])
    assert (found.layout, found.root) == (layout, tmp_path)
    assert list(found.files) == [getattr(keyframe, found.named_by) for keyframe in KEYFRAMES]
    assert all(file.is_file() for file in found.files.values())
    scene = {'surroundocc': 'n008', 'points': 'n008', 'openoccupancy': 'aa', DENSE: tmp_path.name}
    assert set(found.scenes.values()) == {scene.get(layout, 'scene-0061')}


@pytest.mark.parametrize('name', ['1.bin', '1.pcd', 'log 3.las'])
@pytest.mark.parametrize('layout', ['points', 'surroundocc'])
def test_files_named_after_lidar_files_of_other_recordings(tmp_path: Path, layout: str, name: str):
    file = tmp_path / FORMATS[layout].path(Keyframe('scene', 'aa', 'bb', 'cc', name))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    (tmp_path / 'settings.json').touch()
    (found,) = find_files(tmp_path, [*FORMATS, DENSE])
    assert (found.layout, found.files) == (layout, {name: file})


@pytest.mark.parametrize('layout', FIRST_LEVELS)
def test_the_first_level_is_known_by_its_name(tmp_path: Path, layout: str):
    below = touch(tmp_path, layout) / FIRST_LEVELS[layout]
    named = tmp_path / 'elsewhere' / below.name
    named.parent.mkdir()
    # A link may bear the name; the folder that it leads to does not.
    named.symlink_to(below.rename(tmp_path / 'renamed'))
    (found,) = find_files(named, FORMATS)
    assert (found.layout, found.root, len(found.files)) == (layout, named.parent, 2)
    assert find_files(tmp_path / 'renamed', FORMATS) == []
    (found,) = find_files(tmp_path / 'renamed', [DENSE, layout])
    assert len(found.files) == 2


def test_the_first_level_is_known_in_the_working_directory(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(touch(tmp_path, 'occ3d') / 'gts')
    (found,) = find_files('.', FORMATS)
    assert (found.layout, found.root) == ('occ3d', tmp_path)


def test_layouts_come_in_the_order_asked_for(tmp_path: Path):
    for layout in ('occ3d', 'points', DENSE):
        touch(tmp_path, layout)
    assert [found.layout for found in find_files(tmp_path, [DENSE, *FORMATS])] == [DENSE, 'points', 'occ3d']


def test_paths_for_people_and_the_fields_they_are_made_of():
    assert expected_path('occ3d') == 'gts/*/*/labels.npz'
    assert expected_path(DENSE) == '<sample token>.npz'
    assert path_fields('openoccupancy') == ['scene_token', 'lidar_token']


def test_a_prediction_of_another_kind_is_named(tmp_path: Path):
    file = tmp_path / 'a.npz'
    np.savez(file, pred=np.full((7, 5, 3), 16, np.uint8), flow=np.zeros((7, 5, 3, 2), np.float32))
    labels, flow, _ = predictions.read(file, openocc_classes=True)
    assert (labels == 17).all() and flow.shape == (7, 5, 3, 2)
    np.savez(file, pred=np.zeros((7, 5), np.uint8))
    with pytest.raises(ValueError, match=r'a.npz: .*"pred" has the shape \(7, 5\), not \(X, Y, Z\)'):
        predictions.read(file)
