"""Which scenes are to train and which to validate on."""

import json

import pytest

from project.sources.nuscenes.splits import read_splits


@pytest.mark.parametrize('content', ['{broken', '[]', '{"val": "scene-0061"}', '{"train": [3]}'])
def test_damaged_splits_are_named(tmp_path, content):
    (tmp_path / 'v1.0-mini').mkdir()
    (tmp_path / 'v1.0-mini/splits.json').write_text(content)
    with pytest.raises(ValueError, match=r'v1\.0-mini/splits\.json: does not hold lists of scene names'):
        read_splits(tmp_path, 'v1.0-mini')


def test_custom_and_official_splits(tmp_path):
    assert read_splits(tmp_path, 'v1.0-mini')['val'] == {'scene-0103', 'scene-0916'}
    (tmp_path / 'v1.0-mini').mkdir()
    (tmp_path / 'v1.0-mini/splits.json').write_text(json.dumps({'val': ['a'], 'other': ['b']}))
    assert read_splits(tmp_path, 'v1.0-mini') == {'train': frozenset(), 'val': {'a'}}


def test_official_splits_are_those_of_the_devkit(tmp_path):
    devkit = pytest.importorskip('nuscenes.utils.splits').create_splits_scenes()
    for version, prefix in (('v1.0-trainval', ''), ('v1.0-mini', 'mini_')):
        splits = read_splits(tmp_path, version)
        assert splits == {split: frozenset(devkit[prefix + split]) for split in ('train', 'val')}
