import json

import pytest

from project.sources.nuscenes import tables
from project.sources.nuscenes.tables import find_version, read_table, read_tables
from project.taxonomy import RAW_NAMES


def write_table(folder, records, name='sample', **options):
    folder.mkdir(exist_ok=True)
    (folder / f'{name}.json').write_text(json.dumps(records, **options))


@pytest.mark.parametrize('chunk', [1, 7, 1 << 20])
@pytest.mark.parametrize('indent', [None, 0, 2])
def test_a_table_is_the_same_however_it_is_read_and_laid_out(tmp_path, monkeypatch, chunk, indent):
    records = [{'token': 'a', 'text': '] } , [ "quoted"', 'list': [1, [2.5], {}]}, {'token': 'ü', 'none': None}]
    write_table(tmp_path, records, indent=indent)
    monkeypatch.setattr(tables, 'CHUNK', chunk)
    assert list(read_table(tmp_path, 'sample')) == records


def test_an_empty_table_has_no_records(tmp_path):
    write_table(tmp_path, [])
    assert list(read_table(tmp_path, 'sample')) == []


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'lidarseg\.json: this table is missing; unpack nuScenes-lidarseg'):
        list(read_table(tmp_path, 'lidarseg'))


@pytest.mark.parametrize('text', ['[{"token": "a"}, {"tok', '[{"token": "a"}', '{"token": "a"}', ''])
def test_a_damaged_table_is_named(tmp_path, text):
    (tmp_path / 'sample.json').write_text(text)
    with pytest.raises(ValueError, match=r'sample\.json: '):
        list(read_table(tmp_path, 'sample'))


def test_a_table_in_another_encoding_is_named(tmp_path):
    (tmp_path / 'sample.json').write_bytes('[{"token": "ü"}]'.encode('latin-1'))
    with pytest.raises(ValueError, match=r'sample\.json: is not text in UTF-8'):
        list(read_table(tmp_path, 'sample'))


@pytest.fixture
def small_tables(tmp_path):
    """Folder of tables with a scene of one keyframe without data."""
    rows = {
        'scene': [{'token': 's', 'name': 'scene-0061'}],
        'sample': [{'token': 'k', 'scene_token': 's', 'timestamp': 0}],
        'category': [{'token': str(index), 'name': name, 'index': index} for index, name in enumerate(RAW_NAMES)],
    }
    others = ('sensor', 'calibrated_sensor', 'sample_data', 'ego_pose', 'instance', 'sample_annotation', 'lidarseg')
    for name, content in {**rows, **{name: [] for name in others}}.items():
        write_table(tmp_path / 'v1.0-mini', content, name)
    return tmp_path / 'v1.0-mini'


def test_categories_that_lidarseg_counts_otherwise_are_refused(small_tables):
    read_tables(small_tables.parent, 'v1.0-mini')
    write_table(small_tables, [{'token': 'a', 'name': 'vehicle.car'}], 'category')
    read_tables(small_tables.parent, 'v1.0-mini')
    for name, index in (('vehicle.car', 14), ('vehicle.car', 32), ('vehicle.tank', 3), ('vehicle.car', '17')):
        write_table(small_tables, [{'token': 'a', 'name': name, 'index': index}], 'category')
        with pytest.raises(ValueError, match=rf'category\.json: gives {name} the lidarseg index {index}'):
            read_tables(small_tables.parent, 'v1.0-mini')


def test_two_scenes_of_one_name_are_refused(small_tables):
    write_table(small_tables, [{'token': token, 'name': 'scene-0061'} for token in 'st'], 'scene')
    with pytest.raises(ValueError, match=r'scene\.json: 2 scenes are called scene-0061'):
        read_tables(small_tables.parent, 'v1.0-mini')


def test_the_only_version_is_found(tmp_path):
    (tmp_path / 'v1.0-mini').mkdir()
    (tmp_path / 'v1.0-test').mkdir()
    assert find_version(tmp_path) == 'v1.0-mini'


def test_a_version_that_cannot_be_used_is_refused_with_a_reason(tmp_path):
    with pytest.raises(ValueError, match='holds no folder of tables'):
        find_version(tmp_path)
    with pytest.raises(ValueError, match='neither boxes nor lidarseg'):
        find_version(tmp_path, 'v1.0-test')
    (tmp_path / 'v1.0-test').mkdir()
    with pytest.raises(ValueError, match='holds v1.0-test, which has neither boxes nor lidarseg'):
        find_version(tmp_path)
    with pytest.raises(ValueError, match='no such folder'):
        find_version(tmp_path, 'v1.0-trainval')
    with pytest.raises(ValueError, match='no such folder; --dataroot'):
        find_version(tmp_path / 'nowhere')
    (tmp_path / 'v1.0-mini').mkdir()
    (tmp_path / 'v1.0-trainval').mkdir()
    with pytest.raises(ValueError, match='v1.0-mini and v1.0-trainval; choose one with --version'):
        find_version(tmp_path)
    assert find_version(tmp_path, 'v1.0-mini') == 'v1.0-mini'
