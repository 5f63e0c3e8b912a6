"""Which folder below a dataroot holds the tables."""

import pytest

from project.sources.nuscenes.version_folder import find_version


def test_the_only_version_is_found(tmp_path):
    (tmp_path / 'v1.0-mini').mkdir()
    (tmp_path / 'v1.0-test').mkdir()
    assert find_version(tmp_path) == 'v1.0-mini'


def test_a_version_that_cannot_be_used_is_refused_with_a_reason(tmp_path):
    with pytest.raises(ValueError, match='holds no folder of tables'):
        find_version(tmp_path)
    (tmp_path / 'v1.0-test').mkdir()
    assert find_version(tmp_path) == find_version(tmp_path, 'v1.0-test') == 'v1.0-test'
    with pytest.raises(ValueError, match='no such folder'):
        find_version(tmp_path, 'v1.0-trainval')
    with pytest.raises(ValueError, match='no such folder; --dataroot'):
        find_version(tmp_path / 'nowhere')
    (tmp_path / 'v1.0-mini').mkdir()
    (tmp_path / 'v1.0-trainval').mkdir()
    with pytest.raises(ValueError, match='v1.0-mini and v1.0-trainval; choose one with --version'):
        find_version(tmp_path)
    assert find_version(tmp_path, 'v1.0-mini') == 'v1.0-mini'


def test_tables_of_others_are_found_by_what_they_hold(tmp_path):
    for folder in ('annotation', 'samples'):
        (tmp_path / folder).mkdir()
    for table in ('scene', 'sample_data'):
        (tmp_path / 'annotation' / f'{table}.json').write_text('[]')
    assert find_version(tmp_path) == 'annotation'
    with pytest.raises(ValueError, match=f'such as v1.0-trainval or v1.0-mini; give its parent, {tmp_path}'):
        find_version(tmp_path / 'annotation')
