"""A folder of labels states how they were made, and that stays true whatever happens."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from project.formats import FORMATS, Keyframe, voxels
from project.labels.run import folder
from project.labels.run.folder import SETTINGS_FILE, prepare_folder
from project.labels.run.settings import Settings
from project.taxonomy import Taxonomy


def scene(name: str) -> SimpleNamespace:
    frames = (
        Keyframe(name, f'token-{name}', f'{name}-{k}', f'lidar-{name}-{k}', f'{name}-{k}.pcd.bin') for k in (0, 1)
    )
    return SimpleNamespace(name=name, keyframes=tuple(frames), taxonomy=Taxonomy.nuscenes())


ONE, TWO = scene('scene-0061'), scene('scene-0103')


def label(settings: Settings, *scenes: SimpleNamespace) -> set[Path]:
    """Make files of labels; returns their paths."""
    paths = {
        settings.save_path / FORMATS[name].path(k) for name in settings.formats for s in scenes for k in s.keyframes
    }
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'labels')
    return paths


def stated(root: Path, name: str = 'voxels') -> int:
    """The window that a folder states."""
    return json.loads((root / SETTINGS_FILE).read_text())[name]['num_sweeps']


def test_a_folder_states_each_format_and_the_manifest_says_the_same(tmp_path):
    prepare_folder(Settings(tmp_path, num_sweeps=3), 'v1.0-mini', [ONE])
    prepare_folder(Settings(tmp_path, ('occ3d',), num_sweeps=5), 'v1.0-mini', [ONE])
    assert (stated(tmp_path), stated(tmp_path, 'occ3d')) == (3, 5)
    made = json.loads((tmp_path / SETTINGS_FILE).read_text())['voxels']
    assert made == voxels.read_manifest(tmp_path)['settings']
    assert made['generator'].startswith('occupancy-bevformer ')


@pytest.mark.skipif(not (Path(__file__).parents[3] / '.git').exists(), reason='no clone of the repository')
def test_the_commit_is_that_of_the_repository():
    [commit] = folder._commit()
    assert re.fullmatch(r'[0-9a-f]{12,}(-dirty)?', commit)


def test_commits_that_labels_were_made_with_are_listed(tmp_path, monkeypatch):
    for commit in (['a'], ['b'], [], ['b']):
        monkeypatch.setattr(folder, '_commit', lambda commit=commit: commit)
        prepare_folder(Settings(tmp_path), 'v1.0-mini', [ONE])
    assert voxels.read_manifest(tmp_path)['settings']['commits'] == ['a', 'b']
    prepare_folder(Settings(tmp_path, num_sweeps=3), 'v1.0-mini', [ONE])
    assert voxels.read_manifest(tmp_path)['settings']['commits'] == ['b']


@pytest.mark.parametrize('name', FORMATS)
def test_labels_of_another_making_stop_a_conversion_and_nothing_changes(tmp_path, name):
    first = Settings(tmp_path, (name,), num_sweeps=3)
    prepare_folder(first, 'v1.0-mini', [ONE])
    paths = label(first, ONE)
    with pytest.raises(ValueError, match='made with another num_sweeps; choose another --save_path'):
        prepare_folder(Settings(tmp_path, (name,), num_sweeps=0), 'v1.0-mini', [ONE])
    assert stated(tmp_path, name) == 3 and all(path.is_file() for path in paths)


def test_where_no_labels_are_yet_other_settings_take_the_place(tmp_path):
    prepare_folder(Settings(tmp_path, num_sweeps=3), 'v1.0-mini', [ONE])
    prepare_folder(Settings(tmp_path, num_sweeps=0), 'v1.0-mini', [ONE])
    assert stated(tmp_path) == 0


@pytest.mark.parametrize('name', FORMATS)
def test_overwriting_removes_labels_of_another_making_before_it_states_the_new_one(tmp_path, name, monkeypatch):
    first, second = (Settings(tmp_path, (name,), num_sweeps=n, overwrite=True) for n in (3, 0))
    prepare_folder(first, 'v1.0-mini', [ONE, TWO])
    paths = label(first, ONE, TWO)

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder, 'written_whole', stop)
        with pytest.raises(KeyboardInterrupt):
            prepare_folder(second, 'v1.0-mini', [ONE, TWO])
    assert stated(tmp_path, name) == 3 and not any(path.exists() for path in paths)
    prepare_folder(second, 'v1.0-mini', [ONE, TWO])
    assert stated(tmp_path, name) == 0


@pytest.mark.parametrize('name', FORMATS)
def test_overwriting_some_scenes_is_refused_where_others_would_keep_their_making(tmp_path, name):
    first = Settings(tmp_path, (name,), num_sweeps=3)
    prepare_folder(first, 'v1.0-mini', [ONE, TWO])
    paths = label(first, ONE, TWO)
    with pytest.raises(ValueError, match='one of 2 labels of scenes that are not to be converted now'):
        prepare_folder(Settings(tmp_path, (name,), num_sweeps=0, overwrite=True), 'v1.0-mini', [ONE])
    assert stated(tmp_path, name) == 3 and all(path.is_file() for path in paths)
    prepare_folder(Settings(tmp_path, (name,), num_sweeps=3, overwrite=True), 'v1.0-mini', [ONE])
    assert all(path.is_file() for path in paths)


def test_another_format_and_its_labels_are_left_alone(tmp_path):
    both = Settings(tmp_path, ('voxels', 'occ3d'), num_sweeps=3)
    prepare_folder(both, 'v1.0-mini', [ONE, TWO])
    paths = label(both, ONE, TWO)
    prepare_folder(Settings(tmp_path, ('occ3d',), num_sweeps=0, overwrite=True), 'v1.0-mini', [ONE, TWO])
    assert (stated(tmp_path), stated(tmp_path, 'occ3d')) == (3, 0)
    assert {path for path in paths if path.exists()} == label(Settings(tmp_path), ONE, TWO)


def test_labels_of_unknown_making_are_not_mixed_with_new_ones(tmp_path):
    label(Settings(tmp_path, ('occ3d',)), ONE)
    with pytest.raises(ValueError, match='occ3d were made in a way that is not stated there'):
        prepare_folder(Settings(tmp_path, ('occ3d',)), 'v1.0-mini', [ONE])


def test_another_mapping_is_another_making(tmp_path):
    prepare_folder(Settings(tmp_path), 'v1.0-mini', [ONE])
    label(Settings(tmp_path), ONE)
    other = SimpleNamespace(**vars(ONE) | {'taxonomy': replace(Taxonomy.nuscenes(), label_of=np.zeros(256, np.uint8))})
    with pytest.raises(ValueError, match='another label_names and category_labels'):
        prepare_folder(Settings(tmp_path), 'v1.0-mini', [other])


@pytest.mark.parametrize('content', [b'[]', b'{"voxels": 3}', b'{broken', b'\xff'])
def test_damaged_settings_are_named(tmp_path, content):
    (tmp_path / SETTINGS_FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r'settings\.json: does not state how labels were made'):
        prepare_folder(Settings(tmp_path), 'v1.0-mini', [ONE])
